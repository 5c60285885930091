//! What each part of load shedding adds: the same loads with the controller alone, with a fixed rule, with the model, and the
//! bound that nobody can pass. `cargo run -p pivot-sim --release --bin ablation` prints the table of `docs/shedding.md`.
#![allow(clippy::print_stdout, reason = "printing a table is what it is for")]

use pivot_core::admission::shed::Verdict;
use pivot_core::admission::{Class, Cursor, Load, Queue, Sample, ShedConfig, ShedReason, Shedder, Strategy};
use pivot_core::time::{Duration, Instant};
use pivot_sim::shedding::{Judge, Plant, Record, Request, Route, Setup, goodput, quantile_ms};

const SEEDS: u64 = 5;
const WARM_UP: Duration = Duration::from_secs(4);
const MEASURED: Duration = Duration::from_secs(10);

/// The shedder, and a rule beside it that needs no learning: who would be late at the usual time of its route is refused.
struct WithRule<'c>(Shedder<'c>);

impl Judge for WithRule<'_> {
    fn tick(&mut self, queue: &mut Queue, now: Instant) {
        self.0.tick(queue, now);
    }

    fn admit(&mut self, request: &Request, queue: &Queue, dice: u32, now: Instant) -> (Verdict, Instant) {
        let part = queue.len_ahead(request.class) as u32;
        let ahead = Duration::from_micros(self.0.wait_us()) * part / queue.len().max(1) as u32;
        let judged = Judge::admit(&mut self.0, request, queue, dice, now);
        match now.plus(ahead + request.usual_service) > request.deadline {
            true => (Verdict::Refuse(ShedReason::Predicted), request.deadline),
            false => judged,
        }
    }

    fn handle_start(&mut self, waited: Duration) {
        self.0.handle_start(waited);
    }

    fn take_sample(&mut self) -> Option<Sample> {
        self.0.take_sample()
    }

    fn learn(&mut self, sample: &Sample, missed: bool) {
        self.0.learn(sample, missed);
    }

    fn set_load(&mut self, load: Load) {
        self.0.set_load(load);
    }
}

/// Means over all seeds.
struct Row {
    goodput: f64,
    high: f64,
    p99_ms: f64,
    /// Runs at whose end the model was trusted.
    trusted: u64,
}

fn measure<J: Judge>(setup: &Setup, load: f64, make: impl Fn() -> J, trusted: impl Fn(&J) -> bool) -> Row {
    let mut row = Row { goodput: 0.0, high: 0.0, p99_ms: 0.0, trusted: 0 };
    for seed in 0..SEEDS {
        let mut plant = Plant::new(setup.clone(), make(), seed);
        let rate = load * plant.capacity();
        plant.run(rate, WARM_UP);
        let from = plant.now();
        plant.run(rate, MEASURED);
        let all = plant.between(from, plant.now());
        row.goodput += goodput(all.clone()) / SEEDS as f64;
        row.high += goodput(all.clone().filter(|record| record.request.class == Class::High)) / SEEDS as f64;
        let answered = all.filter(|record| record.waited.is_some()).map(|record: &Record| record.took);
        row.p99_ms += quantile_ms(answered, 0.99) / SEEDS as f64;
        row.trusted += u64::from(trusted(&plant.judge));
    }
    row
}

/// The largest share that can be answered by anybody, averaged over a second: the cheapest first, as far as the handlers' time
/// goes, and none that takes longer than its client waits.
fn bound(setup: &Setup, rate: f64) -> f64 {
    let total: u64 = setup.routes.iter().map(|route| route.weight).sum();
    let mut answered = 0.0;
    for ms in 0..1_000 {
        let mut routes: Vec<(Duration, f64)> = setup
            .routes
            .iter()
            .map(|route| ((route.service)(Instant::from_millis(ms)), route.weight as f64 / total as f64))
            .filter(|(service, _)| *service <= setup.patience)
            .collect();
        routes.sort_by_key(|(service, _)| *service);
        // The handlers' time for each request that comes.
        let mut left = setup.handlers as f64 / rate;
        for (service, share) in routes {
            let part = share.min(left / service.as_secs_f64());
            left -= part * service.as_secs_f64();
            answered += part / 1e3;
        }
    }
    answered
}

fn main() {
    let base = Setup {
        handlers: 16,
        places: 4_000,
        wait_max: Duration::from_secs(1),
        patience: Duration::from_millis(100),
        routes: vec![Route { weight: 1, service: |_| Duration::from_millis(1) }],
        classes: [0, 0, 5, 60, 20, 15],
    };
    let bimodal = |patience_ms| Setup {
        patience: Duration::from_millis(patience_ms),
        routes: vec![
            Route { weight: 9, service: |_| Duration::from_millis(1) },
            Route { weight: 1, service: |_| Duration::from_millis(50) },
        ],
        ..base.clone()
    };
    let slow = Setup {
        routes: vec![
            Route { weight: 4, service: |_| Duration::from_millis(1) },
            // A dependency that slows down from 20 to 120 ms for 400 ms of each second.
            Route {
                weight: 1,
                service: |now| Duration::from_millis(if now.as_millis() % 1_000 < 400 { 120 } else { 20 }),
            },
        ],
        ..base.clone()
    };
    let plants = [
        ("1 ms, clients wait 100 ms", base.clone(), 1.4),
        ("1 ms, clients wait 100 ms", base.clone(), 5.0),
        ("1 ms and 50 ms, clients wait 100 ms", bimodal(100), 2.0),
        ("1 ms and 50 ms, clients wait 55 ms", bimodal(55), 2.0),
        ("20 % wait 20 ms for a dependency, at times 120 ms", slow, 1.0),
    ];
    println!("| plant | load | policy | goodput | of high | p99 of answers | trusted |");
    println!("|---|---|---|---|---|---|---|");
    for (name, setup, load) in plants {
        let shedder = |predict| {
            let target = Duration::from_millis(20);
            let strategy = Strategy::Adaptive { target, queue_min: 0, predict };
            let config = ShedConfig { strategy, ..ShedConfig::PRESET };
            let cursor: &'static Cursor = Box::leak(Box::default());
            Shedder::new(config, cursor, 1, Instant::ZERO)
        };
        let is_trusted = |shedder: &Shedder| shedder.calibration().is_some_and(|model| model.is_trusted());
        let rows = [
            ("PI", measure(&setup, load, || shedder(false), is_trusted)),
            ("PI + rule", measure(&setup, load, || WithRule(shedder(false)), |_| false)),
            ("PI + model", measure(&setup, load, || shedder(true), is_trusted)),
        ];
        for (policy, Row { goodput, high, p99_ms, trusted }) in rows {
            println!(
                "| {name} | {load} | {policy} | {:.1} % | {:.2} % | {p99_ms:.1} ms | {} |",
                goodput * 100.0,
                high * 100.0,
                if policy == "PI + model" { format!("{trusted} of {SEEDS}") } else { String::new() }
            );
        }
        let rate = load * Plant::new(setup.clone(), shedder(false), 0).capacity();
        println!("| {name} | {load} | bound | {:.1} % | | | |", bound(&setup, rate) * 100.0);
    }
}
