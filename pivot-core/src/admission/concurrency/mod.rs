//! How many requests run at once: the slow loop.
//!
//! [`Samples`] count what became of requests, a [`LimitLoop`] reads them once a window and answers the limit for
//! [`Permits::set_limit`](super::Permits::set_limit). A permit is held by a request while it runs, never by a connection.
//!
//! # What it protects against
//! Too many requests inside at once, each of them slow; and too few, while a slow dependency could serve many more. A law
//! of latency ([`LimitLaw`]) proposes; two rules stand above each law:
//!
//! - **An absolute objective.** If more than a tenth of the requests takes longer than `latency_objective`, or too many are
//!   dropped, the limit falls. A ratio of recent to usual latency cannot see a level that is steadily bad.
//! - **Measured throughput** ([`Elasticity`]). Where throughput does not rise with the limit, the limit does not rise and
//!   what was added is taken back; where it falls, the limit falls; where it rises, so does the limit, however slow
//!   requests are: they wait for something that has room.
//!
//! Neither way moves the limit while load alone sets the pace (fewer than 7/8 of the permits taken), and it rises only while
//! requests wait for a permit. At `min`, if that did not help, more are tried in one window out of four.
//!
//! # Knobs
//! | field of [`LimitConfig`] | default | unit |
//! |---|---|---|
//! | `law` | gradient | |
//! | `min`, `initial`, `max` | 4, 20, 1,000 | permits |
//! | `interval` | 200 ms; at least twice the latency, up to 10 s | duration |
//! | `samples_min` | 20 | requests in a window |
//! | `latency_objective`, `latency_percent` | 250 ms for 90 | duration, per cent |
//! | `wait_objective` | 1 ms | duration |
//! | `drop_percent_max` | 5 | per cent |
//!
//! # Cost
//! On the request path 5 loads and stores without a locked instruction (28 instructions on x86-64 where the outcome is known at the call, 33 where not). Once a
//! window, a pass over 201 buckets for each worker. 830 bytes for each worker, 1 kB for the loop. Integers only, no FPU:
//! levels have 8 bits of fraction, slopes 10.
//!
//! # When not to use it
//! Where the number is known (a pool of connections, a board with four slots): [`LimitLaw::Fixed`] needs no samples. Where
//! handlers never suspend: they run one after the other, and the queue before them is the shedder's. It does not choose
//! whom to refuse, and it takes windows, not requests, to react.
//!
//! # Examples
//! ```
//! use pivot_core::admission::concurrency::{LimitConfig, LimitLoop, Sample, SampleOutcome};
//! use pivot_core::time::Instant;
//!
//! let mut limit_loop = LimitLoop::new(LimitConfig::PRESET)?;
//! let samples = [limit_loop.samples()];
//! limit_loop.handle_timeout(samples.iter(), Instant::ZERO);
//! for _ in 0..50 {
//!     let sample = Sample { rtt_us: 400_000, wait_us: 0, inflight: 20, outcome: SampleOutcome::Served };
//!     samples[0].record(sample, limit_loop.limit());
//! }
//! let limit = limit_loop.handle_timeout(samples.iter(), Instant::from_millis(200));
//! assert_eq!(limit, Some(12), "0.4 s where 0.25 s are allowed");
//! # Ok::<(), pivot_core::mode::ConfigError>(())
//! ```

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
pub use config::{LimitConfig, LimitLaw};
pub use elasticity::{Elasticity, Trend};
pub use gradient::Gradient;
pub use level::Level;
pub use limit_loop::{Law, LimitLoop};
pub use sample::{Sample, SampleOutcome, Samples};
pub use vegas::Vegas;
pub use window::Window;
