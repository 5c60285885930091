//! Slow dependency: requests do nothing but wait for somebody else, and concurrency helps.

use pivot_core::time::Instant;

use super::stations::Stations;
use super::{Dice, Job, Plant};

/// A service elsewhere that takes long and serves very many at once.
#[derive(Debug)]
pub struct Dependency {
    remote: Stations,
    count: usize,
    latency_us: f64,
    slowness: f64,
}

impl Dependency {
    /// It serves so many at once, and takes so long for each.
    pub fn new(count: usize, latency_us: f64) -> Self {
        Self { remote: Stations::new(count), count, latency_us, slowness: 1.0 }
    }
}

impl Plant for Dependency {
    fn start(&mut self, job: Job, dice: &mut Dice, now: Instant) {
        self.remote.start(job, dice.steady_us(self.latency_us * self.slowness), now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.remote.poll_timeout()
    }

    fn pop_ended(&mut self, now: Instant) -> Option<(Job, bool)> {
        self.remote.pop_ended(now).map(|job| (job, true))
    }

    fn capacity(&self) -> f64 {
        self.count as f64 * 1e6 / (self.latency_us * self.slowness)
    }

    fn set_slowness(&mut self, slowness: f64) {
        self.slowness = slowness;
    }
}
