//! A limit between two whole numbers.

/// A concurrency limit with eight bits of fraction.
///
/// Steps of less than one add up instead of being rounded away: a limit of 1 that may grow by 20 % has grown to 2 after
/// five steps, where whole numbers would stay at 1 for ever. Arithmetic saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u32);

impl Level {
    /// The smallest step up that is worth a trial.
    pub const ONE: Self = Self(1 << FRACTION_BITS);

    /// A whole number; up to 16,777,215.
    pub const fn whole(number: u32) -> Self {
        Self(number.saturating_mul(1 << FRACTION_BITS))
    }

    /// Rounded down, as permits are counted.
    pub const fn permits(self) -> u32 {
        self.0 >> FRACTION_BITS
    }

    /// The square root: what statistical noise of a queue of this length amounts to. Exact within 1/16.
    pub const fn sqrt(self) -> Self {
        Self(self.0.isqrt() << (FRACTION_BITS / 2))
    }

    /// This much higher.
    pub const fn plus(self, step: Self) -> Self {
        Self(self.0.saturating_add(step.0))
    }

    /// This much lower.
    pub const fn minus(self, step: Self) -> Self {
        Self(self.0.saturating_sub(step.0))
    }

    /// The share `numerator / denominator` of it; itself if the denominator is zero.
    pub const fn times(self, numerator: u64, denominator: u64) -> Self {
        if denominator == 0 {
            return self;
        }
        let product = (self.0 as u64).saturating_mul(numerator) / denominator;
        Self(if product > u32::MAX as u64 { u32::MAX } else { product as u32 })
    }

    /// The middle between this and another.
    pub const fn halfway_to(self, other: Self) -> Self {
        Self(((self.0 as u64 + other.0 as u64) / 2) as u32)
    }
}

const FRACTION_BITS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_steps_add_up() {
        let mut level = Level::ONE;
        for _ in 0..5 {
            level = level.plus(Level::ONE.times(1, 5).plus(Level(1)));
        }
        assert_eq!(level.permits(), 2);
    }

    proptest! {
        #[test]
        fn a_level_computes_as_a_float_would(a in 0..200_000_u32, b in 0..200_000_u32, numerator in 0..1_000_u64, denominator in 1..1_000_u64) {
            let (exact_a, exact_b) = (f64::from(a), f64::from(b));
            let float = |level: Level| f64::from(level.0) / 256.0;
            let (a, b) = (Level::whole(a), Level::whole(b));
            prop_assert!((float(a.sqrt()) - exact_a.sqrt()).abs() <= 1.0 / 16.0);
            prop_assert!((float(a.halfway_to(b)) - (exact_a + exact_b) / 2.0).abs() <= 1.0 / 256.0);
            prop_assert_eq!(float(a.minus(b)), (exact_a - exact_b).max(0.0));
            let product = (exact_a * numerator as f64 / denominator as f64).min(f64::from(u32::MAX) / 256.0);
            prop_assert!((float(a.times(numerator, denominator)) - product).abs() <= 1.0 / 256.0);
        }
    }
}
