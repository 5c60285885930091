//! GCRA, the generic cell rate algorithm (ITU-T I.371): one number, the *theoretical arrival time* of the next request of
//! a client that keeps exactly to its rate.
//!
//! A request is within the quota if that time lies at most the burst tolerance ahead. A client whose time has passed is like
//! one that was never seen.

use super::quota::{Algorithm, Quota, fine};
use super::{STATE_MASK, Standing, retry_at};
use crate::sync::{AtomicU64, Ordering, is_mutant};
use crate::time::Instant;

/// What a charge needs to know, in ticks.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// What one request costs.
    pub(super) emission: u64,
    /// What the whole burst costs.
    pub(super) full: u64,
}

impl Pace {
    /// One charge: how far the theoretical arrival time lies ahead after it, or how long to wait.
    ///
    /// All in ticks; `ahead` is 0 if the time has passed.
    #[inline]
    pub(super) const fn charge(self, ahead: u64, cost: u32) -> Result<u64, u64> {
        let (needed, room) = (self.emission.saturating_mul(cost as u64), self.full - ahead);
        if needed > room { Err(needed - room) } else { Ok(ahead + needed) }
    }

    /// Whether a cost is within the burst: if not, no waiting helps.
    #[inline]
    pub(super) const fn can_ever(self, cost: u32) -> bool {
        self.emission.saturating_mul(cost as u64) <= self.full
    }

    /// How far a time lies ahead of now.
    ///
    /// One further ahead than a charge can have put it was left by a clock that was set back, or by a quota that
    /// has been changed: it counts as passed.
    #[inline]
    pub(super) const fn ahead(self, distance: u64) -> u64 {
        if distance > self.full { 0 } else { distance }
    }
}

/// A charge to a state of the table: 40 bits of theoretical arrival time, in ticks.
#[inline]
pub(super) const fn next(pace: Pace, shift: u32, state: u64, cost: u32, now: u64) -> Result<u64, u64> {
    let now = now >> shift;
    match pace.charge(pace.ahead(state.wrapping_sub(now) & STATE_MASK), cost) {
        Ok(after) => Ok(now.wrapping_add(after) & STATE_MASK),
        Err(wait) => Err(wait << shift),
    }
}

pub(super) fn fresh(quota: &Quota, now: u64) -> u64 {
    now >> quota.shift & STATE_MASK
}

pub(super) fn idle_for(quota: &Quota, state: u64, now: u64) -> Option<u64> {
    let now = now >> quota.shift;
    match quota.pace().ahead(state.wrapping_sub(now) & STATE_MASK) {
        0 => Some((now.wrapping_sub(state) & STATE_MASK) << quota.shift),
        _ => None,
    }
}

pub(super) fn standing(quota: &Quota, state: u64, now: u64) -> Standing {
    let now = now >> quota.shift;
    let ahead = quota.pace().ahead(state.wrapping_sub(now) & STATE_MASK);
    Standing { remaining: ((quota.full - ahead) / quota.emission) as u32, reset: ahead << quota.shift }
}

/// One limit for everybody, or one that its owner looks up by himself: a single word, no table.
///
/// By GCRA: the quota has to be one of [`Quota::new`], since the other algorithms need the table's care.
#[derive(Debug)]
pub struct RateCell(AtomicU64);

impl RateCell {
    /// A cell that nothing was charged to.
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Charges `cost` requests, to the same quota each time.
    ///
    /// # Errors
    /// The moment from which the same charge would pass, if nobody charges meanwhile; never for one above the burst.
    #[inline]
    pub fn charge(&self, quota: &Quota, cost: u32, now: Instant) -> Result<(), Instant> {
        debug_assert!(quota.algorithm == Algorithm::Gcra, "a cell counts by GCRA");
        let ticks = fine(now) >> quota.shift;
        // Relaxed: a cell publishes nothing but itself.
        let mut arrival = self.0.load(Ordering::Relaxed);
        loop {
            let after = match quota.pace().charge(quota.pace().ahead(arrival.wrapping_sub(ticks)), cost) {
                Ok(after) => after,
                Err(wait) => return Err(retry_at(quota, cost, wait << quota.shift, now)),
            };
            let next = ticks.wrapping_add(after);
            if is_mutant("rate_cell_blind_store") {
                self.0.store(next, Ordering::Relaxed);
                return Ok(());
            }
            match self.0.compare_exchange_weak(arrival, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => arrival = seen,
            }
        }
    }
}

impl Default for RateCell {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use crate::time::Duration;
    use proptest::prelude::*;

    #[test]
    fn a_cell_keeps_to_its_quota_and_survives_any_step_of_the_clock() {
        let cell = RateCell::new();
        let quota = Quota::new(10, Duration::from_secs(1), 10).unwrap();
        let year = Instant::from_millis(365 * 86_400_000);
        let burst = |now| (0..100).filter(|_| cell.charge(&quota, 1, now).is_ok()).count();
        assert_eq!(burst(year), 10);
        assert_eq!(cell.charge(&quota, 1, year), Err(year.plus(Duration::from_millis(100))));
        assert_eq!(burst(year.plus(Duration::from_millis(100))), 1);
        assert!(burst(Instant::from_millis(5)) <= 10, "back a year: no flood");
        assert_eq!(burst(Instant::from_millis(2_005)), 10, "and nobody is locked out");
        assert_eq!(cell.charge(&quota, 11, year), Err(Instant::NEVER));
    }

    proptest! {
        /// The pure function against a bucket that is filled in exact steps.
        #[test]
        fn a_charge_is_that_of_a_bucket(count in 1..100_u32, burst in 1..20_u32, steps in proptest::collection::vec(0..50_u64, 1..100)) {
            let quota = Quota::new(count, Duration::from_secs(1), burst).unwrap();
            let (mut arrival, mut now) = (0_u64, 1_000_000_000_u64);
            // The bucket holds time: full at `burst` emissions, each request takes one.
            let (mut bucket, mut last) = (quota.emission * u64::from(burst), now);
            for step in steps {
                now += step * quota.emission / 7;
                bucket = (bucket + now - last).min(quota.emission * u64::from(burst));
                last = now;
                let passes = bucket >= quota.emission;
                if passes {
                    bucket -= quota.emission;
                }
                match quota.pace().charge(arrival.saturating_sub(now), 1) {
                    Ok(after) => {
                        prop_assert!(passes);
                        arrival = now + after;
                    }
                    Err(_) => prop_assert!(!passes),
                }
            }
        }
    }
}
