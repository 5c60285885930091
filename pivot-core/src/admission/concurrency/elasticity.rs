//! Whether throughput follows the limit.
//!
//! Elasticity is the relative change of throughput over the relative change of the limit. It is 1 where requests do
//! nothing but wait for something slow, 0 where a resource is used up, and below 0 where they are in each other's way.
//! Latency cannot tell these apart; this can (Little's law: latency rises by as much as throughput does not).
//!
//! Windows of about the same limit make a group. Each group is compared with the one before it: differences between
//! neighbours in time do not confuse a capacity that changed with a limit that did. Pairs are weighed by how much they
//! tell (counting noise of `n` completions is `1/√n`), added up in a least-squares line through the origin, and forgotten
//! as soon as newer ones tell enough. Everything is integers with ten bits of fraction.

/// What throughput does when the limit rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// The limit has not moved enough, or too few requests ended, to say.
    Unknown,
    /// Throughput rises with it: more concurrency helps.
    Rising,
    /// Throughput does not rise with it: something is used up.
    Flat,
    /// Throughput falls: requests are in each other's way.
    Falling,
}

/// Compares throughput at one limit with throughput at the next. 112 bytes.
#[derive(Clone, Debug)]
pub struct Elasticity {
    previous: Group,
    current: Group,
    sums: Sums,
}

/// Windows of about the same limit.
#[derive(Clone, Copy, Debug)]
struct Group {
    limit: u32,
    served: u64,
    elapsed_ms: u64,
    windows: u32,
}

/// Sums over pairs of groups, each weighed: `x` is the change of the limit, `y` that of throughput.
#[derive(Clone, Copy, Debug)]
struct Sums {
    xx: i64,
    xy: i64,
    yy: i64,
    /// How many pairs, in sixteenths.
    pairs: i64,
}

impl Elasticity {
    /// Nothing is known.
    pub const NEW: Self = Self {
        previous: Group { limit: 0, served: 0, elapsed_ms: 0, windows: 0 },
        current: Group { limit: 0, served: 0, elapsed_ms: 0, windows: 0 },
        sums: Sums { xx: 0, xy: 0, yy: 0, pairs: 0 },
    };

    /// A window in which `limit` set the pace.
    pub fn handle_window(&mut self, limit: u32, served: u32, elapsed_us: u64) {
        // Old evidence fades: what could not be used a minute ago may be there now.
        self.sums.scale(31, 32);
        self.previous.fade();
        let group = Group {
            limit,
            served: u64::from(served),
            elapsed_ms: (elapsed_us / 1_000).clamp(1, 1 << 31),
            windows: 1,
        };
        if self.current.windows > 0 && self.current.is_near(limit) {
            return self.current.add(group);
        }
        if let Some(pair) = Sums::of(&self.previous, &self.current) {
            self.sums.add(pair);
        }
        self.previous = core::mem::replace(&mut self.current, group);
    }

    /// What is known now.
    pub fn trend(&self) -> Trend {
        let mut sums = self.sums;
        if let Some(pair) = Sums::of(&self.previous, &self.current) {
            sums.add(pair);
        }
        sums.trend()
    }

    /// The limit of the group before this one.
    pub fn limit_before(&self) -> u32 {
        self.previous.limit
    }
}

impl Group {
    fn is_near(&self, limit: u32) -> bool {
        self.limit.abs_diff(limit) <= self.limit / NEAR
    }

    /// Keeps the rate, and weighs less.
    fn fade(&mut self) {
        self.served -= self.served / FADE;
        self.elapsed_ms -= self.elapsed_ms / FADE;
    }

    fn add(&mut self, more: Self) {
        self.served += more.served;
        self.elapsed_ms += more.elapsed_ms;
        self.windows += 1;
        if self.windows > WINDOWS_MAX {
            self.served -= self.served / 4;
            self.elapsed_ms -= self.elapsed_ms / 4;
            self.windows -= self.windows / 4;
        }
    }
}

impl Sums {
    fn of(before: &Group, after: &Group) -> Option<Self> {
        if before.served == 0 || after.served == 0 {
            return None;
        }
        let x = change(before.limit.into(), after.limit.into());
        // Rates in requests a millisecond, multiplied through.
        let y = change(
            i128::from(before.served) * i128::from(after.elapsed_ms),
            i128::from(after.served) * i128::from(before.elapsed_ms),
        );
        // The smaller count is within a factor of two of what both tell together.
        let weight = before.served.min(after.served).div_ceil(2).min(WEIGHT_MAX) as i64;
        Some(Self { xx: weight * x * x, xy: weight * x * y, yy: weight * y * y, pairs: 16 })
    }

    fn add(&mut self, pair: Self) {
        while self.xx > INFORMATION_MAX {
            self.scale(1, 2);
        }
        self.xx += pair.xx;
        self.xy += pair.xy;
        self.yy += pair.yy;
        self.pairs += pair.pairs;
    }

    fn scale(&mut self, numerator: i64, denominator: i64) {
        for sum in [&mut self.xx, &mut self.xy, &mut self.yy, &mut self.pairs] {
            *sum = *sum * numerator / denominator;
        }
    }

    fn trend(&self) -> Trend {
        if self.xx <= 0 {
            return Trend::Unknown;
        }
        let slope = self.xy.saturating_mul(ONE) / self.xx;
        // What the line leaves unexplained, over what counting noise would: pauses and mixed costs make this large.
        let residual = (self.yy - slope.saturating_mul(self.xy) / ONE).max(0);
        let noise = (residual * 16 / self.pairs.max(16)).max(ONE * ONE);
        // The slope's variance is noise over information.
        let deviation = noise.saturating_mul(ONE) / self.xx;
        let deviation = deviation.saturating_mul(ONE).max(0).isqrt();
        if deviation > DEVIATION_MAX {
            Trend::Unknown
        } else if slope - deviation >= RISING_MIN {
            Trend::Rising
        } else if slope + deviation <= 0 {
            Trend::Falling
        } else if slope <= RISING_MIN {
            Trend::Flat
        } else {
            Trend::Unknown
        }
    }
}

/// The relative change from one to the other, symmetric, with ten bits of fraction: from -2 to 2.
fn change(before: i128, after: i128) -> i64 {
    let sum = before + after;
    if sum == 0 { 0 } else { ((after - before) * 2 * i128::from(ONE) / sum) as i64 }
}

const ONE: i64 = 1 << 10;
/// Limits within a sixteenth of one another make one group.
const NEAR: u32 = 16;
/// What a group weighs fades by a sixteenth each window after it.
const FADE: u64 = 16;
/// A group stands for the last eight windows or so.
const WINDOWS_MAX: u32 = 8;
/// Above this many completions counting noise (3 %) is below that of the world.
const WEIGHT_MAX: u64 = 1_024;
/// More than this (a deviation of 1/4) need not be remembered: it would outvote what is new.
const INFORMATION_MAX: i64 = 16 * ONE * ONE;
/// A slope with more than this deviation is not known: 0.35.
const DEVIATION_MAX: i64 = ONE * 35 / 100;
/// The least slope at which more concurrency pays: three tenths of what is added.
const RISING_MIN: i64 = ONE * 3 / 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trend_of(throughput: impl Fn(u32) -> u32) -> Trend {
        let mut elasticity = Elasticity::NEW;
        for limit in [100, 100, 120, 120, 100, 120] {
            elasticity.handle_window(limit, throughput(limit), 1_000_000);
        }
        elasticity.trend()
    }

    #[test]
    fn throughput_that_follows_the_limit_is_told_from_one_that_does_not() {
        assert_eq!(trend_of(|limit| limit * 10), Trend::Rising);
        assert_eq!(trend_of(|_| 1_000), Trend::Flat);
        assert_eq!(trend_of(|limit| 200_000 / limit), Trend::Falling);
    }

    #[test]
    fn few_requests_say_nothing() {
        assert_eq!(trend_of(|limit| limit / 20), Trend::Unknown);
        assert_eq!(Elasticity::NEW.trend(), Trend::Unknown);
    }

    #[test]
    fn a_capacity_that_changes_under_a_steady_limit_says_nothing() {
        let mut elasticity = Elasticity::NEW;
        for (limit, served) in [(100, 1_000), (101, 1_000), (100, 500), (102, 500)] {
            elasticity.handle_window(limit, served, 1_000_000);
        }
        assert_eq!(elasticity.trend(), Trend::Unknown);
    }

    proptest! {
        #[test]
        fn no_trace_overflows(trace in proptest::collection::vec((1..=100_000_u32, any::<u32>(), any::<u64>()), 0..60)) {
            let mut elasticity = Elasticity::NEW;
            for (limit, served, elapsed_us) in trace {
                elasticity.handle_window(limit, served, elapsed_us);
                elasticity.trend();
            }
        }
    }
}
