//! A number of places that serve one request each, and the line before them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use pivot_core::time::{Duration, Instant};

use super::Job;

/// First come, first served, at `count` places.
#[derive(Debug)]
pub(super) struct Stations {
    count: usize,
    line: VecDeque<(Job, u64)>,
    serving: BinaryHeap<Reverse<(Instant, Job)>>,
}

impl Stations {
    pub(super) fn new(count: usize) -> Self {
        Self { count, line: VecDeque::new(), serving: BinaryHeap::new() }
    }

    /// A request that needs a place for so long, once it is its turn.
    pub(super) fn start(&mut self, job: Job, work_us: u64, now: Instant) {
        self.line.push_back((job, work_us));
        self.fill(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.serving.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn pop_ended(&mut self, now: Instant) -> Option<Job> {
        let Reverse((at, job)) = *self.serving.peek().filter(|Reverse((at, _))| *at <= now)?;
        self.serving.pop();
        self.fill(at);
        Some(job)
    }

    /// Nobody is served for so long.
    pub(super) fn pause(&mut self, pause: Duration) {
        self.serving =
            self.serving.drain().map(|Reverse((at, job))| Reverse((at.plus(pause), job))).collect();
    }

    /// How many are here.
    pub(super) fn len(&self) -> usize {
        self.line.len() + self.serving.len()
    }

    fn fill(&mut self, now: Instant) {
        while self.serving.len() < self.count {
            let Some((job, work_us)) = self.line.pop_front() else { break };
            self.serving.push(Reverse((now.plus(Duration::from_micros(work_us)), job)));
        }
    }
}
