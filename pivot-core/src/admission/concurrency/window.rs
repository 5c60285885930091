//! What all workers saw since the limit was last looked at.

use super::sample::{BUCKETS, Samples, Totals, time_of};
use crate::sync::{AtomicU32, Ordering, is_mutant};

/// A stretch of time, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// How long it was, in microseconds.
    pub elapsed_us: u64,
    /// How many requests were served.
    pub served: u32,
    /// How many were dropped.
    pub dropped: u32,
    /// The mean time of those served, within 7 % from 1 ms on; 0 if there are none.
    pub mean_us: u64,
    /// The time that the configured share of those served did not exceed, within 7 % from 1 ms on; 0 if there are none.
    pub high_us: u64,
    /// Whether most requests met at least 7/8 of the permits taken: the limit sets the pace.
    pub is_full: bool,
    /// Whether a quarter of the requests had waited for a permit for longer than the objective.
    pub is_waited_for: bool,
}

/// How far the reader has read.
#[derive(Debug)]
pub(super) struct Reader {
    rtt: [u32; BUCKETS],
    totals: Totals<u32>,
}

impl Reader {
    /// Has read nothing.
    pub(super) const fn new() -> Self {
        let totals = Totals { ended: 0, dropped: 0, full: 0, waited: 0 };
        Self { rtt: [0; BUCKETS], totals }
    }

    /// How many requests ended since the last window. Takes time by the number of workers.
    pub(super) fn ended_count<'s>(&self, all: impl Iterator<Item = &'s Samples>) -> u32 {
        sum(all.map(|samples| &samples.totals.ended)).wrapping_sub(self.totals.ended)
    }

    /// Everything since the last window. Takes time by the number of workers times that of buckets.
    pub(super) fn read<'s>(
        &mut self,
        all: impl Iterator<Item = &'s Samples> + Clone,
        high_percent: u8,
        elapsed_us: u64,
    ) -> Window {
        let mut counts = [0; BUCKETS];
        for (bucket, (count, seen)) in counts.iter_mut().zip(&mut self.rtt).enumerate() {
            *count = advance(seen, all.clone().map(|samples| &samples.rtt[bucket]));
        }
        let totals = &mut self.totals;
        let ended = advance(&mut totals.ended, all.clone().map(|samples| &samples.totals.ended));
        let dropped = advance(&mut totals.dropped, all.clone().map(|samples| &samples.totals.dropped));
        let full = advance(&mut totals.full, all.clone().map(|samples| &samples.totals.full));
        let waited = advance(&mut totals.waited, all.map(|samples| &samples.totals.waited));
        let served: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        let time: u64 = (0..).zip(&counts).map(|(bucket, count)| time_of(bucket) * u64::from(*count)).sum();
        Window {
            elapsed_us,
            served: u32::try_from(served).unwrap_or(u32::MAX),
            dropped,
            mean_us: time.checked_div(served).unwrap_or(0),
            high_us: quantile(&counts, served, high_percent),
            is_full: full > ended / 2,
            is_waited_for: waited > ended / 4,
        }
    }
}

fn quantile(counts: &[u32; BUCKETS], served: u64, percent: u8) -> u64 {
    let rank = (served * u64::from(percent)).div_ceil(100);
    let mut seen = 0;
    for (bucket, count) in (0..).zip(counts) {
        seen += u64::from(*count);
        if seen >= rank && seen > 0 {
            return time_of(bucket);
        }
    }
    0
}

/// Moves to the sum of these counts, and answers how far that was.
fn advance<'s>(seen: &mut u32, counts: impl Iterator<Item = &'s AtomicU32> + Clone) -> u32 {
    let now = sum(counts.clone());
    if is_mutant("samples_reset_by_reader") {
        counts.for_each(|count| count.store(0, Ordering::Relaxed));
        return now;
    }
    let more = now.wrapping_sub(*seen);
    *seen = now;
    more
}

fn sum<'s>(counts: impl Iterator<Item = &'s AtomicU32>) -> u32 {
    // Relaxed: a count that is read too early is read by the next window.
    counts.fold(0, |sum, count| sum.wrapping_add(count.load(Ordering::Relaxed)))
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::super::sample::{Sample, SampleOutcome};
    use super::*;
    use crate::time::Duration;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn a_window_holds_what_all_workers_saw_since_the_last_one(
            windows in proptest::collection::vec(proptest::collection::vec((0..3_usize, 0..67_000_000_u32, 0..2_000_u32, 1..12_u32, 0..4_u8), 0..40), 1..5),
        ) {
            let all: [Samples; 3] = core::array::from_fn(|_| Samples::new(Duration::from_millis(100), Duration::from_millis(1)));
            let mut reader = Reader::new();
            for window in windows {
                let mut served: Vec<u64> = Vec::new();
                let (mut dropped, mut full, mut waited) = (0, 0, 0);
                for (worker, rtt_us, wait_us, inflight, kind) in window {
                    let outcome = [SampleOutcome::Served, SampleOutcome::Dropped, SampleOutcome::Refused, SampleOutcome::Served][usize::from(kind)];
                    all[worker].record(Sample { rtt_us, wait_us, inflight, outcome }, 8);
                    if outcome == SampleOutcome::Refused { continue }
                    if outcome == SampleOutcome::Served { served.push(u64::from(rtt_us)) } else { dropped += 1 }
                    full += u32::from(inflight >= 7);
                    waited += u32::from(wait_us > 1_000);
                }
                served.sort_unstable();
                let count = served.len() as u32;
                prop_assert_eq!(reader.ended_count(all.iter()), count + dropped);
                let seen = reader.read(all.iter(), 90, 5);
                prop_assert_eq!((seen.served, seen.dropped, seen.elapsed_us), (count, dropped, 5));
                let ended = count + dropped;
                prop_assert_eq!((seen.is_full, seen.is_waited_for), (full > ended / 2, waited > ended / 4));
                if count > 0 {
                    let near = |read: u64, exact: u64| read.abs_diff(exact) <= 8 + exact * 13 / 100;
                    let mean = served.iter().sum::<u64>() / u64::from(count);
                    prop_assert!(near(seen.mean_us, mean), "{} for {}", seen.mean_us, mean);
                    let high = served[(served.len() * 90).div_ceil(100) - 1];
                    prop_assert!(near(seen.high_us, high), "{} for {}", seen.high_us, high);
                }
            }
        }
    }
}
