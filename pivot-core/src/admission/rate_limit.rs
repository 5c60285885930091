//! How many requests a client may make: GCRA, one atomic word for each client, in a table of fixed size.
//!
//! The generic cell rate algorithm (ITU-T I.371) keeps one number, the *theoretical arrival time* of the next request
//! of a client that keeps exactly to its rate. A request is within the quota if that time lies at most the burst
//! tolerance ahead. A client whose time has passed is like one that was never seen, so its cell can be
//! reused without losing anything.
//!
//! The table has sets of eight cells. When a set is full of clients that are all still in debt, a newcomer shares the cell
//! of the least indebted of them: a flood of addresses can make strangers share a quota, but it cannot give a client
//! that is known to be heavy a fresh one.

use core::fmt;

use super::key::ClientKey;
use crate::sync::{AtomicU64, Ordering, is_mutant};
use crate::time::{Duration, Instant};

/// Cells in a set.
const WAYS: usize = 8;

/// How many requests in how long, and how many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    count: u32,
    per: Duration,
    burst: u32,
    /// Time that one request costs, in 1/1024 µs.
    emission: u64,
    /// How far the theoretical arrival time may lie ahead and a request still pass, in 1/1024 µs.
    tolerance: u64,
}

/// A quota that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaError {
    /// `count` or `burst` is zero: nobody would ever be served.
    Zero,
    /// `per` is not in 1 ms – 1 day.
    Period,
    /// `count` in `per` is more than a thousand requests in a microsecond.
    TooFast,
    /// A burst that takes longer than a day to earn.
    Burst,
}

impl fmt::Display for QuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "count and burst have to be at least 1",
            Self::Period => "the period has to be in 1 ms - 1 day",
            Self::TooFast => "at most 1,000 requests a microsecond can be counted",
            Self::Burst => "the burst has to be earned within a day",
        })
    }
}

impl core::error::Error for QuotaError {}

impl Quota {
    /// What somebody gets who adds a limiter without numbers: 100 in 60 s, 10 at once.
    pub const PRESET: Self = match Self::new(100, Duration::from_secs(60), 10) {
        Ok(quota) => quota,
        Err(_) => unreachable!(),
    };

    /// `count` requests in `per`, up to `burst` of them at once.
    ///
    /// A client that was silent may make `burst` requests in the same instant, and then one each `per / count`.
    ///
    /// # Errors
    /// [`QuotaError`] says which number is out of its range.
    pub const fn new(count: u32, per: Duration, burst: u32) -> Result<Self, QuotaError> {
        if count == 0 || burst == 0 {
            return Err(QuotaError::Zero);
        }
        let per_us = per.as_micros();
        if per_us < 1_000 || per_us > DAY_US as u128 {
            return Err(QuotaError::Period);
        }
        let emission = (per_us as u64 * FRACTION) / count as u64;
        if emission == 0 {
            return Err(QuotaError::TooFast);
        }
        let tolerance = match emission.checked_mul(burst as u64 - 1) {
            Some(tolerance) if tolerance <= DAY_US * FRACTION => tolerance,
            _ => return Err(QuotaError::Burst),
        };
        Ok(Self { count, per, burst, emission, tolerance })
    }

    /// Requests in a period.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The period.
    pub const fn per(&self) -> Duration {
        self.per
    }

    /// Requests at once.
    pub const fn burst(&self) -> u32 {
        self.burst
    }
}

/// One charge, as a pure function: the theoretical arrival time after it, or when to come back.
///
/// `ahead` is how far the theoretical arrival time lies ahead of now, 0 if it has passed; so is what comes out. In an error it
/// is how long to wait. All in 1/1024 µs.
const fn charge(ahead: u64, quota: &Quota, cost: u32) -> Result<u64, u64> {
    if cost == 0 {
        return Ok(ahead);
    }
    let after = ahead.saturating_add(quota.emission.saturating_mul(cost as u64 - 1));
    if after > quota.tolerance { Err(after - quota.tolerance) } else { Ok(after + quota.emission) }
}

/// A client's word: 16 bits that tell clients of a set apart, and 48 bits of theoretical arrival time in 1/1024 µs.
///
/// 48 bits of that wrap after 76 hours. A time that lies further ahead than the quota can have put it is one that has
/// long passed, or was left by a clock that was set back: it counts as passed.
#[derive(Debug)]
pub struct RateCell(AtomicU64);

impl RateCell {
    /// A cell that no client has.
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Default for RateCell {
    fn default() -> Self {
        Self::new()
    }
}

/// Quotas of many clients, in memory that was fixed at start. Shared by all workers.
#[derive(Debug)]
pub struct RateLimiter<'s> {
    cells: &'s [RateCell],
    set_mask: u64,
    quota: Quota,
}

impl<'s> RateLimiter<'s> {
    /// A limiter that gives each client `quota` and remembers as many of them as there are cells.
    ///
    /// # Panics
    /// If the number of cells is not 8 times a power of two; [`RateLimiter::cells_for`] rounds.
    pub fn new(cells: &'s [RateCell], quota: Quota) -> Self {
        assert!(cells.len().is_multiple_of(WAYS) && (cells.len() / WAYS).is_power_of_two(), "whole sets");
        Self { cells, set_mask: (cells.len() / WAYS) as u64 - 1, quota }
    }

    /// The number of cells for at least `clients` clients.
    pub const fn cells_for(clients: usize) -> usize {
        clients.div_ceil(WAYS).next_power_of_two() * WAYS
    }

    /// What each client may do.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Charges `cost` requests to a client.
    ///
    /// # Errors
    /// The moment from which the same charge would pass, if nobody charges the client meanwhile.
    pub fn charge(&self, key: ClientKey, cost: u32, now: Instant) -> Result<(), Instant> {
        let bits = key.bits();
        let tag = (bits >> 48).max(1);
        let set = (bits & self.set_mask) as usize * WAYS;
        let now_fine = now.as_micros().wrapping_mul(FRACTION) & TIME_MASK;
        let cells = &self.cells[set..set + WAYS];
        loop {
            let (cell, word, ahead) = self.find(cells, tag, now_fine);
            let after = match charge(ahead, &self.quota, cost) {
                Ok(after) => after,
                Err(wait) => return Err(now.plus(Duration::from_micros(wait.div_ceil(FRACTION)))),
            };
            let arrival = now_fine.wrapping_add(after) & TIME_MASK;
            // A shared cell keeps its owner's tag.
            let owner = if ahead == 0 { tag } else { word >> TIME_BITS };
            let next = owner << TIME_BITS | arrival;
            // Relaxed: a cell publishes nothing but itself.
            if is_mutant("rate_blind_store") {
                cell.0.store(next, Ordering::Relaxed);
                return Ok(());
            }
            if cell.0.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
        }
    }

    /// The client's cell, or one that is free, or the least indebted one of the set; its word, and how far it is ahead.
    fn find<'c>(&self, cells: &'c [RateCell], tag: u64, now: u64) -> (&'c RateCell, u64, u64) {
        let mut best = (&cells[0], 0, u64::MAX);
        for cell in cells {
            let word = cell.0.load(Ordering::Relaxed);
            let ahead = self.ahead(word, now);
            if word >> TIME_BITS == tag {
                return (cell, word, ahead);
            }
            if ahead < best.2 {
                best = (cell, word, ahead);
            }
        }
        best
    }

    /// How far a word's time lies ahead of now; 0 if it has passed, or cannot be meant.
    fn ahead(&self, word: u64, now: u64) -> u64 {
        let distance = word.wrapping_sub(now) & TIME_MASK;
        if distance > self.quota.tolerance + self.quota.emission { 0 } else { distance }
    }
}

const FRACTION: u64 = 1_024;
const TIME_BITS: u32 = 48;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
const DAY_US: u64 = 86_400_000_000;

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use crate::admission::Seed;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn key(number: u32) -> ClientKey {
        ClientKey::of_address(core::net::Ipv4Addr::from(number).into(), Seed(7, 9))
    }

    fn cells(clients: usize) -> Vec<RateCell> {
        (0..RateLimiter::cells_for(clients)).map(|_| RateCell::new()).collect()
    }

    #[test]
    fn a_silent_client_may_make_its_burst_at_once_and_then_keeps_to_the_rate() {
        let cells = cells(1);
        let limiter = RateLimiter::new(&cells, Quota::PRESET);
        let start = Instant::from_millis(5);
        for _ in 0..10 {
            assert_eq!(limiter.charge(key(1), 1, start), Ok(()));
        }
        let retry_at = limiter.charge(key(1), 1, start).unwrap_err();
        assert_eq!(retry_at, start.plus(Duration::from_millis(600)));
        assert!(limiter.charge(key(1), 1, start.plus(Duration::from_millis(599))).is_err());
        assert_eq!(limiter.charge(key(1), 1, retry_at), Ok(()));
        assert_eq!(limiter.charge(key(2), 1, start), Ok(()), "others have a quota of their own");
    }

    #[test]
    fn quotas_out_of_range_are_refused() {
        let second = Duration::from_secs(1);
        assert_eq!(Quota::new(0, second, 1), Err(QuotaError::Zero));
        assert_eq!(Quota::new(1, second, 0), Err(QuotaError::Zero));
        assert_eq!(Quota::new(1, Duration::ZERO, 1), Err(QuotaError::Period));
        assert_eq!(Quota::new(u32::MAX, Duration::from_millis(1), 1), Err(QuotaError::TooFast));
        assert_eq!(Quota::new(1, second, u32::MAX), Err(QuotaError::Burst));
        assert!(Quota::new(10_000_000, second, 10_000_000).is_ok());
    }

    #[test]
    fn ten_million_a_second_is_counted_as_that() {
        let cells = cells(1);
        let limiter = RateLimiter::new(&cells, Quota::new(10_000_000, Duration::from_secs(1), 20).unwrap());
        let mut admitted = 0;
        for us in 0..10_000 {
            for _ in 0..30 {
                admitted += u32::from(limiter.charge(key(1), 1, Instant::from_micros(1_000 + us)).is_ok());
            }
        }
        assert!((95_000..=105_000).contains(&admitted), "{admitted} in 10 ms");
    }

    #[test]
    fn a_flood_of_strangers_does_not_free_a_heavy_client() {
        let cells = cells(64);
        let limiter = RateLimiter::new(&cells, Quota::new(10, Duration::from_secs(60), 10).unwrap());
        let now = Instant::from_millis(1);
        while limiter.charge(key(1), 1, now).is_ok() {}
        for stranger in 2..100_000 {
            let _ = limiter.charge(key(stranger), 1, now);
            if stranger % 1_000 == 0 {
                assert!(limiter.charge(key(1), 1, now).is_err());
            }
        }
    }

    #[test]
    fn a_clock_that_steps_neither_floods_nor_locks_out() {
        let cells = cells(1);
        let limiter = RateLimiter::new(&cells, Quota::new(10, Duration::from_secs(1), 10).unwrap());
        let year = Instant::from_millis(365 * 86_400_000);
        while limiter.charge(key(1), 1, year).is_ok() {}
        let back = Instant::from_millis(86_400_000);
        let admitted = (0..100).filter(|_| limiter.charge(key(1), 1, back).is_ok()).count();
        assert!(admitted <= 10, "no flood: {admitted}");
        assert_eq!(limiter.charge(key(1), 1, back.plus(Duration::from_secs(2))), Ok(()), "no lock-out");
    }

    proptest! {
        /// Never more than the burst and the rate's share of the time that passed.
        #[test]
        fn no_trace_gets_more_than_its_quota(
            count in 1..1_000_u32, burst in 1..50_u32,
            steps in proptest::collection::vec((0..200_000_u64, 1..4_u32), 1..200),
        ) {
            let cells = cells(1);
            let quota = Quota::new(count, Duration::from_secs(1), burst).unwrap();
            let limiter = RateLimiter::new(&cells, quota);
            let start = Instant::from_millis(10);
            let mut now = start;
            let mut admitted = 0_u64;
            for (step, cost) in steps {
                now = now.plus(Duration::from_micros(step));
                if limiter.charge(key(3), cost, now).is_ok() {
                    admitted += u64::from(cost);
                }
                let earned = now.micros_since(start) as f64 * f64::from(count) / 1e6;
                prop_assert!(admitted as f64 <= f64::from(burst) + earned * 1.001 + 1.0, "{admitted} after {earned}");
            }
        }

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
                match charge(arrival.saturating_sub(now), &quota, 1) {
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
