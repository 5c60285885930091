//! Where results are counted: three words for each who counts, read together only when a result is bad.
//!
//! A window has a number, the *turn*, that the breaker's word holds. A counter says for which turn it counts, and so
//! follows by itself when its owner counts next: nobody has to clear the counters of all workers when a window ends.

use super::config::{BreakerConfig, COUNT_MAX};
use crate::sync::{AtomicU64, Ordering, is_mutant};

/// What was counted by one worker for one breaker.
#[derive(Debug)]
pub struct Lane {
    results: AtomicU64,
    failures: AtomicU64,
    slow: AtomicU64,
}

impl Lane {
    /// Lanes between those of two workers that stay unused, so that no cache line, nor pair of lines, is written by both.
    pub(super) const GAP: usize = 6;

    /// A lane in which nothing was counted.
    pub fn new() -> Self {
        Self { results: AtomicU64::new(0), failures: AtomicU64::new(0), slow: AtomicU64::new(0) }
    }

    /// How many lanes `workers` workers need for `breakers` breakers. 24 bytes each.
    pub const fn count_for(workers: usize, breakers: usize) -> usize {
        breakers.saturating_add(Self::GAP).saturating_mul(workers)
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self::new()
    }
}

/// Who writes a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writers {
    /// One thread: counting is a load and a store.
    One,
    /// Any thread: counting is a compare-and-swap.
    Any,
}

impl Lane {
    /// How many results it holds for this turn.
    pub(super) fn results(&self, turn: u16) -> u32 {
        Count::unpack(self.results.load(Ordering::Relaxed)).at(turn).0
    }

    /// Counts a result if this is not the first of its window, and there is room for it. Whether it did.
    #[inline]
    pub(super) fn count_good(&self, turn: u16, config: &BreakerConfig, writers: Writers) -> bool {
        let mut word = self.results.load(Ordering::Relaxed);
        // Of the same turn nothing is left but the counts; of any other there is more than any count.
        while (word ^ Count::of_turn(turn)) / Count::ONE < u64::from(config.results_max) {
            let next = word.wrapping_add(Count::ONE);
            if writers == Writers::One {
                self.results.store(next, Ordering::Relaxed);
                return true;
            }
            match self.results.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(actual) => word = actual,
            }
        }
        false
    }

    pub(super) fn count_result(&self, turn: u16, writers: Writers) {
        add(&self.results, turn, writers);
    }

    /// Counts what is bad about a result that was counted before.
    pub(super) fn count_bad(&self, turn: u16, is_failure: bool, is_slow: bool, writers: Writers) {
        if is_failure {
            add(&self.failures, turn, writers);
        }
        if is_slow {
            add(&self.slow, turn, writers);
        }
    }
}

fn add(word: &AtomicU64, turn: u16, writers: Writers) {
    // Relaxed: a count publishes nothing but itself; who judges by it puts a fence between counting and reading.
    let mut old = word.load(Ordering::Relaxed);
    if writers == Writers::One || is_mutant("breaker_lane_blind_store") {
        return word.store(Count::unpack(old).plus_one(turn).pack(), Ordering::Relaxed);
    }
    loop {
        let new = Count::unpack(old).plus_one(turn).pack();
        match word.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(actual) => old = actual,
        }
    }
}

/// What a counter's word holds: 16 bits of turn, and 24 bits each for that window and the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    turn: u16,
    current: u32,
    previous: u32,
}

impl Count {
    /// One more for the current window, in a word.
    const ONE: u64 = 1 << 24;

    #[inline]
    const fn of_turn(turn: u16) -> u64 {
        (turn as u64) << 48
    }

    const fn plus_one(self, turn: u16) -> Self {
        let Self { current, previous, .. } = self;
        match turn.wrapping_sub(self.turn) {
            0 => Self { current: saturating_increment(current), ..self },
            1 => Self { turn, current: 1, previous: current },
            // Another writer has begun the next window meanwhile: the result belongs to the one before.
            u16::MAX => Self { previous: saturating_increment(previous), ..self },
            // And if it is two ahead, to a window that nobody looks at any more.
            OVERTAKEN => self,
            _ => Self { turn, current: 1, previous: 0 },
        }
    }

    /// What it holds for a turn and for the one before.
    const fn at(self, turn: u16) -> (u32, u32) {
        match turn.wrapping_sub(self.turn) {
            0 => (self.current, self.previous),
            1 => (0, self.current),
            _ => (0, 0),
        }
    }

    const fn pack(self) -> u64 {
        (self.turn as u64) << 48 | (self.current as u64) << 24 | self.previous as u64
    }

    const fn unpack(word: u64) -> Self {
        Self {
            turn: (word >> 48) as u16,
            current: (word >> 24) as u32 & COUNT_MAX,
            previous: word as u32 & COUNT_MAX,
        }
    }
}

const OVERTAKEN: u16 = u16::MAX - 1;

const fn saturating_increment(count: u32) -> u32 {
    if count < COUNT_MAX { count + 1 } else { count }
}

/// What all lanes hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) current: Sums,
    pub(super) previous: Sums,
}

/// Results of a window. A result can be both a failure and slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) results: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

impl Tally {
    pub(super) fn add(&mut self, lane: &Lane, turn: u16) {
        let read = |word: &AtomicU64| {
            let (current, previous) = Count::unpack(word.load(Ordering::Relaxed)).at(turn);
            (u64::from(current), u64::from(previous))
        };
        let failures = read(&lane.failures);
        let slow = read(&lane.slow);
        let results = read(&lane.results);
        for (sums, results, failures, slow) in [
            (&mut self.current, results.0, failures.0, slow.0),
            (&mut self.previous, results.1, failures.1, slow.1),
        ] {
            sums.results += results;
            sums.failures += failures;
            sums.slow += slow;
        }
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_count_follows_the_turn_and_forgets_what_is_two_windows_old() {
        let count = Count { turn: u16::MAX, current: 7, previous: 3 };
        assert_eq!(count.plus_one(u16::MAX), Count { current: 8, ..count });
        assert_eq!(count.plus_one(0), Count { turn: 0, current: 1, previous: 7 });
        assert_eq!(count.plus_one(1), Count { turn: 1, current: 1, previous: 0 });
        assert_eq!((count.at(u16::MAX), count.at(0), count.at(1)), ((7, 3), (0, 7), (0, 0)));
    }

    #[test]
    fn a_writer_that_was_overtaken_counts_for_the_window_it_saw() {
        let count = Count { turn: 0, current: 7, previous: 3 };
        assert_eq!(count.plus_one(u16::MAX), Count { previous: 4, ..count });
        assert_eq!(count.plus_one(u16::MAX - 1), count);
    }

    #[test]
    fn a_full_count_stays_full_and_a_word_keeps_it() {
        let full = Count { turn: 65_535, current: COUNT_MAX, previous: COUNT_MAX };
        assert_eq!(Count::unpack(full.pack()), full);
        assert_eq!(full.plus_one(65_535), full);
    }

    #[test]
    fn lanes_of_two_workers_are_two_cache_lines_apart() {
        assert_eq!((size_of::<Lane>(), Lane::count_for(3, 11)), (24, 51));
        assert!(Lane::GAP * size_of::<Lane>() >= 128);
    }
}
