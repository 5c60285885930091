//! What one worker saw of requests that ended, counted on the request path.

use crate::sync::{AtomicU32, Ordering};
use crate::time::{Duration, micros};

/// How a request ended, as far as the limit is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleOutcome {
    /// Answered in time.
    Served,
    /// It ran out of time, or what it depends on turned it away: whatever took long or failed for want of capacity. A
    /// handler that answers 504 belongs here; 4xx and ordinary errors are [`SampleOutcome::Served`].
    Dropped,
    /// The client left before the answer. Says something only if it had waited for longer than the latency objective;
    /// then it counts as dropped.
    Abandoned,
    /// We turned it away ourselves. Never counts: a limit that learns from its own refusals closes for ever.
    Refused,
}

/// One request that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// From the permit to the end of the answer, in microseconds; what does not fit is `u32::MAX`.
    pub rtt_us: u32,
    /// From the decoded head to the permit, in microseconds; what does not fit is `u32::MAX`.
    pub wait_us: u32,
    /// How many permits were taken when this one was, itself included.
    pub inflight: u32,
    /// How it ended.
    pub outcome: SampleOutcome,
}

/// Samples of one worker. One writer; whoever runs the [`LimitLoop`](super::LimitLoop) reads those of all workers.
///
/// Counts only grow and wrap, and the reader takes differences, so that nobody waits for anybody and nothing is reset under
/// a writer's hands. A window may hold 2³² − 1 samples.
#[derive(Debug)]
pub struct Samples {
    pub(super) rtt: [AtomicU32; BUCKETS],
    pub(super) totals: Totals<AtomicU32>,
    latency_objective_us: u32,
    wait_objective_us: u32,
}

/// The counts beside the histogram.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals<T> {
    /// All that ended and count.
    pub(super) ended: T,
    /// Those of them that were dropped.
    pub(super) dropped: T,
    /// Those that began when at least 7/8 of the permits were taken.
    pub(super) full: T,
    /// Those that had waited for longer than the objective.
    pub(super) waited: T,
}

impl Samples {
    /// None so far. `latency_objective` and `wait_objective` are those of the loop's configuration.
    pub fn new(latency_objective: Duration, wait_objective: Duration) -> Self {
        let objective = |duration| u32::try_from(micros(duration)).unwrap_or(u32::MAX);
        Self {
            rtt: core::array::from_fn(|_| AtomicU32::new(0)),
            totals: Totals {
                ended: AtomicU32::new(0),
                dropped: AtomicU32::new(0),
                full: AtomicU32::new(0),
                waited: AtomicU32::new(0),
            },
            latency_objective_us: objective(latency_objective),
            wait_objective_us: objective(wait_objective),
        }
    }

    /// Counts a request that ended while `limit` permits were in force. For the one writer.
    #[inline]
    pub fn record(&self, sample: Sample, limit: u32) {
        if sample.outcome == SampleOutcome::Served {
            add(&self.rtt[bucket_of(sample.rtt_us)], 1);
        } else if sample.outcome == SampleOutcome::Refused
            || sample.outcome == SampleOutcome::Abandoned && sample.rtt_us <= self.latency_objective_us
        {
            return;
        } else {
            add(&self.totals.dropped, 1);
        }
        add(&self.totals.ended, 1);
        add(&self.totals.full, u32::from(sample.inflight >= limit - limit / 8));
        add(&self.totals.waited, u32::from(sample.wait_us > self.wait_objective_us));
    }
}

fn add(count: &AtomicU32, more: u32) {
    // Relaxed, and no read-modify-write: there is one writer, and a count publishes nothing but itself.
    count.store(count.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// How many buckets times are counted in: eight for each power of two, in units of 16 µs, up to 71 minutes.
pub(super) const BUCKETS: usize = PER_OCTAVE * (u32::BITS - UNIT_BITS - OCTAVE_BITS) as usize + 1;

/// The bucket that counts a time.
pub(super) const fn bucket_of(us: u32) -> usize {
    // Eight units are added, so that the shortest times need no case of their own.
    let units = (us >> UNIT_BITS) + PER_OCTAVE as u32;
    let shift = units.ilog2() - OCTAVE_BITS;
    PER_OCTAVE * shift as usize + (units >> shift) as usize - PER_OCTAVE
}

/// The time that stands for those in a bucket: within 8 µs or 13 % of each, and 7 % from 1 ms on.
pub(super) const fn time_of(bucket: usize) -> u64 {
    let shift = bucket / PER_OCTAVE;
    let low = (((PER_OCTAVE + bucket % PER_OCTAVE) as u64) << shift) - PER_OCTAVE as u64;
    (low << UNIT_BITS) + (1 << shift << UNIT_BITS) / 2
}

const UNIT_BITS: u32 = 4;
const OCTAVE_BITS: u32 = 3;
const PER_OCTAVE: usize = 1 << OCTAVE_BITS;

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_for_times_near_it() {
        let mut last = 0;
        for us in (0..1_000_000).chain((1_000_000..67_000_000).step_by(997)) {
            let bucket = bucket_of(us);
            assert!(bucket == last || bucket == last + 1, "{us} µs");
            last = bucket;
            let error = time_of(bucket).abs_diff(u64::from(us));
            assert!(
                error <= 8 || error * 100 <= u64::from(us) * if us < 1_000 { 13 } else { 7 },
                "{us} µs in bucket {bucket}"
            );
        }
        assert_eq!(bucket_of(u32::MAX), BUCKETS - 1);
    }

    #[test]
    fn our_own_refusals_and_clients_that_left_early_never_count() {
        let samples = Samples::new(Duration::from_millis(100), Duration::from_millis(1));
        let sample = |rtt_us, outcome| samples.record(Sample { rtt_us, wait_us: 0, inflight: 1, outcome }, 1);
        sample(50, SampleOutcome::Refused);
        sample(100_000, SampleOutcome::Abandoned);
        assert_eq!(samples.totals.ended.load(Ordering::Relaxed), 0);
        sample(100_001, SampleOutcome::Abandoned);
        sample(50, SampleOutcome::Served);
        assert_eq!(samples.totals.ended.load(Ordering::Relaxed), 2);
        assert_eq!(samples.totals.dropped.load(Ordering::Relaxed), 1);
    }
}
