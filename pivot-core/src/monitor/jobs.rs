//! What is known of the jobs of blocking routes.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// How many handlers of blocking routes wait and run, and how many run that nobody waits for.
///
/// Relaxed throughout: counts publish nothing.
#[derive(Debug)]
pub struct JobCounts {
    queued: AtomicU32,
    running: AtomicU32,
    abandoned: AtomicU32,
    abandoned_in_all: AtomicU64,
}

impl JobCounts {
    /// Counts of nothing.
    pub fn new() -> Self {
        Self {
            queued: AtomicU32::new(0),
            running: AtomicU32::new(0),
            abandoned: AtomicU32::new(0),
            abandoned_in_all: AtomicU64::new(0),
        }
    }

    /// The queue is this long. For whoever holds the queue.
    pub fn set_queued(&self, count: usize) {
        self.queued.store(count as u32, Ordering::Relaxed);
    }

    /// A thread has begun with a job.
    pub fn begin(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread is through with a job that was waited for.
    pub fn end(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// Nobody waits any more for a job that runs.
    pub fn abandon(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        self.abandoned_in_all.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread is through with a job that nobody waited for. Not before [`JobCounts::abandon`].
    pub fn end_abandoned(&self) {
        self.abandoned.fetch_sub(1, Ordering::Relaxed);
    }

    /// Jobs that wait for a thread.
    pub fn queued_count(&self) -> u32 {
        self.queued.load(Ordering::Relaxed)
    }

    /// Jobs that threads run and somebody waits for.
    pub fn running_count(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// Jobs that threads run and nobody waits for: their requests have ended.
    pub fn abandoned_count(&self) -> u32 {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Jobs so far that came to that.
    pub fn abandoned_in_all(&self) -> u64 {
        self.abandoned_in_all.load(Ordering::Relaxed)
    }
}

impl Default for JobCounts {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_in_one_state_at_a_time_and_abandoned_ones_are_remembered() {
        let jobs = JobCounts::new();
        let counts = || (jobs.queued_count(), jobs.running_count(), jobs.abandoned_count());
        jobs.set_queued(2);
        jobs.begin();
        jobs.begin();
        assert_eq!(counts(), (2, 2, 0));
        jobs.abandon();
        jobs.end();
        assert_eq!((counts(), jobs.abandoned_in_all()), ((2, 0, 1), 1));
        jobs.end_abandoned();
        assert_eq!((counts(), jobs.abandoned_in_all()), ((2, 0, 0), 1));
    }
}
