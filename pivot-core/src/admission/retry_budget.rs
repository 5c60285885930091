//! How many retries are worth making: a share of the calls, and a few besides.
//!
//! Retries multiply load just when there is too much of it: three layers that each try three times make 27 calls of one. A
//! budget bounds the retries of all callers together, whatever each of them wishes.
//!
//! The last ten seconds are ten slots, one word each. In them `retries ≤ percent × calls + reserve × 10` holds in whole
//! numbers: nothing is rounded, so one call in five earns one retry exactly when five were made.
//!
//! Workers share the words by compare-and-swap: one for a call, which a network call can afford, and one for a retry, after
//! ten loads. In one slot the bound is exact; where a second ends, workers that see different seconds can each grant one
//! retry more.

use crate::sync::{AtomicU64, Ordering, is_mutant};
use crate::time::Instant;

/// How many retries a budget allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryConfig {
    /// Retries for a hundred calls. Percent, 0–1,000. Default: 20.
    pub percent: u16,
    /// Retries that are allowed however few calls there are. A second, 0–10,000. Default: 10.
    pub reserve_per_s: u16,
}

impl RetryConfig {
    /// 20 % of the calls, and 10 a second.
    pub const PRESET: Self = Self { percent: 20, reserve_per_s: 10 };
}

/// The retries of the last ten seconds, shared by all workers.
#[derive(Debug)]
pub struct RetryBudget {
    slots: [AtomicU64; SLOTS as usize],
    config: RetryConfig,
}

impl RetryBudget {
    /// A budget of which nothing is spent.
    pub fn new(config: RetryConfig) -> Self {
        Self { slots: core::array::from_fn(|_| AtomicU64::new(0)), config }
    }

    /// Counts a call: the first try, not its retries.
    pub fn count_call(&self, now: Instant) {
        let (second, slot) = self.slot(now);
        let mut word = slot.load(Ordering::Relaxed);
        loop {
            let mut next = Slot::unpack(word).at(second);
            next.calls = (next.calls + 1).min(CALLS_MAX);
            // Relaxed, as all here: the words publish nothing but themselves.
            match slot.compare_exchange_weak(word, next.pack(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(actual) => word = actual,
            }
        }
    }

    /// Takes a retry, if one is left. Looks at ten slots.
    #[must_use]
    pub fn try_retry(&self, now: Instant) -> bool {
        let (second, slot) = self.slot(now);
        let mut word = slot.load(Ordering::Relaxed);
        loop {
            let mut next = Slot::unpack(word).at(second);
            let (calls, retries) = self.others(second);
            let (calls, retries) = (calls + u64::from(next.calls), retries + u64::from(next.retries));
            if !self.allows(calls, retries) || next.retries == RETRIES_MAX {
                return false;
            }
            next.retries += 1;
            if is_mutant("retry_blind_store") {
                slot.store(next.pack(), Ordering::Relaxed);
                return true;
            }
            match slot.compare_exchange_weak(word, next.pack(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(actual) => word = actual,
            }
        }
    }

    /// Whether there is one retry more for so many calls, of which so many retries were made.
    fn allows(&self, calls: u64, retries: u64) -> bool {
        let earned = calls * u64::from(self.config.percent);
        let reserve = u64::from(self.config.reserve_per_s) * u64::from(SLOTS);
        (retries + 1) * 100 <= earned + reserve * 100
    }

    /// Calls and retries of the nine seconds before this one.
    fn others(&self, second: u32) -> (u64, u64) {
        let (mut calls, mut retries) = (0, 0);
        for word in &self.slots {
            let slot = Slot::unpack(word.load(Ordering::Relaxed));
            let age = second.wrapping_sub(slot.second) & SECOND_MASK;
            if (1..SLOTS).contains(&age) {
                calls += u64::from(slot.calls);
                retries += u64::from(slot.retries);
            }
        }
        (calls, retries)
    }

    /// The second as a slot has it, and the slot. The place is that of the whole number: what is left of it in the slot
    /// wraps, and would then lead to the place of a second that is still in view.
    fn slot(&self, now: Instant) -> (u32, &AtomicU64) {
        let second = now.as_micros() / 1_000_000;
        (second as u32 & SECOND_MASK, &self.slots[(second % u64::from(SLOTS)) as usize])
    }
}

/// What a word holds: 20 bits of the second (12 days; an older slot counts as one of these once in 12 days, for as long
/// as it would have lasted), 24 of calls and 20 of retries. Full counts stay full, and so grant too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    second: u32,
    calls: u32,
    retries: u32,
}

impl Slot {
    /// The slot for this second: what an older one holds is forgotten.
    const fn at(self, second: u32) -> Self {
        if self.second == second { self } else { Self { second, calls: 0, retries: 0 } }
    }

    const fn pack(self) -> u64 {
        (self.second as u64) << 44 | (self.calls as u64) << 20 | self.retries as u64
    }

    const fn unpack(word: u64) -> Self {
        Self {
            second: (word >> 44) as u32,
            calls: (word >> 20) as u32 & CALLS_MAX,
            retries: word as u32 & RETRIES_MAX,
        }
    }
}

const SLOTS: u32 = 10;
const SECOND_MASK: u32 = (1 << 20) - 1;
const CALLS_MAX: u32 = (1 << 24) - 1;
const RETRIES_MAX: u32 = (1 << 20) - 1;

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use crate::time::Duration;
    use proptest::prelude::*;
    use std::vec::Vec;

    const NONE_BESIDES: RetryConfig = RetryConfig { percent: 20, reserve_per_s: 0 };

    #[test]
    fn five_calls_earn_one_retry_and_four_earn_none() {
        let (budget, now) = (RetryBudget::new(NONE_BESIDES), Instant::from_millis(77_000));
        (0..4).for_each(|_| budget.count_call(now));
        assert!(!budget.try_retry(now));
        budget.count_call(now);
        assert!(budget.try_retry(now) && !budget.try_retry(now));
    }

    #[test]
    fn the_reserve_is_there_without_calls_and_comes_back_after_ten_seconds() {
        let (budget, now) = (RetryBudget::new(RetryConfig::PRESET), Instant::from_millis(77_000));
        assert_eq!((0..1_000).filter(|_| budget.try_retry(now)).count(), 100);
        assert!(!budget.try_retry(now.plus(Duration::from_millis(9_999))));
        assert!(budget.try_retry(now.plus(Duration::from_secs(10))));
    }

    #[test]
    fn a_clock_that_steps_forgets_and_neither_locks_out_nor_floods() {
        let (budget, late) = (RetryBudget::new(RetryConfig::PRESET), Instant::from_millis(365 * 86_400_000));
        while budget.try_retry(late) {}
        let back = Instant::from_millis(77_000);
        assert_eq!((0..1_000).filter(|_| budget.try_retry(back)).count(), 100);
        assert!(budget.try_retry(late.plus(Duration::from_secs(365 * 86_400))));
    }

    #[test]
    fn a_word_keeps_a_slot_and_a_full_one_stays_full() {
        let slot = Slot { second: SECOND_MASK, calls: CALLS_MAX, retries: RETRIES_MAX };
        assert_eq!(Slot::unpack(slot.pack()), slot);
        let budget = RetryBudget::new(RetryConfig { percent: 1_000, reserve_per_s: 10_000 });
        let now = Instant::from_micros(u64::from(SECOND_MASK) * 1_000_000);
        budget.slot(now).1.store(slot.pack(), Ordering::Relaxed);
        budget.count_call(now);
        assert!(!budget.try_retry(now));
        assert_eq!(Slot::unpack(budget.slot(now).1.load(Ordering::Relaxed)), slot);
    }

    proptest! {
        /// Against a list of everything that ever happened.
        #[test]
        fn it_grants_what_the_list_grants(
            percent in 0..300_u16, reserve_per_s in 0..3_u16,
            steps in proptest::collection::vec((0..4_000_u64, any::<bool>()), 1..300),
        ) {
            let budget = RetryBudget::new(RetryConfig { percent, reserve_per_s });
            let (mut calls, mut retries) = (Vec::new(), Vec::new());
            let mut ms = 1_048_570_000_u64;
            for (wait, is_call) in steps {
                // Most steps follow at once. They begin just before the seconds in a slot wrap.
                ms += wait.saturating_sub(3_000);
                let now = Instant::from_millis(ms);
                if is_call {
                    budget.count_call(now);
                    calls.push(ms / 1_000);
                    continue;
                }
                let recent = |list: &[u64]| list.iter().filter(|&&second| second + 10 > ms / 1_000).count() as u64;
                let allowed = recent(&calls) * u64::from(percent) + u64::from(reserve_per_s) * 1_000;
                let is_allowed = (recent(&retries) + 1) * 100 <= allowed;
                prop_assert_eq!(budget.try_retry(now), is_allowed);
                if is_allowed {
                    retries.push(ms / 1_000);
                }
            }
        }
    }
}
