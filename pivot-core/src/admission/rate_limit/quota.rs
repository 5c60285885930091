//! What a client may do: how many requests in how long, how many at once, counted by which algorithm.
//!
//! Everything that a charge needs is computed here, once, so that no check divides what it could have known.

use core::fmt;

use super::gcra::Pace;
use super::sliding_log;
use crate::time::{Duration, Instant};

/// How requests are counted; see the [table](super) for what each is good at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// The generic cell rate algorithm: one theoretical arrival time.
    #[default]
    Gcra,
    /// A count for each period of the clock.
    FixedWindow,
    /// The moment of each of the last `count` requests, at most [`LOG_MAX`](super::LOG_MAX).
    SlidingLog,
    /// The count of this period, and that of the last one weighted by how much of it is still in sight.
    SlidingCounter,
    /// Whole tokens: one comes each `per / count`, at most `burst` are kept, a request takes one.
    TokenBucket,
    /// A level that each request raises and that drains steadily; who would make it overflow is refused.
    LeakyBucket,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Gcra,
        Self::FixedWindow,
        Self::SlidingLog,
        Self::SlidingCounter,
        Self::TokenBucket,
        Self::LeakyBucket,
    ];
}

/// How many requests in how long, how many of them at once, and how they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub(super) algorithm: Algorithm,
    pub(super) count: u32,
    pub(super) burst: u32,
    pub(super) per_us: u64,
    /// What a request costs in ticks; the windows' length and the log's resolution in fine units.
    pub(super) emission: u64,
    /// What the whole burst costs, in ticks; the log's period in its own resolution.
    pub(super) full: u64,
    /// A cell that owes nothing is kept for its client so long, in fine units.
    pub(super) keep: u64,
    /// A tick is 2^shift fine units.
    pub(super) shift: u32,
    /// A set is gone through once in 2^epoch_shift fine units; see the key table.
    pub(super) epoch_shift: u32,
    /// What states of cells mean: quotas with the same layout may read each other's.
    pub(super) layout: u16,
}

/// A number that a quota cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaError {
    /// Which number: `count`, `per`, in µs, or `burst`.
    pub field: &'static str,
    /// What it was.
    pub value: u64,
    /// The least that it may be, together with the others.
    pub min: u64,
    /// The most that it may be, together with the others.
    pub max: u64,
}

impl fmt::Display for QuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if matches!(self.field.as_bytes(), b"per") { " µs" } else { "" };
        let Self { field, value, min, max } = self;
        write!(f, "{field} is {value}{unit}; with the other numbers it has to be in {min}..={max}{unit}")
    }
}

impl core::error::Error for QuotaError {}

impl Quota {
    /// What somebody gets who adds a limiter without numbers: 100 in 60 s, 10 at once, by GCRA.
    pub const PRESET: Self = match Self::new(100, Duration::from_secs(60), 10) {
        Ok(quota) => quota,
        Err(_) => unreachable!(),
    };

    /// `count` requests in `per`, up to `burst` of them at once, counted by GCRA.
    ///
    /// A client that was silent may make `burst` requests in the same instant, and then one each `per / count`.
    /// Range: `count` up to ten in a microsecond, `per` 1 ms – 1 day, `burst` at least 1 and earned within a day.
    ///
    /// # Errors
    /// [`QuotaError`] says which number is out of its range.
    pub const fn new(count: u32, per: Duration, burst: u32) -> Result<Self, QuotaError> {
        Self::with(Algorithm::Gcra, count, per, burst)
    }

    /// The same by another algorithm.
    ///
    /// The windows and the log admit `count` in `per` and know no `burst`: it has to be `count`. All but GCRA want a `per` of
    /// 1 s or more; the log a `count` of at most [`LOG_MAX`](super::LOG_MAX); the sliding counter of at most 131,071; the buckets
    /// a `burst` of at most 512 and requests that are a millisecond or more apart.
    ///
    /// # Errors
    /// [`QuotaError`] says which number is out of its range.
    pub const fn with(
        algorithm: Algorithm,
        count: u32,
        per: Duration,
        burst: u32,
    ) -> Result<Self, QuotaError> {
        let per_us = crate::time::micros(per);
        let per_min = if matches!(algorithm, Algorithm::Gcra) { 1_000 } else { SECOND_US };
        if let Err(error) = in_range("per", per_us, per_min, DAY_US) {
            return Err(error);
        }
        let per_fine = per_us * FRACTION;
        let count_max = match algorithm {
            Algorithm::Gcra => least(per_us.saturating_mul(10), u32::MAX as u64),
            Algorithm::FixedWindow => (1 << 28) - 1,
            Algorithm::SlidingCounter => (1 << 17) - 1,
            Algorithm::SlidingLog => super::LOG_MAX as u64,
            Algorithm::TokenBucket | Algorithm::LeakyBucket => per_us / 1_024,
        };
        if let Err(error) = in_range("count", count as u64, 1, count_max) {
            return Err(error);
        }
        let emission = per_fine.div_ceil(count as u64);
        let (burst_min, burst_max) = match algorithm {
            Algorithm::Gcra => (1, least(DAY_US * FRACTION / emission + 1, u32::MAX as u64)),
            Algorithm::TokenBucket | Algorithm::LeakyBucket => {
                (1, least(DAY_US * FRACTION / emission + 1, BUCKET_BURST_MAX))
            }
            _ => (count as u64, count as u64),
        };
        if let Err(error) = in_range("burst", burst as u64, burst_min, burst_max) {
            return Err(error);
        }
        let whole = emission * burst as u64;
        // The longest that a cell is of interest after its last charge, and the bits of time in its state.
        let (keep, time_bits) = match algorithm {
            Algorithm::Gcra => (most(whole, per_fine), 40),
            Algorithm::TokenBucket | Algorithm::LeakyBucket => (most(whole, SECOND_US * FRACTION), 20),
            Algorithm::SlidingCounter => (2 * per_fine, 64),
            Algorithm::FixedWindow | Algorithm::SlidingLog => (per_fine, 64),
        };
        // An epoch is a quarter of what the bits can tell apart, and at least one and a half times `keep`.
        let epoch_shift = most(log2_ceil(keep + keep.div_ceil(2)) as u64, time_bits - 2) as u32;
        let (epoch_shift, shift) = match time_bits {
            64 => (log2_ceil(keep + keep.div_ceil(2)), 0),
            bits => (epoch_shift, epoch_shift - (bits as u32 - 2)),
        };
        let (emission, full) = match algorithm {
            Algorithm::FixedWindow | Algorithm::SlidingCounter => (per_fine, 0),
            Algorithm::SlidingLog => {
                let period = sliding_log::period(count);
                (per_fine.div_ceil(period), period)
            }
            _ => {
                // Rounded up; and a tick more where moments are rounded, so that the time between two is never taken for too long.
                let ticks = emission.div_ceil(1 << shift) + (shift > 0) as u64;
                // With fewer ticks to a request the rate would be off by more than two hundredths.
                let count_max = per_fine / (TICKS_MIN << shift);
                if let Err(error) = in_range("count", count as u64, 1, count_max) {
                    return Err(error);
                }
                (ticks, ticks * burst as u64)
            }
        };
        let layout = (algorithm as u16) << 13
            | match algorithm {
                Algorithm::Gcra => shift as u16,
                // What the state of these means depends on the numbers.
                _ => {
                    let numbers = emission ^ (count as u64) << 40 ^ (shift as u64) << 32;
                    (numbers.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as u16
                }
            };
        Ok(Self { algorithm, count, burst, per_us, emission, full, keep, shift, epoch_shift, layout })
    }

    /// How requests are counted.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Requests in a period.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The period.
    pub const fn per(&self) -> Duration {
        Duration::from_micros(self.per_us)
    }

    /// Requests at once.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// The era word of a set that was gone through at a moment.
    #[inline]
    pub(super) const fn era(&self, now: u64) -> u64 {
        (self.layout as u64) << 48 | now >> self.epoch_shift
    }

    /// What GCRA needs of it.
    #[inline]
    pub(super) const fn pace(&self) -> Pace {
        Pace { emission: self.emission, full: self.full }
    }
}

/// Fine units in a microsecond: the unit in which the limiter counts, so that ten million a second are counted as that.
pub(super) const FRACTION: u64 = 1_024;

/// A moment in fine units. It wraps after 570 years.
pub(super) const fn fine(now: Instant) -> u64 {
    now.as_micros().wrapping_mul(FRACTION)
}

const SECOND_US: u64 = 1_000_000;
const BUCKET_BURST_MAX: u64 = 512;
const TICKS_MIN: u64 = 100;
const DAY_US: u64 = 86_400 * SECOND_US;

const fn in_range(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), QuotaError> {
    if value < min || value > max { Err(QuotaError { field, value, min, max }) } else { Ok(()) }
}

const fn least(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

const fn most(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

const fn log2_ceil(value: u64) -> u32 {
    value.next_power_of_two().trailing_zeros()
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use std::string::ToString;

    const SECOND: Duration = Duration::from_secs(1);

    fn refused(quota: Result<Quota, QuotaError>) -> (&'static str, u64, u64, u64) {
        let QuotaError { field, value, min, max } = quota.unwrap_err();
        (field, value, min, max)
    }

    #[test]
    fn quotas_out_of_range_are_refused_with_field_value_and_range() {
        assert_eq!(refused(Quota::new(0, SECOND, 1)), ("count", 0, 1, 10_000_000));
        assert_eq!(refused(Quota::new(1, SECOND, 0)), ("burst", 0, 1, 86_401));
        assert_eq!(refused(Quota::new(1, Duration::ZERO, 1)), ("per", 0, 1_000, DAY_US));
        assert_eq!(refused(Quota::new(1, Duration::MAX, 1)), ("per", u64::MAX, 1_000, DAY_US));
        assert_eq!(refused(Quota::new(u32::MAX, Duration::from_millis(1), 1)).3, 10_000);
        assert_eq!(refused(Quota::new(1, SECOND, u32::MAX)).0, "burst");
        assert!(Quota::new(10_000_000, SECOND, 10_000_000).is_ok());
        let log = Quota::with(Algorithm::SlidingLog, 9, SECOND, 9).unwrap_err();
        assert_eq!(log.to_string(), "count is 9; with the other numbers it has to be in 1..=8");
        let short = Quota::with(Algorithm::FixedWindow, 9, SECOND / 2, 9).unwrap_err();
        assert!(short.to_string().starts_with("per is 500000 µs; "), "{short}");
        assert_eq!(refused(Quota::with(Algorithm::FixedWindow, 9, SECOND, 4)), ("burst", 4, 9, 9));
        assert_eq!(refused(Quota::with(Algorithm::TokenBucket, 9, SECOND, 1_025)), ("burst", 1_025, 1, 512));
        assert_eq!(refused(Quota::with(Algorithm::LeakyBucket, 2_000, SECOND, 5)), ("count", 2_000, 1, 976));
    }

    #[test]
    fn epochs_are_long_enough_and_a_request_is_many_ticks_at_the_corners_of_every_range() {
        for algorithm in Algorithm::ALL {
            for per_us in [1_000, SECOND_US, 60 * SECOND_US, DAY_US] {
                for count in [1, 2, 5, 8, 100, 1_900, 100_000, u32::MAX] {
                    for burst in [1, 8, 100, 1_024, count] {
                        let per = Duration::from_micros(per_us);
                        let Ok(quota) = Quota::with(algorithm, count, per, burst) else { continue };
                        assert!(3 * quota.keep <= 2 << quota.epoch_shift, "{quota:?}");
                        match algorithm {
                            Algorithm::Gcra => {
                                assert!(quota.epoch_shift == 38 + quota.shift)
                            }
                            Algorithm::TokenBucket | Algorithm::LeakyBucket => {
                                assert!(quota.epoch_shift == 18 + quota.shift, "{quota:?}");
                            }
                            _ => continue,
                        }
                        assert!(quota.emission >= TICKS_MIN, "{quota:?}");
                    }
                }
            }
        }
    }
}
