//! What is under test: a limit, and a gate before the queue.

use pivot_core::admission::Class;
use pivot_core::admission::concurrency::{LimitConfig, LimitLoop, Sample, Samples};
use pivot_core::time::{Duration, Instant};

use super::report::Ended;

/// Moves the limit.
pub trait Controller {
    /// Permits in force.
    fn limit(&self) -> u32;

    /// A request ended, or was refused.
    fn record(&mut self, sample: Sample, now: Instant);

    /// When [`Controller::handle_timeout`] is due.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);
}

/// Decides who may join the queue.
pub trait Gate {
    /// Whether this request may join.
    fn admit(&mut self, class: Class, cohort: u8, queue: &QueueState, now: Instant) -> bool;

    /// A request ended, after waiting for so long in the queue; for those that got no permit, until they left it.
    fn completed(&mut self, class: Class, ended: Ended, wait: Duration, now: Instant);
}

/// What a gate can see.
#[derive(Clone, Copy, Debug)]
pub struct QueueState {
    /// How many wait.
    pub len: usize,
    /// How many can.
    pub capacity: usize,
    /// How many run.
    pub running: u32,
    /// How many may.
    pub limit: u32,
}

/// A gate that lets everybody through.
#[derive(Clone, Copy, Debug)]
pub struct Open;

impl Gate for Open {
    fn admit(&mut self, _: Class, _: u8, _: &QueueState, _: Instant) -> bool {
        true
    }

    fn completed(&mut self, _: Class, _: Ended, _: Duration, _: Instant) {}
}

/// The core's own loop.
///
/// # Panics
/// If the configuration is not valid.
pub fn limit_loop(config: LimitConfig) -> Box<dyn Controller> {
    let limit_loop = LimitLoop::new(config).expect("a valid configuration");
    let samples = limit_loop.samples();
    Box::new(Shipped { limit_loop, samples })
}

struct Shipped {
    limit_loop: LimitLoop,
    samples: Samples,
}

impl Controller for Shipped {
    fn limit(&self) -> u32 {
        self.limit_loop.limit()
    }

    fn record(&mut self, sample: Sample, _: Instant) {
        self.samples.record(sample, self.limit_loop.limit());
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.limit_loop.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        let before = self.limit_loop.limit();
        let after = self.limit_loop.handle_timeout(std::iter::once(&self.samples), now);
        debug_assert!(after.is_some() || self.limit_loop.limit() == before);
    }
}
