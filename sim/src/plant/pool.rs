//! Pool-bound: a fixed number of connections to something behind us.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pivot_core::time::{Duration, Instant};

use super::stations::Stations;
use super::{Dice, Job, Plant};

/// A moment of work of one's own, then a turn with one of the connections. Requests beyond these wait inside, holding a permit.
#[derive(Debug)]
pub struct Pool {
    preparing: BinaryHeap<Reverse<(Instant, Job, u64)>>,
    connections: Stations,
    count: usize,
    own_us: f64,
    query_us: f64,
    slowness: f64,
}

impl Pool {
    /// So many connections, so much work before a query, so long a query; all on average.
    pub fn new(count: usize, own_us: f64, query_us: f64) -> Self {
        let connections = Stations::new(count);
        Self { preparing: BinaryHeap::new(), connections, count, own_us, query_us, slowness: 1.0 }
    }
}

impl Plant for Pool {
    fn start(&mut self, job: Job, dice: &mut Dice, now: Instant) {
        let ready = now.plus(Duration::from_micros(dice.steady_us(self.own_us)));
        let query_us = dice.steady_us(self.query_us * self.slowness);
        self.preparing.push(Reverse((ready, job, query_us)));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let ready = self.preparing.peek().map(|Reverse((at, ..))| *at);
        [ready, self.connections.poll_timeout()].into_iter().flatten().min()
    }

    fn pop_ended(&mut self, now: Instant) -> Option<(Job, bool)> {
        while let Some(Reverse((at, job, query_us))) = self.preparing.peek().copied()
            && at <= now
        {
            self.preparing.pop();
            self.connections.start(job, query_us, at);
        }
        self.connections.pop_ended(now).map(|job| (job, true))
    }

    fn capacity(&self) -> f64 {
        self.count as f64 * 1e6 / (self.query_us * self.slowness)
    }

    fn set_slowness(&mut self, slowness: f64) {
        self.slowness = slowness;
    }
}
