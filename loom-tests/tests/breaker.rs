//! A breaker and a retry budget between two workers: no failure is lost, no probe too many passes, no late result counts.
#![cfg(pivot_loom)]

use std::time::Duration;

use pivot_core::admission::{Breaker, BreakerConfig, BreakerState, Lane, RetryBudget, RetryConfig};
use pivot_core::time::Instant;

const CONFIG: BreakerConfig = BreakerConfig { volume_min: 2, probes_max: 1, ..BreakerConfig::PRESET };
const NOW: Instant = Instant::from_millis(5_000);
const LATER: Instant = Instant::from_millis(500_000);

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A breaker that opened by two failures.
fn opened() -> &'static Breaker<'static> {
    let breaker = leak(Breaker::new());
    for _ in 0..2 {
        breaker.admit(&CONFIG, NOW).unwrap().report(true, Duration::ZERO, NOW);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

/// Whoever counts last sees what the other counted, although each only writes a lane of its own.
#[test]
fn failures_in_two_lanes_open_it() {
    loom::model(|| {
        let lanes = leak((0..Lane::count_for(2, 1)).map(|_| Lane::new()).collect::<Vec<_>>());
        let breaker = leak(Breaker::with_lanes(lanes, 0, 1));
        let fail = |worker| {
            let ticket = breaker.admit_by(worker, &CONFIG, NOW).unwrap();
            ticket.report(true, Duration::ZERO, NOW);
        };
        let other = loom::thread::spawn(move || fail(1));
        fail(0);
        other.join().unwrap();
        assert_eq!(breaker.state(), BreakerState::Open);
    });
}

#[test]
fn failures_in_one_lane_open_it() {
    loom::model(|| {
        let breaker = leak(Breaker::new());
        let fail = || breaker.admit(&CONFIG, NOW).unwrap().report(true, Duration::ZERO, NOW);
        let other = loom::thread::spawn(fail);
        fail();
        other.join().unwrap();
        assert_eq!(breaker.state(), BreakerState::Open);
    });
}

#[test]
fn one_probe_passes_when_two_ask() {
    loom::model(|| {
        let breaker = opened();
        let other = loom::thread::spawn(|| breaker.admit(&CONFIG, LATER).ok());
        let here = breaker.admit(&CONFIG, LATER).ok();
        let there = other.join().unwrap();
        assert!(here.is_some() ^ there.is_some());
        drop((here, there));
        assert!(breaker.admit(&CONFIG, LATER).is_ok(), "and makes room when it is given up");
    });
}

/// A result from before it opened comes while a probe is given up: the one does not count, the other is not lost.
#[test]
fn a_late_result_neither_counts_nor_keeps_a_probe_from_coming_back() {
    loom::model(|| {
        let breaker = leak(Breaker::new());
        let late = breaker.admit(&CONFIG, NOW).unwrap();
        for _ in 0..2 {
            breaker.admit(&CONFIG, NOW).unwrap().report(true, Duration::ZERO, NOW);
        }
        let probe = breaker.admit(&CONFIG, LATER).unwrap();
        let reporting = loom::thread::spawn(move || late.report(true, Duration::ZERO, LATER));
        drop(probe);
        reporting.join().unwrap();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.admit(&CONFIG, LATER).is_ok());
    });
}

/// A probe goes well while another request asks to pass: it does, either as a probe or because all is well again.
#[test]
fn asking_while_the_last_probe_succeeds_is_refused_or_passes() {
    loom::model(|| {
        let breaker = opened();
        let probe = breaker.admit(&CONFIG, LATER).unwrap();
        let reporting = loom::thread::spawn(move || probe.report(false, Duration::ZERO, LATER));
        let passed = breaker.admit(&CONFIG, LATER).ok();
        reporting.join().unwrap();
        assert_eq!(breaker.state(), BreakerState::Closed);
        drop(passed);
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

#[test]
fn two_workers_spend_one_retry_once() {
    loom::model(|| {
        let budget = leak(RetryBudget::new(RetryConfig { percent: 100, reserve_per_s: 0 }));
        budget.count_call(NOW);
        let other = loom::thread::spawn(|| u32::from(budget.try_retry(NOW)));
        let here = u32::from(budget.try_retry(NOW));
        assert_eq!(here + other.join().unwrap(), 1);
    });
}

#[test]
fn a_call_that_is_counted_beside_a_retry_is_not_lost() {
    loom::model(|| {
        let budget = leak(RetryBudget::new(RetryConfig { percent: 100, reserve_per_s: 0 }));
        budget.count_call(NOW);
        let counting = loom::thread::spawn(|| budget.count_call(NOW));
        assert!(budget.try_retry(NOW));
        counting.join().unwrap();
        assert!(budget.try_retry(NOW) && !budget.try_retry(NOW));
    });
}
