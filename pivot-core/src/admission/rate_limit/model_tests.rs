//! Each algorithm against a plain model: the list of what was admitted, and whole numbers that do not round.

use super::tests::{key, sets};
use super::*;
use crate::time::Duration;
use proptest::prelude::*;
use std::vec::Vec;

const YEAR_US: u64 = 365 * 86_400 * 1_000_000;

fn quotas() -> impl Strategy<Value = Quota> {
    (0..6_usize, 1..40_u32, 1..30_u32, 1..90_000_u64).prop_map(|(algorithm, count, burst, per_ms)| {
        let algorithm = Algorithm::ALL[algorithm];
        let count = if algorithm == Algorithm::SlidingLog { count % LOG_MAX + 1 } else { count };
        let is_window =
            matches!(algorithm, Algorithm::FixedWindow | Algorithm::SlidingLog | Algorithm::SlidingCounter);
        let per = Duration::from_millis(per_ms + 1_000);
        Quota::with(algorithm, count, per, if is_window { count } else { burst }).unwrap()
    })
}

/// Steps that are short beside the period, about as long, and a year.
fn steps() -> impl Strategy<Value = Vec<(u8, u64, u32)>> {
    proptest::collection::vec((0..40_u8, 0..2_000_000_u64, 1..4_u32), 1..300)
}

fn scaled(quota: &Quota, kind: u8, amount: u64) -> u64 {
    match kind {
        0 => YEAR_US,
        1..6 => quota.per_us * (amount % 4_000) / 1_000,
        6..20 => quota.per_us * (amount % 1_000) / 1_000 / u64::from(quota.count),
        _ => amount % 2_000,
    }
}

/// What was admitted, and when; oldest first.
#[derive(Default)]
struct Model {
    admitted: Vec<(u64, u32)>,
}

impl Model {
    fn sum(&self, mut is_counted: impl FnMut(u64) -> bool) -> u64 {
        self.admitted.iter().filter(|(at, _)| is_counted(*at)).map(|(_, cost)| u64::from(*cost)).sum()
    }

    /// Whether one more request at `now` keeps within what the algorithm promises, exactly.
    fn may(&self, quota: &Quota, cost: u32, now: u64) -> bool {
        let (count, burst, per) = (u64::from(quota.count), u64::from(quota.burst), quota.per_us);
        match quota.algorithm {
            Algorithm::FixedWindow => self.sum(|at| at / per == now / per) + u64::from(cost) <= count,
            Algorithm::SlidingLog => self.sum(|at| at + per > now) + u64::from(cost) <= count,
            Algorithm::SlidingCounter => {
                let current = self.sum(|at| at / per == now / per) + u64::from(cost);
                let previous = self.sum(|at| at / per + 1 == now / per);
                u128::from(previous) * u128::from(per - now % per) + u128::from(current) * u128::from(per)
                    <= u128::from(count) * u128::from(per)
            }
            // The bucket's level in units of 1 / (count × per): never rounded.
            _ => {
                let full = u128::from(burst) * u128::from(per);
                self.level(quota, now) + u128::from(cost) * u128::from(per) <= full
            }
        }
    }

    fn level(&self, quota: &Quota, now: u64) -> u128 {
        let (mut level, mut last) = (0_u128, 0);
        for &(at, cost) in &self.admitted {
            level = level.saturating_sub(u128::from(at - last) * u128::from(quota.count));
            level += u128::from(cost) * u128::from(quota.per_us);
            last = at;
        }
        level.saturating_sub(u128::from(now - last) * u128::from(quota.count))
    }

    /// Whether a request has to pass though the algorithm counts in steps: what a client may have to wait
    /// longer than by the model is at most the stated granularity.
    fn has_to(&self, quota: &Quota, cost: u32, now: u64) -> bool {
        let per = quota.per_us;
        match quota.algorithm {
            // These two count without steps.
            Algorithm::FixedWindow | Algorithm::SlidingCounter => self.may(quota, cost, now),
            Algorithm::SlidingLog => {
                let step = quota.emission.div_ceil(FRACTION);
                self.sum(|at| at + per + 2 * step > now) + u64::from(cost) <= quota.count.into()
            }
            _ => {
                // A request is rounded up to whole ticks, two hundredths at most; the token bucket counts whole tokens.
                let whole = u128::from(quota.burst) * u128::from(per);
                let tick = (1_u128 << quota.shift).div_ceil(FRACTION.into()) * u128::from(quota.count);
                let token = if quota.algorithm == Algorithm::TokenBucket { u128::from(per) } else { 0 };
                let slack = whole / 50 + 2 * tick + token;
                self.level(quota, now) + u128::from(cost) * u128::from(per) + slack <= whole
            }
        }
    }
}

proptest! {
    /// Time goes by in short and long steps: never more than the model, never less than it by more than the granularity, and who
    /// comes back when told to is let in.
    #[test]
    fn every_algorithm_does_as_its_model(quota in quotas(), steps in steps(), start in 0..u64::from(u32::MAX)) {
        let sets = sets(1);
        let limiter = RateLimiter::new(&sets, quota);
        let (mut model, mut now) = (Model::default(), start);
        for (kind, amount, cost) in steps {
            now += scaled(&quota, kind, amount);
            match limiter.charge(key(1), cost, Instant::from_micros(now)) {
                Ok(()) => {
                    prop_assert!(model.may(&quota, cost, now), "{quota:?} at {now}: {:?}", model.admitted);
                    model.admitted.push((now, cost));
                }
                Err(retry_at) => {
                    prop_assert!(!model.has_to(&quota, cost, now), "{quota:?} at {now}: {:?}", model.admitted);
                    prop_assert_eq!(retry_at == Instant::NEVER, cost > quota.burst);
                    prop_assert!(retry_at > Instant::from_micros(now));
                    if retry_at < Instant::NEVER {
                        prop_assert!(limiter.check(key(1), cost, retry_at).is_admitted());
                    }
                }
            }
        }
    }

    /// The clock is set back and forth: between two steps nobody gets more than twice a burst and the rate's share, and
    /// whoever is refused need not wait for longer than the quota takes to forget two bursts.
    #[test]
    fn a_clock_that_steps_neither_floods_nor_locks_out(
        quota in quotas(), steps in steps(), back in proptest::collection::vec(0..3_u8, 1..300), start in 0..u64::from(u32::MAX),
    ) {
        let sets = sets(1);
        let limiter = RateLimiter::new(&sets, quota);
        let (mut now, mut since, mut admitted) = (start + 3 * YEAR_US, start + 3 * YEAR_US, 0_u64);
        for ((kind, amount, cost), back) in steps.into_iter().zip(back) {
            let step = scaled(&quota, kind, amount);
            // Two thirds of the long steps go back.
            if kind < 6 && back > 0 {
                now = now.saturating_sub(step);
                (since, admitted) = (now, 0);
            } else {
                now += step;
            }
            match limiter.charge(key(1), cost, Instant::from_micros(now)) {
                Ok(()) => admitted += u64::from(cost),
                Err(retry_at) if cost <= quota.burst => {
                    let longest = 2 * (quota.keep / FRACTION + quota.per_us);
                    prop_assert!(retry_at <= Instant::from_micros(now + longest), "{quota:?}: {now}, {retry_at:?}");
                    prop_assert!(limiter.check(key(1), cost, retry_at).is_admitted(), "{quota:?}: {now}, {retry_at:?}");
                }
                Err(retry_at) => prop_assert_eq!(retry_at, Instant::NEVER),
            }
            let earned = u128::from(now - since) * u128::from(quota.count) / u128::from(quota.per_us);
            let most = 2 * u128::from(quota.burst) + earned;
            prop_assert!(u128::from(admitted) <= most, "{quota:?}: {admitted} of {most}");
        }
    }
}
