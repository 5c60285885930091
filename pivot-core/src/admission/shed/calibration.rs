//! Whether a model's probabilities come true: Brier score and reliability bins, over the last 512–1,024 samples.

/// One, for probabilities.
pub(super) const ONE: u64 = 1 << 16;
const BINS: usize = 8;
const WINDOW: u32 = 1_024;

/// Of the predictions in one eighth of the range 0–1: how many there were, what they said, and what came. All weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReliabilityBin {
    /// Samples, by weight.
    pub weight: u64,
    /// The sum of their predictions, with 16 bits of fraction.
    pub predicted: u64,
    /// Those that did miss their deadline, by weight.
    pub missed: u64,
}

/// How well the model of missed deadlines does, for metrics.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    bins: [ReliabilityBin; BINS],
    /// Weighted sum of squared errors, with 16 bits of fraction.
    squares: u64,
    samples: u32,
    is_trusted: bool,
}

impl Calibration {
    pub(super) fn record(&mut self, predicted: u32, missed: bool, weight: u32) {
        if self.samples >= WINDOW {
            self.samples /= 2;
            self.squares /= 2;
            for bin in &mut self.bins {
                *bin = ReliabilityBin {
                    weight: bin.weight / 2,
                    predicted: bin.predicted / 2,
                    missed: bin.missed / 2,
                };
            }
        }
        let (predicted, weight) = (u64::from(predicted), u64::from(weight));
        let bin = &mut self.bins[((predicted as usize * BINS) >> 16).min(BINS - 1)];
        bin.weight += weight;
        bin.predicted += predicted * weight;
        bin.missed += if missed { weight } else { 0 };
        let error = predicted.abs_diff(if missed { ONE } else { 0 });
        self.squares += weight * (error * error / ONE);
        self.samples += 1;
        self.judge();
    }

    /// Whether the model is asked.
    ///
    /// It is from 512 samples on, once it explains 30 % of the variance and is off by no more than 0.08 on average; no longer when it
    /// explains less than 10 % or is off by more than 0.15. Where nearly all or nearly none miss, there is nothing to explain.
    pub fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// The mean squared error in millionths; 250,000 is that of a coin.
    pub fn brier_ppm(&self) -> u64 {
        self.squares * 1_000_000 / (self.weight() * ONE).max(1)
    }

    /// How far predictions are from what came, averaged over the bins by weight; in millionths.
    pub fn error_ppm(&self) -> u64 {
        let off = self.bins.iter().map(|bin| bin.predicted.abs_diff(bin.missed * ONE)).sum::<u64>();
        off * 1_000 / (self.weight() * ONE).max(1) * 1_000
    }

    /// The share of samples that missed, in millionths.
    pub fn missed_ppm(&self) -> u64 {
        self.bins.iter().map(|bin| bin.missed).sum::<u64>() * 1_000_000 / self.weight().max(1)
    }

    /// The bins, the lowest predictions first.
    pub fn bins(&self) -> &[ReliabilityBin] {
        &self.bins
    }

    fn weight(&self) -> u64 {
        self.bins.iter().map(|bin| bin.weight).sum()
    }

    fn judge(&mut self) {
        if self.samples < WINDOW / 2 {
            return;
        }
        let missed = self.missed_ppm();
        let variance = missed * (1_000_000 - missed) / 1_000_000;
        let (explains, off_max) = if self.is_trusted { (10, 150_000) } else { (30, 80_000) };
        self.is_trusted = variance > 10_000
            && self.brier_ppm() * 100 <= variance * (100 - explains)
            && self.error_ppm() <= off_max;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_comes_with_good_predictions_stays_with_fair_ones_and_goes_with_bad_ones() {
        let mut calibration = Calibration::default();
        let mut feed = |sure: u32, wrong_of_ten: usize| {
            for index in 0..3_000 {
                let missed = index % 2 == 0;
                let right = (index / 2) % 10 >= wrong_of_ten;
                calibration.record(if missed == right { sure } else { 65_536 - sure }, missed, 1);
            }
            calibration.is_trusted()
        };
        assert!(!feed(32_768, 0), "a coin");
        assert!(feed(62_000, 0), "nearly sure and always right");
        assert!(feed(52_428, 2), "80 % sure and right in 80 %: enough to keep");
        assert!(!feed(64_000, 5), "sure and wrong half of the time");
        assert!(!feed(52_428, 3), "fair ones do not win it back");
    }

    #[test]
    fn the_score_is_the_mean_squared_error() {
        let mut calibration = Calibration::default();
        calibration.record(16_384, false, 1);
        calibration.record(16_384, true, 3);
        assert_eq!(calibration.brier_ppm(), (62_500 + 3 * 562_500) / 4);
        assert_eq!((calibration.missed_ppm(), calibration.error_ppm()), (750_000, 500_000));
        assert_eq!(calibration.bins()[2], ReliabilityBin { weight: 4, predicted: 65_536, missed: 3 });
    }
}
