//! A quota that can be changed while workers read it, without a lock and without a half-changed one being seen.
//!
//! Two slots and a version: readers take the slot that the version names and look whether it still does; a writer fills the other slot
//! and then turns the version. A slot is written again only after the version has turned, so a reader that finds
//! its version unturned has read whole what was written whole.

use super::quota::{Algorithm, Quota};
use crate::sync::{AtomicU64, Ordering, fence, is_mutant};

/// Words of a quota.
const WORDS: usize = 6;

#[derive(Debug)]
pub(super) struct LiveQuota {
    /// Twice the number of changes, and 1 while one is under way.
    version: AtomicU64,
    slots: [[AtomicU64; WORDS]; 2],
}

impl LiveQuota {
    pub(super) fn new(quota: Quota) -> Self {
        let words = pack(&quota);
        Self { version: AtomicU64::new(0), slots: [words.map(AtomicU64::new), words.map(AtomicU64::new)] }
    }

    /// The quota as it is now.
    #[inline]
    pub(super) fn read(&self) -> Quota {
        loop {
            // Acquire: pairs with the release of `change`, so that the slot's words are those of this version or later.
            let version = self.version.load(Ordering::Acquire);
            let slot = &self.slots[(version >> 1 & 1) as usize];
            let quota = unpack(core::array::from_fn(|index| slot[index].load(Ordering::Relaxed)));
            // Pairs with the fence of `change`: had a word been of the next writer, its turn would be seen below.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) >> 1 == version >> 1 || is_mutant("live_quota_unchecked")
            {
                return quota;
            }
        }
    }

    /// Puts another quota in force. `false` if somebody else is changing it at this moment; then nothing was done.
    pub(super) fn change(&self, quota: Quota) -> bool {
        let version = self.version.load(Ordering::Relaxed);
        let claim = self.version.compare_exchange(version, version | 1, Ordering::Acquire, Ordering::Relaxed);
        if version & 1 == 1 || claim.is_err() {
            return false;
        }
        // Pairs with the fence of `read`: who sees a word from below sees the version claimed above, hence turned before.
        fence(Ordering::Release);
        let slot = &self.slots[(version >> 1 & 1 ^ 1) as usize];
        for (word, value) in slot.iter().zip(pack(&quota)) {
            word.store(value, Ordering::Relaxed);
        }
        self.version.store(version.wrapping_add(2), Ordering::Release);
        true
    }
}

fn pack(quota: &Quota) -> [u64; WORDS] {
    let Quota { algorithm, count, burst, per_us, emission, tolerance, keep, shift, epoch_shift, layout } =
        *quota;
    let small = u64::from(shift) | u64::from(epoch_shift) << 8 | (algorithm as u64) << 16;
    [
        small | u64::from(layout) << 32,
        emission,
        tolerance,
        keep,
        per_us,
        u64::from(count) << 32 | u64::from(burst),
    ]
}

fn unpack([small, emission, tolerance, keep, per_us, counts]: [u64; WORDS]) -> Quota {
    let algorithm = Algorithm::ALL[(small >> 16 & 7) as usize % Algorithm::ALL.len()];
    Quota {
        algorithm,
        count: (counts >> 32) as u32,
        burst: counts as u32,
        per_us,
        emission,
        tolerance,
        keep,
        shift: (small & 63) as u32,
        epoch_shift: (small >> 8 & 63) as u32,
        layout: (small >> 32) as u16,
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
