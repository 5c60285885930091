//! Latencies, counted in buckets that are at most 1/32 wide.

/// Buckets for each power of two.
const STEPS: u64 = 32;

pub(crate) struct Histogram {
    counts: Vec<u64>,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; index(u64::MAX) + 1] }
    }

    pub(crate) fn record(&mut self, value: u64, count: u64) {
        self.counts[index(value)] += count;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
    }

    /// The value that so many per cent of all are at or below, up to the width of a bucket; 0 if there are none.
    pub(crate) fn percentile(&self, percent: u64) -> u64 {
        let total: u64 = self.counts.iter().sum();
        let mut left = (total * percent).div_ceil(100).max(1);
        for (index, &count) in self.counts.iter().enumerate() {
            if count >= left {
                return highest(index);
            }
            left -= count;
        }
        0
    }
}

fn index(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(STEPS.ilog2() + 1);
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

/// The highest value of a bucket.
fn highest(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / STEPS).saturating_sub(1);
    let step = index - shift * STEPS;
    (step << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_highest_value_and_not_the_next() {
        for value in (0..100_000).chain([u64::MAX / 3, u64::MAX - 1, u64::MAX]) {
            let top = highest(index(value));
            assert!(top >= value && top - value <= value / STEPS, "{value}: {top}");
            assert_eq!(index(top), index(value), "{value}");
            if let Some(next) = top.checked_add(1) {
                assert_eq!(index(next), index(value) + 1, "{value}");
            }
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.percentile(50), 0);
        for value in 1..=100 {
            histogram.record(value, 1);
        }
        let mut other = Histogram::new();
        other.record(20, 10);
        histogram.merge(&other);
        assert_eq!(histogram.percentile(10), 11);
        assert_eq!(histogram.percentile(25), 20);
        assert_eq!(histogram.percentile(100), 101, "the bucket of 100 and 101");
    }
}
