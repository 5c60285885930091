//! Control loops under virtual time: the core's own permits, queue and limit loop, before a [plant](crate::plant).
//!
//! Discrete events: arrivals, the ends of requests, timeouts, and nothing in between. A run is a function of its
//! [`Setup`], and so of its seed.
//!
//! ```
//! use pivot_sim::control::{Setup, limit_loop};
//! use pivot_core::admission::concurrency::LimitConfig;
//! use pivot_core::time::Instant;
//! use pivot_sim::plant::Cpu;
//!
//! // Eight cores of 10 ms a request can do 800 a second; 1,600 come.
//! let mut setup = Setup::new(Box::new(Cpu::new(8, 10_000.0)), limit_loop(LimitConfig::PRESET), 1);
//! setup.load = vec![(Instant::ZERO, 1_600.0)];
//! let report = setup.run(Instant::from_millis(10_000));
//! report.assert_sound();
//! assert!(report.goodput(5.0, 10.0) > 700.0);
//! ```

mod controller;
mod figure;
pub mod naive;
mod report;
mod run;
mod score;

pub use controller::{Controller, Gate, Open, QueueState, limit_loop};
pub use figure::curve;
pub use report::{Bin, Ended, Report};
pub use run::{Clients, Setup};
pub use score::{LOADS, Score, scores};
