//! What is known of the jobs of blocking routes.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// How many handlers of blocking routes wait and run, and how many were given up while they ran.
///
/// Relaxed throughout: counts publish nothing.
#[derive(Debug)]
pub struct JobCounts {
    queued: AtomicU32,
    running: AtomicU32,
    abandoned: AtomicU64,
}

impl JobCounts {
    /// Counts of nothing.
    pub fn new() -> Self {
        Self { queued: AtomicU32::new(0), running: AtomicU32::new(0), abandoned: AtomicU64::new(0) }
    }

    /// The queue is this long. For whoever holds the queue.
    pub fn set_queued(&self, count: usize) {
        self.queued.store(count as u32, Ordering::Relaxed);
    }

    /// A thread has begun with a job.
    pub fn begin(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread is through with a job.
    pub fn end(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// Nobody waits any more for a job that runs.
    pub fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    /// Jobs that wait for a thread.
    pub fn queued_count(&self) -> u32 {
        self.queued.load(Ordering::Relaxed)
    }

    /// Threads that are busy, those with a job that nobody waits for included.
    pub fn running_count(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// Jobs so far whose request ended while a thread ran them.
    pub fn abandoned_count(&self) -> u64 {
        self.abandoned.load(Ordering::Relaxed)
    }
}

impl Default for JobCounts {
    fn default() -> Self {
        Self::new()
    }
}
