use super::*;
use std::vec::Vec;

const CONFIG: BreakerConfig = BreakerConfig { volume_min: 4, probes_max: 2, ..BreakerConfig::PRESET };
const QUICK: Duration = Duration::from_millis(1);
const SLOW: Duration = Duration::from_secs(6);
const SECOND: Duration = Duration::from_secs(1);
const NOW: Instant = Instant::from_millis(5_000);

fn report(breaker: &Breaker, failed: bool, now: Instant) {
    breaker.admit(&CONFIG, now).unwrap().report(failed, QUICK, now);
}

fn opened(now: Instant) -> Breaker<'static> {
    let breaker = Breaker::new();
    (0..4).for_each(|_| report(&breaker, true, now));
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn it_opens_at_half_of_the_results_and_closes_when_all_probes_succeed() {
    let breaker = Breaker::new();
    [false, true, false, true].into_iter().for_each(|failed| report(&breaker, failed, NOW));
    assert_eq!(breaker.state(), BreakerState::Open);
    let retry_at = breaker.admit(&CONFIG, NOW).unwrap_err();
    let wait = retry_at.since(NOW);
    assert!(wait >= SECOND * 30 && wait <= SECOND * 34, "{wait:?}");
    assert!(breaker.admit(&CONFIG, Instant::from_micros(retry_at.as_micros() - 1)).is_err());
    let (one, two) = (breaker.admit(&CONFIG, retry_at).unwrap(), breaker.admit(&CONFIG, retry_at).unwrap());
    assert!(breaker.admit(&CONFIG, retry_at).is_err(), "no more probes than that at once");
    drop(two);
    let two = breaker.admit(&CONFIG, retry_at).expect("a dropped probe makes room for another");
    one.report(false, QUICK, retry_at);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    two.report(false, QUICK, retry_at);
    assert_eq!(breaker.state(), BreakerState::Closed);
    (0..3).for_each(|_| report(&breaker, true, retry_at));
    assert_eq!(breaker.state(), BreakerState::Closed, "it begins anew, with an empty window");
}

#[test]
fn a_failed_probe_opens_it_for_longer() {
    let breaker = opened(NOW);
    let now = NOW.plus(SECOND * 40);
    report(&breaker, true, now);
    assert!(breaker.admit(&CONFIG, now.plus(SECOND * 50)).is_err());
    assert!(breaker.admit(&CONFIG, now.plus(SECOND * 70)).is_ok());
}

#[test]
fn a_slow_probe_opens_it_again() {
    let breaker = opened(NOW);
    let now = NOW.plus(SECOND * 40);
    breaker.admit(&CONFIG, now).unwrap().report(false, SLOW, now);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_late_result_of_an_older_state_is_ignored() {
    let breaker = Breaker::new();
    let (late, later) = (breaker.admit(&CONFIG, NOW).unwrap(), breaker.admit(&CONFIG, NOW).unwrap());
    (0..4).for_each(|_| report(&breaker, true, NOW));
    let now = NOW.plus(SECOND * 40);
    let probe = breaker.admit(&CONFIG, now).unwrap();
    late.report(true, QUICK, now);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    probe.report(false, QUICK, now);
    later.report(false, QUICK, now);
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "one of two probes");
}

#[test]
fn slow_results_and_failures_are_counted_apart() {
    let breaker = Breaker::new();
    // A quarter fails and a quarter is slow: neither is half.
    for round in 0..40 {
        let took = if round % 4 == 1 { SLOW } else { QUICK };
        breaker.admit(&CONFIG, NOW).unwrap().report(round % 4 == 3, took, NOW);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    while breaker.state() == BreakerState::Closed {
        breaker.admit(&CONFIG, NOW).unwrap().report(false, SLOW, NOW);
    }
    let shared = breaker.shared.results(State::unpack(breaker.word.load(Ordering::Relaxed)).turn);
    assert_eq!(shared, 60, "10 of 40, then 30 of 60");
}

#[test]
fn a_panic_gives_a_probe_back() {
    let config = BreakerConfig { probes_max: 1, ..CONFIG };
    let breaker = opened(NOW);
    let now = NOW.plus(SECOND * 40);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _probe = breaker.admit(&config, now).unwrap();
        assert!(breaker.admit(&config, now).is_err());
        std::panic::resume_unwind(std::boxed::Box::new(()));
    }));
    assert!(panicked.is_err() && breaker.admit(&config, now).is_ok());
}

#[test]
fn failures_of_all_workers_count_together_whoever_has_a_lane() {
    let lanes: Vec<Lane> = (0..Lane::count_for(2, 7)).map(|_| Lane::new()).collect();
    let breakers: Vec<Breaker> = (0..7).map(|index| Breaker::with_lanes(&lanes, index, 7)).collect();
    for (index, breaker) in breakers.iter().enumerate() {
        // The third worker has no lane.
        for worker in [0, 1, 2] {
            breaker.admit_by(worker, &CONFIG, NOW).unwrap().report(true, QUICK, NOW);
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "{index}");
        report(breaker, true, NOW);
        assert_eq!(breaker.state(), BreakerState::Open, "{index}");
    }
}

#[test]
fn failures_that_are_too_far_apart_are_not_counted_together() {
    let config = BreakerConfig { window: SECOND * 4, ..CONFIG };
    let breaker = Breaker::new();
    for round in 0..100 {
        let now = NOW.plus(SECOND * 2 * round);
        breaker.admit(&config, now).unwrap().report(true, QUICK, now);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_count_window_judges_the_last_results_alone() {
    let config = BreakerConfig { results_max: 10, window: SECOND * 3_600, ..CONFIG };
    let breaker = Breaker::new();
    let run = |count, failed| {
        for _ in 0..count {
            breaker.admit(&config, NOW).unwrap().report(failed, QUICK, NOW);
        }
    };
    run(1_000, false);
    run(4, true);
    assert_eq!(breaker.state(), BreakerState::Closed, "4 of 10");
    run(1, true);
    assert_eq!(breaker.state(), BreakerState::Open, "5 of 10, though 1,000 were good");
}

#[test]
fn a_clock_that_steps_leaves_it_neither_open_nor_closed_for_ever() {
    let year = SECOND * 365 * 86_400;
    let late = NOW.plus(year * 3);
    for stepped in [NOW, late.plus(year), Instant::from_micros(late.as_micros() - 86_400_000_000)] {
        // Open: probes pass after no more than the longest time that it can have been meant.
        let breaker = opened(late);
        let longest = SECOND * 67;
        assert!(
            breaker.admit(&CONFIG, stepped).is_ok() || breaker.admit(&CONFIG, stepped.plus(longest)).is_ok()
        );
        // Closed: it still opens, and not for what was before.
        let breaker = Breaker::new();
        (0..3).for_each(|_| report(&breaker, true, late));
        (0..3).for_each(|_| report(&breaker, true, stepped));
        assert_eq!(breaker.state(), BreakerState::Closed);
        report(&breaker, true, stepped);
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}

#[test]
fn a_healthy_breaker_does_not_write_the_word_that_workers_share() {
    const STRIDE: usize = Lane::count_for(1, 1);
    let lanes: Vec<Lane> = (0..Lane::count_for(2, 1)).map(|_| Lane::new()).collect();
    let breaker = Breaker::with_lanes(&lanes, 0, 1);
    breaker.admit_by(0, &CONFIG, NOW).unwrap().report(false, QUICK, NOW);
    let read = || (breaker.word.load(Ordering::Relaxed), breaker.shared.results(2), lanes[STRIDE].results(2));
    let before = read();
    for _ in 0..1_000 {
        breaker.admit_by(0, &CONFIG, NOW).unwrap().report(false, QUICK, NOW);
    }
    assert_eq!(read(), before);
    assert_eq!(lanes[0].results(State::unpack(before.0).turn), 1_001);
}
