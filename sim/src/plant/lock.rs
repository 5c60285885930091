//! Lock-bound: requests are in each other's way, and more of them at once get less done.

use pivot_core::time::Instant;

use super::stations::Stations;
use super::{Dice, Job, Plant};

/// Service time grows with the number in flight by the universal scalability law (Gunther): throughput at `n` is
/// `n / (work × (1 + contention × (n − 1) + crosstalk × n × (n − 1)))`, which has a peak.
#[derive(Debug)]
pub struct Lock {
    running: Stations,
    work_us: f64,
    contention: f64,
    crosstalk: f64,
    slowness: f64,
}

impl Lock {
    /// So long alone; the two coefficients of the law.
    pub fn new(work_us: f64, contention: f64, crosstalk: f64) -> Self {
        Self { running: Stations::new(usize::MAX), work_us, contention, crosstalk, slowness: 1.0 }
    }

    fn time_us(&self, inflight: f64) -> f64 {
        let slower = 1.0 + self.contention * (inflight - 1.0) + self.crosstalk * inflight * (inflight - 1.0);
        self.work_us * self.slowness * slower
    }
}

impl Plant for Lock {
    fn start(&mut self, job: Job, dice: &mut Dice, now: Instant) {
        let inflight = self.running.len() as f64 + 1.0;
        self.running.start(job, dice.exponential_us(self.time_us(inflight)), now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.running.poll_timeout()
    }

    fn pop_ended(&mut self, now: Instant) -> Option<(Job, bool)> {
        self.running.pop_ended(now).map(|job| (job, true))
    }

    fn capacity(&self) -> f64 {
        (1..10_000).map(|n| f64::from(n) * 1e6 / self.time_us(f64::from(n))).fold(0.0, f64::max)
    }

    fn set_slowness(&mut self, slowness: f64) {
        self.slowness = slowness;
    }
}
