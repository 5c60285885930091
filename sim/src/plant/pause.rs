//! Pauses as of a garbage collector: everything stands still now and then.

use pivot_core::time::{Duration, Instant};

use super::stations::Stations;
use super::{Dice, Job, Plant};

/// M/M/c with pauses: after each stretch of work, nothing moves for a while.
#[derive(Debug)]
pub struct Pause {
    cores: Stations,
    count: usize,
    work_us: f64,
    every: Duration,
    pause: Duration,
    next: Instant,
    paused_until: Instant,
    slowness: f64,
}

impl Pause {
    /// So many cores, so much work a request; and so often a pause of such a length.
    pub fn new(count: usize, work_us: f64, every: Duration, pause: Duration) -> Self {
        let next = Instant::ZERO.plus(every);
        Self {
            cores: Stations::new(count),
            count,
            work_us,
            every,
            pause,
            next,
            paused_until: Instant::ZERO,
            slowness: 1.0,
        }
    }

    /// What is in service when a pause begins ends later by the pause.
    fn catch_up(&mut self, now: Instant) {
        while self.next <= now {
            self.cores.pause(self.pause);
            self.paused_until = self.next.plus(self.pause);
            self.next = self.paused_until.plus(self.every);
        }
    }
}

impl Plant for Pause {
    fn start(&mut self, job: Job, dice: &mut Dice, now: Instant) {
        self.catch_up(now);
        let work_us = dice.exponential_us(self.work_us * self.slowness);
        // Who has to wait for a core anyway waits for the pause with it.
        let is_core_free = self.cores.len() < self.count;
        let rest_us = if is_core_free { self.paused_until.micros_since(now) } else { 0 };
        self.cores.start(job, rest_us + work_us, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.cores.poll_timeout().map(|at| at.min(self.next))
    }

    fn pop_ended(&mut self, now: Instant) -> Option<(Job, bool)> {
        self.catch_up(now);
        self.cores.pop_ended(now).map(|job| (job, true))
    }

    fn capacity(&self) -> f64 {
        let working = self.every.as_secs_f64() / (self.every + self.pause).as_secs_f64();
        self.count as f64 * 1e6 / (self.work_us * self.slowness) * working
    }

    fn set_slowness(&mut self, slowness: f64) {
        self.slowness = slowness;
    }
}
