//! Bimodal cost: most requests are cheap, some cost twenty times as much.

use pivot_core::time::Instant;

use super::stations::Stations;
use super::{Dice, Job, Plant};

/// Cores, and requests of which one in twenty costs twenty times as much as the others.
#[derive(Debug)]
pub struct Bimodal {
    cores: Stations,
    count: usize,
    cheap_us: f64,
    slowness: f64,
}

impl Bimodal {
    /// So many cores; a cheap request takes so long on average.
    pub fn new(count: usize, cheap_us: f64) -> Self {
        Self { cores: Stations::new(count), count, cheap_us, slowness: 1.0 }
    }
}

impl Plant for Bimodal {
    fn start(&mut self, job: Job, dice: &mut Dice, now: Instant) {
        let factor = if dice.share() < DEAR_SHARE { DEAR_FACTOR } else { 1.0 };
        self.cores.start(job, dice.steady_us(self.cheap_us * factor * self.slowness), now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.cores.poll_timeout()
    }

    fn pop_ended(&mut self, now: Instant) -> Option<(Job, bool)> {
        self.cores.pop_ended(now).map(|job| (job, true))
    }

    fn capacity(&self) -> f64 {
        let mean_us = self.cheap_us * (1.0 - DEAR_SHARE + DEAR_SHARE * DEAR_FACTOR);
        self.count as f64 * 1e6 / (mean_us * self.slowness)
    }

    fn set_slowness(&mut self, slowness: f64) {
        self.slowness = slowness;
    }
}

const DEAR_SHARE: f64 = 0.05;
const DEAR_FACTOR: f64 = 20.0;
