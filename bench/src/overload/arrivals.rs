//! When requests are due: a Poisson process whose rate changes by phases, the same for the same seed.

use std::time::Duration;

/// A stretch of time with one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Phase {
    pub(crate) duration: Duration,
    /// Requests a second, in the mean.
    pub(crate) rate: f64,
}

/// The moments, in nanoseconds after the start, in order.
pub(crate) struct Arrivals {
    dice: Dice,
    /// The ends of the phases, and their rates.
    phases: Vec<(f64, f64)>,
    index: usize,
    /// In seconds.
    now: f64,
}

impl Arrivals {
    pub(crate) fn new(phases: &[Phase], seed: u64) -> Self {
        let mut end = 0.0;
        let ends = phases.iter().map(|phase| {
            end += phase.duration.as_secs_f64();
            (end, phase.rate)
        });
        Self { dice: Dice::new(seed), phases: ends.collect(), index: 0, now: 0.0 }
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            let &(end, rate) = self.phases.get(self.index)?;
            // The process has no memory, so a gap that crosses a border may be thrown again from there.
            self.now += self.dice.exponential() / rate;
            if self.now < end {
                return Some((self.now * 1e9) as u64);
            }
            self.now = end;
            self.index += 1;
        }
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64: Steele, Lea and Flood, 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// At least 0 and below 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// With mean 1.
    fn exponential(&mut self) -> f64 {
        -(1.0 - self.share()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(seconds: u64, rate: f64) -> Phase {
        Phase { duration: Duration::from_secs(seconds), rate }
    }

    #[test]
    fn a_seed_gives_the_same_arrivals_and_another_seed_others() {
        let of = |seed| Arrivals::new(&[phase(1, 1_000.0)], seed).collect::<Vec<_>>();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn each_phase_has_its_rate_and_moments_are_in_order() {
        let phases = [phase(100, 1_000.0), phase(50, 5_000.0), phase(100, 10.0)];
        let moments: Vec<u64> = Arrivals::new(&phases, 7).collect();
        assert!(moments.is_sorted());
        let count = |from: u64, to: u64| {
            moments.iter().filter(|moment| (from..to).contains(&(*moment / 1_000_000_000))).count() as f64
        };
        // Five standard deviations.
        for (from, to, mean) in [(0, 100, 100_000.0), (100, 150, 250_000.0), (150, 250, 1_000.0_f64)] {
            assert!((count(from, to) - mean).abs() < 5.0 * mean.sqrt(), "{from}-{to}: {}", count(from, to));
        }
        assert_eq!(count(250, u64::MAX), 0.0);
    }

    #[test]
    fn gaps_are_exponential_so_that_their_variance_is_the_square_of_their_mean() {
        let moments: Vec<u64> = Arrivals::new(&[phase(200, 1_000.0)], 3).collect();
        let gaps: Vec<f64> = moments.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.02 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    }

    #[test]
    fn shares_and_bounds_are_kept() {
        let mut dice = Dice::new(5);
        let mut counts = [0_u32; 10];
        for _ in 0..10_000 {
            assert!((0.0..1.0).contains(&dice.share()));
            counts[dice.below(10) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }
}
