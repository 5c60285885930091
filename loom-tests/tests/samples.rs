//! Two workers count, a third thread reads: each sample is in exactly one window.
#![cfg(pivot_loom)]

use loom::sync::Arc;
use pivot_core::admission::concurrency::{LimitConfig, LimitLoop, Sample, SampleOutcome, Samples};
use pivot_core::time::{Duration, Instant};

#[test]
fn a_sample_that_is_counted_while_a_window_is_read_is_in_one_window() {
    // A window of few samples, so that the one that is counted meanwhile may or may not be in the first.
    let mut model = loom::model::Builder::new();
    model.max_branches = 100_000;
    model.check(|| {
        let config =
            LimitConfig { samples_min: 2, interval: Duration::from_millis(10), ..LimitConfig::PRESET };
        let mut limit_loop = LimitLoop::new(config).unwrap();
        let samples = Arc::new(limit_loop.samples());
        let record = |samples: &Samples| {
            let outcome = SampleOutcome::Dropped;
            samples.record(Sample { rtt_us: 0, wait_us: 0, inflight: 1, outcome }, 20);
        };
        limit_loop.handle_timeout(std::iter::once(&*samples), Instant::ZERO);
        record(&samples);
        record(&samples);
        let other = samples.clone();
        let recording = loom::thread::spawn(move || {
            record(&other);
        });
        let first = limit_loop.handle_timeout(std::iter::once(&*samples), Instant::from_millis(10));
        recording.join().unwrap();
        assert!(first.is_some());
        // One is left for the second window at most: too few to end it.
        let second = limit_loop.handle_timeout(std::iter::once(&*samples), Instant::from_millis(30));
        assert_eq!(second, None, "no sample is read twice");
    });
}
