//! An outage: for a time everything fails, after a constant timeout.

use std::collections::VecDeque;

use pivot_core::time::{Duration, Instant};

use super::{Dice, Job, Plant};

/// A plant that is unreachable from one moment to another: what begins then fails after a constant time, at any concurrency.
#[derive(Debug)]
pub struct Outage<P> {
    plant: P,
    from: Instant,
    to: Instant,
    timeout: Duration,
    failing: VecDeque<(Instant, Job)>,
}

impl<P: Plant> Outage<P> {
    /// From one moment to the other; each failure takes `timeout`.
    pub fn new(plant: P, from: Instant, to: Instant, timeout: Duration) -> Self {
        Self { plant, from, to, timeout, failing: VecDeque::new() }
    }
}

impl<P: Plant> Plant for Outage<P> {
    fn start(&mut self, job: Job, dice: &mut Dice, now: Instant) {
        if (self.from..self.to).contains(&now) {
            self.failing.push_back((now.plus(self.timeout), job));
        } else {
            self.plant.start(job, dice, now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let failing = self.failing.front().map(|(at, _)| *at);
        [failing, self.plant.poll_timeout()].into_iter().flatten().min()
    }

    fn pop_ended(&mut self, now: Instant) -> Option<(Job, bool)> {
        if self.failing.front().is_some_and(|(at, _)| *at <= now) {
            return self.failing.pop_front().map(|(_, job)| (job, false));
        }
        self.plant.pop_ended(now)
    }

    fn capacity(&self) -> f64 {
        self.plant.capacity()
    }

    fn set_slowness(&mut self, slowness: f64) {
        self.plant.set_slowness(slowness);
    }
}
