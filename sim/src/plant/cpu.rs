//! CPU-bound: M/M/c. Concurrency beyond the cores is a queue.

use pivot_core::time::Instant;

use super::stations::Stations;
use super::{Dice, Job, Plant};

/// Cores that each work on one request at a time, for an exponentially distributed time.
#[derive(Debug)]
pub struct Cpu {
    cores: Stations,
    count: usize,
    work_us: f64,
    slowness: f64,
}

impl Cpu {
    /// So many cores; a request takes so long on average.
    pub fn new(count: usize, work_us: f64) -> Self {
        Self { cores: Stations::new(count), count, work_us, slowness: 1.0 }
    }
}

impl Plant for Cpu {
    fn start(&mut self, job: Job, dice: &mut Dice, now: Instant) {
        self.cores.start(job, dice.exponential_us(self.work_us * self.slowness), now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.cores.poll_timeout()
    }

    fn pop_ended(&mut self, now: Instant) -> Option<(Job, bool)> {
        self.cores.pop_ended(now).map(|job| (job, true))
    }

    fn capacity(&self) -> f64 {
        self.count as f64 * 1e6 / (self.work_us * self.slowness)
    }

    fn set_slowness(&mut self, slowness: f64) {
        self.slowness = slowness;
    }
}
