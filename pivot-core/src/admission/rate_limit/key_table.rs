//! The table of clients: sets of seven cells and an era, one cache line each.
//!
//! ```text
//! era    16 bits layout │ 48 bits number of the epoch in which the set was gone through last
//! cell   24 bits tag    │ 40 bits state of an algorithm; all zero: nobody's
//! ```
//!
//! 40 bits are few for a moment, so states hold it modulo something, and a state that is old enough would be taken for a new
//! one. The era prevents that: whoever first comes to a set in a new epoch drops what owes nothing any more. An epoch is a
//! quarter of the time that states can tell apart. A set that nobody came to for longer, one from before
//! the clock was set back, and one whose layout has changed are dropped as a whole.
//!
//! Which client a cell belongs to and what it owes change in one compare-and-swap.

use super::quota::Quota;
use super::{STATE_BITS, STATE_MASK};
use crate::sync::{AtomicU64, Ordering};

/// Cells in a set.
pub(super) const WAYS: usize = 7;

/// Seven clients' cells and their era, in one cache line.
#[derive(Debug)]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), repr(align(64)))]
pub struct RateSet {
    /// The era and then the cells; in the sets of the sketch, all are arrival times.
    pub(super) words: [AtomicU64; WAYS + 1],
}

impl RateSet {
    /// A set that no client is in.
    pub fn new() -> Self {
        Self { words: core::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Whether every state in the set can be told from older ones. If not, [`RateSet::turn`] has to be called first.
    #[inline]
    pub(super) fn is_of(&self, era: u64) -> bool {
        // Relaxed: the era orders nothing; see `turn` for what happens when another worker turns it meanwhile.
        self.words[0].load(Ordering::Relaxed) == era
    }

    /// Drops what the new era could not read. Seven cells are looked at.
    pub(super) fn turn(&self, quota: &Quota, now: u64) {
        let (seen, era) = (self.words[0].load(Ordering::Relaxed), quota.era(now));
        // A worker whose clock is a little behind has nothing to turn.
        if seen == era || seen == era.wrapping_add(1) {
            return;
        }
        let is_next = seen.wrapping_add(1) == era;
        // The words are read before the era is claimed, and dropped only if they are still the same: what another worker
        // charges in the new era is not lost. A worker that charges an old word in between may read it as in debt:
        // that client waits, at most a burst's time, and nobody gets more than his quota.
        let words = core::array::from_fn::<u64, WAYS, _>(|way| self.words[way + 1].load(Ordering::Relaxed));
        if self.words[0].compare_exchange(seen, era, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        for (cell, word) in self.words[1..].iter().zip(words) {
            let is_readable = is_next && !is_free(quota, word, now);
            if word != 0 && !is_readable {
                // If it fails, somebody has just charged it.
                let _ = cell.compare_exchange(word, 0, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    /// Looks for a tag, and for a cell that a newcomer could have. `first` is looked at first.
    ///
    /// All words are read once, before any is judged: if another worker lets the same newcomer in meanwhile, both have chosen the
    /// same cell, and one of them fails to swap.
    pub(super) fn look(&self, quota: &Quota, tag: u64, first: usize, now: u64) -> Place<'_> {
        let words =
            core::array::from_fn::<u64, { WAYS + 1 }, _>(|way| self.words[way].load(Ordering::Relaxed));
        let ways = || (0..WAYS).map(|step| (first - 1 + step) % WAYS + 1);
        if let Some(way) = ways().find(|&way| words[way] >> STATE_BITS == tag) {
            return Place::Known(&self.words[way], words[way]);
        }
        match ways().find(|&way| is_free(quota, words[way], now)) {
            Some(way) => Place::Free(&self.words[way], words[way]),
            None => Place::Full,
        }
    }
}

/// Where a client is in its set, or could be.
pub(super) enum Place<'c> {
    /// Its cell, and the word there.
    Known(&'c AtomicU64, u64),
    /// A cell of nobody, or of a client that owes nothing and did not come for as long as the quota keeps it.
    Free(&'c AtomicU64, u64),
    /// All cells are other clients'.
    Full,
}

impl Default for RateSet {
    fn default() -> Self {
        Self::new()
    }
}

fn is_free(quota: &Quota, word: u64, now: u64) -> bool {
    word == 0 || quota.idle_for(word & STATE_MASK, now).is_some_and(|idle| idle >= quota.keep)
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn a_set_is_one_cache_line() {
        assert_eq!((size_of::<RateSet>(), align_of::<RateSet>()), (64, 64));
    }
}
