//! The load shedder in closed loop: steps of load against a small plant (C5).

use std::ops::RangeInclusive;

use pivot_core::admission::shed::Verdict;
use pivot_core::admission::{Class, Cursor, Queue, ShedConfig, ShedReason, Shedder, Strategy};
use pivot_core::time::{Duration, Instant};
use pivot_sim::shedding::{End, Judge, Plant, Request, Route, Setup, goodput};

const TARGET: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(10);

/// Four handlers of 1 ms each; every twentieth request is of a high class.
fn setup() -> Setup {
    Setup {
        handlers: 4,
        places: 1_000,
        wait_max: SECOND,
        patience: Duration::from_millis(250),
        routes: vec![Route { weight: 1, service: |_| Duration::from_millis(1) }],
        classes: [0, 0, 5, 60, 20, 15],
    }
}

fn shedder(strategy: Strategy, cursor: &Cursor) -> Shedder<'_> {
    let config = ShedConfig { strategy, ..ShedConfig::PRESET };
    config.check().unwrap();
    Shedder::new(config, cursor, 1, Instant::ZERO)
}

/// After a step to 1.4 times the capacity the backlog is under the target 100 ms later, and stays there.
fn withstands_a_step<J: Judge>(judge: J, seed: u64) -> Result<(), String> {
    let mut plant = Plant::new(setup(), judge, seed);
    let capacity = plant.capacity();
    plant.run(0.7 * capacity, SECOND);
    plant.run(1.4 * capacity, Duration::from_millis(100));
    for window in 10..200 {
        plant.run(1.4 * capacity, TICK);
        let backlog = plant.backlog();
        if backlog > TARGET {
            return Err(format!("{backlog:?} of work waits {window}0 ms after the step"));
        }
    }
    let good = goodput(plant.between(Instant::ZERO.plus(SECOND), plant.now()));
    if good < 0.95 / 1.4 { Err(format!("only {good:.3} answered in time")) } else { Ok(()) }
}

#[test]
fn the_wait_is_back_under_its_target_100_ms_after_a_step_of_load() {
    for seed in 0..10 {
        let cursor = Cursor::new();
        withstands_a_step(shedder(Strategy::ADAPTIVE, &cursor), seed).unwrap();
    }
}

/// A proportional rule on the wait of those that start, which admits more when they wait longer.
struct WrongSign {
    share: f64,
}

impl Judge for WrongSign {
    fn tick(&mut self, _: &mut Queue, _: Instant) {}

    fn admit(&mut self, request: &Request, queue: &Queue, dice: u32, _: Instant) -> (Verdict, Instant) {
        let verdict = if queue.len() == queue.capacity() {
            Verdict::Refuse(ShedReason::Full)
        } else if f64::from(dice) > self.share * f64::from(u32::MAX) {
            Verdict::Refuse(ShedReason::Level)
        } else {
            Verdict::Admit
        };
        (verdict, request.deadline)
    }

    fn handle_start(&mut self, waited: Duration) {
        self.share = (0.8 + 0.2 * waited.as_secs_f64() / TARGET.as_secs_f64()).min(1.0);
    }
}

#[test]
fn naive_controllers_do_not_withstand_the_same_step() {
    let wrong = withstands_a_step(WrongSign { share: 0.8 }, 0).unwrap_err();
    assert!(wrong.contains("after the step"), "{wrong}");
    // Deadlines at the entrance alone: for its first 100 ms a queue is not known to stand, and grows.
    let cursor = Cursor::new();
    let codel = withstands_a_step(shedder(Strategy::OLDEST, &cursor), 0).unwrap_err();
    assert!(codel.contains("after the step"), "{codel}");
    // A queue of 1,000 places is 225 ms long before 90 % of it are taken.
    let cursor = Cursor::new();
    assert!(withstands_a_step(shedder(Strategy::PRIORITY, &cursor), 0).is_err());
    assert!(withstands_a_step(shedder(Strategy::RANDOM, &cursor), 0).is_err());
}

#[test]
fn at_ten_times_the_capacity_the_high_class_is_served_and_the_share_does_not_swing() {
    /// The share that is admitted, averaged over 200 ms, beside the tenth that can be served.
    const BAND: RangeInclusive<f64> = 0.06..=0.14;
    for seed in 0..5 {
        let cursor = Cursor::new();
        let mut plant = Plant::new(setup(), shedder(Strategy::ADAPTIVE, &cursor), seed);
        let capacity = plant.capacity();
        plant.run(0.7 * capacity, SECOND);
        plant.run(10.0 * capacity, SECOND / 2);
        for _ in 0..10 {
            let mut sum = 0.0;
            for _ in 0..20 {
                plant.run(10.0 * capacity, TICK);
                sum += f64::from(cursor.admitted_ppm()) / 1e6;
                assert!(plant.backlog() <= 2 * TARGET, "{:?} of work waits", plant.backlog());
            }
            assert!(BAND.contains(&(sum / 20.0)), "seed {seed}: {:.3} admitted", sum / 20.0);
        }
        let all = plant.between(Instant::ZERO.plus(SECOND), plant.now());
        let high = goodput(all.clone().filter(|record| record.request.class == Class::High));
        assert!(high >= 0.999, "seed {seed}: {high:.5} of the high class");
        assert!(goodput(all.clone()) >= 0.095, "seed {seed}: {:.4} of a tenth", goodput(all));
    }
}

#[test]
fn after_an_overload_nobody_is_refused_any_more() {
    for strategy in [Strategy::ADAPTIVE, Strategy::PRIORITY, Strategy::RANDOM, Strategy::OLDEST] {
        let cursor = Cursor::new();
        let mut plant = Plant::new(setup(), shedder(strategy, &cursor), 3);
        let capacity = plant.capacity();
        plant.run(10.0 * capacity, SECOND);
        plant.run(0.7 * capacity, 5 * SECOND);
        let from = plant.now();
        plant.run(0.7 * capacity, 2 * SECOND);
        assert!(plant.between(from, plant.now()).all(|record| record.end == End::Good), "{strategy:?}");
        assert!(!plant.judge.is_shedding() && cursor.admitted_ppm() == 1_000_000, "{strategy:?}");
    }
}

#[test]
fn handlers_that_become_slower_are_an_overload_and_their_recovery_ends_it() {
    let mut setup = setup();
    setup.routes[0].service =
        |now| Duration::from_micros(if now.as_millis() / 1_000 == 1 { 2_500 } else { 1_000 });
    let cursor = Cursor::new();
    let mut plant = Plant::new(setup, shedder(Strategy::ADAPTIVE, &cursor), 5);
    let rate = 0.7 * plant.capacity();
    plant.run(rate, SECOND + Duration::from_millis(200));
    for _ in 0..80 {
        plant.run(rate, TICK);
        assert!(plant.backlog() <= TARGET * 3 / 2, "{:?} of work waits", plant.backlog());
    }
    assert!(cursor.admitted_ppm() < 800_000);
    plant.run(rate, SECOND / 5);
    let from = plant.now();
    plant.run(rate, SECOND);
    assert!(plant.between(from, plant.now()).all(|record| record.end == End::Good));
}

#[test]
fn a_server_with_little_to_do_refuses_nobody() {
    let mut setup = setup();
    setup.routes[0].service = |_| Duration::from_millis(60);
    setup.handlers = 1;
    for strategy in [Strategy::ADAPTIVE, Strategy::PRIORITY, Strategy::RANDOM] {
        let cursor = Cursor::new();
        let mut plant = Plant::new(setup.clone(), shedder(strategy, &cursor), 5);
        plant.run(0.2, 50 * SECOND);
        assert!(plant.records.len() > 3 && plant.records.iter().all(|record| record.end == End::Good));
    }
}

#[test]
fn the_model_learns_which_route_is_too_slow_for_its_clients_and_saves_the_work() {
    let mut setup = setup();
    setup.handlers = 16;
    setup.patience = Duration::from_millis(60);
    setup.routes = vec![
        Route { weight: 9, service: |_| Duration::from_millis(1) },
        // Too late in every case once a little has been waited.
        Route { weight: 1, service: |_| Duration::from_millis(59) },
    ];
    let goodput_with = |predict| {
        let cursor = Cursor::new();
        let shedder = shedder(Strategy::Adaptive { target: TARGET, queue_min: 0, predict }, &cursor);
        let mut plant = Plant::new(setup.clone(), shedder, 1);
        plant.run(2.0 * plant.capacity(), 10 * SECOND);
        let is_trusted = plant.judge.calibration().is_some_and(|calibration| calibration.is_trusted());
        (goodput(plant.between(Instant::ZERO.plus(2 * SECOND), plant.now())), is_trusted)
    };
    let ((without, _), (with, is_trusted)) = (goodput_with(false), goodput_with(true));
    assert!(is_trusted && with > without + 0.1, "{without:.3} without, {with:.3} with the model");
}
