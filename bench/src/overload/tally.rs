//! What became of many tries.

use super::clients::{Outcome, Try};
use crate::histogram::Histogram;

/// Counts of how tries ended, and the latencies of those that were not refused.
pub(crate) struct Tally {
    pub(crate) answered: u64,
    pub(crate) late: u64,
    pub(crate) gave_up: u64,
    /// 429 and 503, and any other status that is not 200.
    pub(crate) refused: u64,
    pub(crate) broken: u64,
    pub(crate) unsent: u64,
    /// Whoever gave up counts with the time that he waited: the true latency is no less.
    latency_ns: Histogram,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let latency_ns = Histogram::new();
        Self { answered: 0, late: 0, gave_up: 0, refused: 0, broken: 0, unsent: 0, latency_ns }
    }

    pub(crate) fn add(&mut self, one: &Try) {
        let count = match one.outcome {
            Outcome::Answered => &mut self.answered,
            Outcome::Late => &mut self.late,
            Outcome::GaveUp => &mut self.gave_up,
            Outcome::Refused(_) => &mut self.refused,
            Outcome::Broken => &mut self.broken,
            Outcome::Unsent => &mut self.unsent,
        };
        *count += 1;
        if matches!(one.outcome, Outcome::Answered | Outcome::Late | Outcome::GaveUp) {
            self.latency_ns.record(one.latency_ns, 1);
        }
    }

    /// All tries.
    pub(crate) fn total(&self) -> u64 {
        self.answered + self.late + self.gave_up + self.refused + self.broken + self.unsent
    }

    /// The part of all that was answered in time, in per cent; 100 if there were none.
    pub(crate) fn percent_answered(&self) -> f64 {
        if self.total() == 0 { 100.0 } else { 100.0 * self.answered as f64 / self.total() as f64 }
    }

    /// The latency that so many per cent of those that were neither refused nor broken keep to, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: u64) -> f64 {
        self.latency_ns.percentile(percent) as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_try_is_counted_once_and_the_refused_have_no_latency() {
        let mut tally = Tally::new();
        assert_eq!(tally.percent_answered(), 100.0);
        let all = [
            Outcome::Answered,
            Outcome::Late,
            Outcome::GaveUp,
            Outcome::Refused(503),
            Outcome::Refused(429),
            Outcome::Broken,
            Outcome::Unsent,
        ];
        for (index, outcome) in all.into_iter().enumerate() {
            let latency_ns = index as u64 * 1_000_000;
            tally.add(&Try { kind: 0, arrived_ns: 0, attempt: 0, outcome, latency_ns });
            assert_eq!(tally.total(), index as u64 + 1);
        }
        assert_eq!((tally.answered, tally.late, tally.gave_up, tally.refused), (1, 1, 1, 2));
        assert!((tally.percentile_ms(100) - 2.0).abs() < 0.1, "{}", tally.percentile_ms(100));
        assert!((tally.percent_answered() - 100.0 / 7.0).abs() < 1e-9);
    }
}
