//! A number with one writer and any number of readers.

use crate::sync::{AtomicU64, Ordering, is_mutant};

/// A count that one thread changes and any thread reads.
///
/// With a single writer, counting is a load and a store, not a locked read-modify-write. Two writers would lose counts,
/// never memory safety.
#[derive(Debug)]
pub struct Counter(AtomicU64);

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// A count of zero.
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds to the count. For its one writer.
    #[inline]
    pub fn add(&self, more: u64) {
        // Relaxed: a count publishes nothing but itself.
        let count = self.0.load(Ordering::Relaxed);
        if is_mutant("counter_two_stores") {
            self.0.store(0, Ordering::Relaxed);
        }
        // 64 bits do not wrap: one a nanosecond takes 584 years.
        self.0.store(count.wrapping_add(more), Ordering::Relaxed);
    }

    /// Takes from the count. For its one writer.
    pub fn subtract(&self, less: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).saturating_sub(less), Ordering::Relaxed);
    }

    /// Sets the count. For its one writer.
    #[inline]
    pub fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
