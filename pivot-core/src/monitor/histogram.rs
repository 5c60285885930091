//! How durations are spread: log-linear buckets with a stated error, in constant memory.
//!
//! Values below 64 µs have a bucket each. Above, every power of two is cut into 32 buckets of equal width, so
//! that a bucket's harmonic middle, as which quantiles are read, is at most 1/65 (1.6 %) away from any value in it. Values from 2³² µs (71 minutes) on count as the largest.

use super::counter::Counter;

/// How many buckets there are.
pub const BUCKETS: usize = LINEAR + (32 - LINEAR_BITS as usize) * PER_OCTAVE;

/// Durations in microseconds; one writer, any number of readers.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    sum_us: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// A histogram without values.
    pub fn new() -> Self {
        Self { buckets: core::array::from_fn(|_| Counter::new()), sum_us: Counter::new() }
    }

    /// Counts a value. For its one writer.
    pub fn record(&self, value_us: u64) {
        self.buckets[bucket_of(value_us)].add(1);
        self.sum_us.add(value_us);
    }

    /// How many values a bucket holds.
    pub fn bucket(&self, index: usize) -> u64 {
        self.buckets[index].get()
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::get).sum()
    }

    /// The sum of all values.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.get()
    }

    /// The value that a share `quantile` (0–1) of all values of these histograms does not exceed, within 1.6 %.
    pub fn quantile_us<'h>(all: impl Iterator<Item = &'h Self> + Clone, quantile: f64) -> Option<u64> {
        let count: u64 = all.clone().map(Self::count).sum();
        if count == 0 {
            return None;
        }
        // The rank of the value that is asked for, counted from 1.
        let rank = ((quantile * count as f64 + 0.999_999) as u64).clamp(1, count);
        let mut seen = 0;
        for index in 0..BUCKETS {
            seen += all.clone().map(|histogram| histogram.bucket(index)).sum::<u64>();
            if seen >= rank {
                let (low, high) = bucket_bounds(index);
                return Some(middle(low, high));
            }
        }
        None
    }
}

/// The harmonic middle of two values: the same relative error at both ends.
const fn middle(low: u64, high: u64) -> u64 {
    if high == 0 { 0 } else { low + low * (high - low) / (low + high) }
}

/// The bucket that counts a value.
pub const fn bucket_of(value_us: u64) -> usize {
    let value = if value_us > u32::MAX as u64 { u32::MAX } else { value_us as u32 };
    if value < LINEAR as u32 {
        return value as usize;
    }
    let octave = 31 - value.leading_zeros();
    let within = (value >> (octave - OCTAVE_BITS)) as usize & (PER_OCTAVE - 1);
    LINEAR + (octave - LINEAR_BITS) as usize * PER_OCTAVE + within
}

/// The smallest and the largest value that a bucket counts.
pub const fn bucket_bounds(index: usize) -> (u64, u64) {
    if index < LINEAR {
        return (index as u64, index as u64);
    }
    let octave = (index - LINEAR) / PER_OCTAVE + LINEAR_BITS as usize;
    let within = (index - LINEAR) % PER_OCTAVE;
    let width = 1_u64 << (octave - OCTAVE_BITS as usize);
    let low = (1_u64 << octave) + within as u64 * width;
    (low, low + width - 1)
}

const OCTAVE_BITS: u32 = 5;
const PER_OCTAVE: usize = 1 << OCTAVE_BITS;
const LINEAR_BITS: u32 = 6;
const LINEAR: usize = 1 << LINEAR_BITS;

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_cover_all_values_without_gap_or_overlap() {
        let mut next = 0;
        for index in 0..BUCKETS {
            let (low, high) = bucket_bounds(index);
            assert_eq!(low, next);
            assert_eq!((bucket_of(low), bucket_of(high)), (index, index));
            next = high + 1;
        }
        assert_eq!(next, 1 << 32);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_middle_of_a_bucket_is_within_two_percent_of_its_ends() {
        for index in 0..BUCKETS {
            let (low, high) = bucket_bounds(index);
            let middle = middle(low, high) as f64;
            let error =
                ((high as f64 - middle) / high as f64).max((middle - low as f64) / (low as f64).max(1.0));
            assert!(error <= 0.016, "bucket {index}, {low}-{high}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_two_percent_of_the_sorted_values(
            mut values in proptest::collection::vec(0..4_000_000_000_u64, 1..200), quantile in 0.0..1.0_f64,
        ) {
            let (one, two) = (Histogram::new(), Histogram::new());
            for (index, value) in values.iter().enumerate() {
                [&one, &two][index % 2].record(*value);
            }
            values.sort_unstable();
            let rank = ((quantile * values.len() as f64 + 0.999_999) as usize).clamp(1, values.len());
            let exact = values[rank - 1] as f64;
            let read = Histogram::quantile_us([&one, &two].into_iter(), quantile).unwrap() as f64;
            prop_assert!((read - exact).abs() <= exact * 0.016 + 0.5, "{read} for {exact}");
        }
    }
}
