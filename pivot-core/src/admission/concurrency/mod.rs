//! How many requests run at once: the slow loop.
//!
//! [`Samples`] count what became of requests, a [`LimitLoop`] reads them once a window and answers the limit for
//! [`Permits::set_limit`](super::Permits::set_limit).

mod aimd;
mod baseline;
mod config;
mod elasticity;
mod gradient;
mod level;
mod limit_loop;
mod sample;
mod vegas;
mod window;

pub use aimd::Aimd;
pub use config::{LimitConfig, LimitConfigError, LimitLaw};
pub use elasticity::{Elasticity, Trend};
pub use gradient::Gradient;
pub use level::Level;
pub use limit_loop::{Law, LimitLoop};
pub use sample::{Sample, SampleOutcome, Samples};
pub use vegas::Vegas;
pub use window::Window;
