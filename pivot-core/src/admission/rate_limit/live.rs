//! A quota that can be changed while workers read it, without a lock and without a half-changed one being seen.
//!
//! Two slots and a version: readers take the slot that the version names and look whether it still does; a writer fills the other slot
//! and then turns the version. A slot is written again only after the version has turned, so a reader that finds
//! its version unturned has read whole what was written whole.

use super::gcra::Pace;
use super::quota::{Algorithm, Quota};
use crate::sync::{AtomicU64, Ordering, fence, is_mutant};

#[derive(Debug)]
pub(super) struct LiveQuota {
    /// [`CHANGE`] times the number of changes, and 1 while one is under way.
    version: AtomicU64,
    slots: [[AtomicU64; WORDS]; 2],
}

/// What the common charge needs of a quota, as it lies in a slot.
#[derive(Clone, Copy)]
pub(super) struct Hot {
    small: u64,
    pub(super) pace: Pace,
}

impl Hot {
    #[inline]
    pub(super) const fn algorithm_is_gcra(self) -> bool {
        self.small >> 16 & 0xff == Algorithm::Gcra as u64
    }

    #[inline]
    pub(super) const fn shift(self) -> u32 {
        (self.small >> 8 & 63) as u32
    }

    /// The same as [`Quota::era`].
    #[inline]
    pub(super) const fn era(self, now: u64) -> u64 {
        (self.small & (0xffff << 48)) | now >> (self.small & 63)
    }
}

impl LiveQuota {
    pub(super) fn new(quota: Quota) -> Self {
        let words = pack(&quota);
        Self { version: AtomicU64::new(0), slots: [words.map(AtomicU64::new), words.map(AtomicU64::new)] }
    }

    /// The quota as it is now.
    pub(super) fn read(&self) -> Quota {
        unpack(self.words())
    }

    /// The part of the quota that decides most charges.
    #[inline]
    pub(super) fn read_hot(&self) -> Hot {
        let [small, emission, full] = self.words();
        Hot { small, pace: Pace { emission, full } }
    }

    /// The first words of the slot that is in force, all of the same change.
    #[inline]
    fn words<const COUNT: usize>(&self) -> [u64; COUNT] {
        loop {
            // Acquire: pairs with the release of `change`, so that the slot's words are those of this version or later.
            let version = self.version.load(Ordering::Acquire);
            let slot = &self.slots[(version / CHANGE % 2) as usize];
            let words = core::array::from_fn(|index| slot[index].load(Ordering::Relaxed));
            // Pairs with the fence of `change`: had a word been of the next writer, its claim would be seen below.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version || is_mutant("live_quota_unchecked") {
                return words;
            }
        }
    }

    /// Puts another quota in force. `false` if somebody else is changing it at this moment; then nothing was done.
    pub(super) fn change(&self, quota: Quota) -> bool {
        let version = self.version.load(Ordering::Relaxed);
        // Acquire: pairs with the release below, so that the slot is written after the last change was.
        let claim = self.version.compare_exchange(version, version | 1, Ordering::Acquire, Ordering::Relaxed);
        if version & 1 == 1 || claim.is_err() {
            return false;
        }
        // Pairs with the fence of `words`: who sees a word from below sees the claim above.
        fence(Ordering::Release);
        let slot = &self.slots[((version / CHANGE + 1) % 2) as usize];
        for (word, value) in slot.iter().zip(pack(&quota)) {
            word.store(value, Ordering::Relaxed);
        }
        // Release: pairs with the acquire of `words`.
        self.version.store(version.wrapping_add(CHANGE), Ordering::Release);
        true
    }
}

/// Words of a slot; with eight, a slot is one cache line, and its place a mask.
const WORDS: usize = 8;
/// How much a change adds to the version.
const CHANGE: u64 = 2;

fn pack(quota: &Quota) -> [u64; WORDS] {
    let Quota { algorithm, count, burst, per_us, emission, full, keep, shift, epoch_shift, layout } = *quota;
    let small = u64::from(epoch_shift) | u64::from(shift) << 8 | (algorithm as u64) << 16;
    let counts = u64::from(count) << 32 | u64::from(burst);
    [small | u64::from(layout) << 48, emission, full, keep, per_us, counts, 0, 0]
}

fn unpack([small, emission, full, keep, per_us, counts, _, _]: [u64; WORDS]) -> Quota {
    // The remainder is for the compiler: what was packed is one of them.
    let algorithm = Algorithm::ALL[(small >> 16 & 0xff) as usize % Algorithm::ALL.len()];
    Quota {
        algorithm,
        count: (counts >> 32) as u32,
        burst: counts as u32,
        per_us,
        emission,
        full,
        keep,
        shift: (small >> 8 & 63) as u32,
        epoch_shift: (small & 63) as u32,
        layout: (small >> 48) as u16,
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use crate::time::Duration;

    #[test]
    fn a_quota_comes_out_as_it_went_in() {
        let minute = Duration::from_secs(60);
        let live = LiveQuota::new(Quota::PRESET);
        assert_eq!(live.read(), Quota::PRESET);
        for algorithm in Algorithm::ALL {
            let quota = Quota::with(algorithm, 5, minute, 5).unwrap();
            assert!(live.change(quota));
            assert_eq!(live.read(), quota);
        }
        let day = Quota::new(1_000_000, Duration::from_secs(86_400), 1_000_000).unwrap();
        assert!(live.change(day));
        assert_eq!(live.read(), day);
    }
}
