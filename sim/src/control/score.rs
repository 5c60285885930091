//! Every law against every plant under every load.

use pivot_core::admission::concurrency::{LimitConfig, LimitLaw};
use pivot_core::time::{Duration, Instant};

use super::naive::RatioGradient;
use super::{Controller, Setup, limit_loop};
use crate::plant::{Bimodal, Cpu, Dependency, Lock, Pause, Plant, Pool};

/// What one law made of one plant under one load.
#[derive(Clone, Debug)]
pub struct Score {
    /// The run's seed.
    pub seed: u64,
    /// The plant's name.
    pub plant: &'static str,
    /// The law's name.
    pub controller: &'static str,
    /// Offered, as a multiple of what the plant can do.
    pub load: f64,
    /// Requests that ended well over the most that could: `min(1, capacity / offered)` of those offered.
    pub goodput: f64,
    /// The time that 99 % of those answered did not exceed, from arrival to answer.
    pub p99_ms: f64,
    /// How long after the step from half load goodput was within a tenth of the best, and stayed so for two seconds.
    pub settled_s: Option<f64>,
    /// Median limit at the end.
    pub limit: f64,
    /// Greatest limit after the step over the median at the end.
    pub overshoot: f64,
    /// From the tenth to the ninetieth percentile of the limit at the end, over its median.
    pub band: f64,
}

/// Loads, as multiples of capacity.
pub const LOADS: [f64; 7] = [0.5, 0.9, 1.1, 1.5, 2.0, 5.0, 10.0];

/// Plays them all.
pub fn scores(seed: u64) -> Vec<Score> {
    let mut scores = Vec::new();
    for (name, plant) in PLANTS {
        for load in LOADS {
            for (controller, make) in CONTROLLERS {
                scores.push(score((name, plant()), load, (controller, make()), seed));
            }
        }
    }
    scores
}

fn score(
    (name, plant): (&'static str, Box<dyn Plant>),
    load: f64,
    (controller_name, controller): (&'static str, Box<dyn Controller>),
    seed: u64,
) -> Score {
    let capacity = plant.capacity();
    let mut setup = Setup::new(plant, controller, seed);
    setup.load =
        vec![(Instant::ZERO, 0.5 * capacity), (Instant::from_millis(STEP_S as u64 * 1_000), load * capacity)];
    let report = setup.run(Instant::from_millis(END_S as u64 * 1_000));
    report.assert_sound();
    let best = report.offered(LAST_S, END_S).min(capacity);
    let [low, median, high] = report.limits(LAST_S, END_S, [0.1, 0.5, 0.9]);
    let [top] = report.limits(STEP_S, END_S, [1.0]);
    Score {
        seed,
        plant: name,
        controller: controller_name,
        load,
        goodput: report.goodput(LAST_S, END_S) / best,
        p99_ms: report.latency_ms(LAST_S, END_S, 0.99),
        settled_s: report.settled(STEP_S, END_S, best, 0.9),
        limit: median,
        overshoot: top / median,
        band: (high - low) / median,
    }
}

const STEP_S: f64 = 20.0;
const LAST_S: f64 = 50.0;
const END_S: f64 = 80.0;

type Named<T> = (&'static str, fn() -> Box<T>);

const PLANTS: [Named<dyn Plant>; 6] = [
    ("cpu", || Box::new(Cpu::new(8, 10_000.0))),
    ("pool", || Box::new(Pool::new(20, 2_000.0, 25_000.0))),
    ("lock", || Box::new(Lock::new(10_000.0, 0.05, 0.002))),
    ("dependency", || Box::new(Dependency::new(400, 800_000.0))),
    ("pause", || Box::new(Pause::new(8, 10_000.0, Duration::from_millis(1_800), Duration::from_millis(200)))),
    ("bimodal", || Box::new(Bimodal::new(8, 5_000.0))),
];

const CONTROLLERS: [Named<dyn Controller>; 6] = [
    ("fixed 20", || shipped(LimitLaw::Fixed, 20)),
    ("fixed 200", || shipped(LimitLaw::Fixed, 200)),
    ("unrepaired gradient", || Box::new(RatioGradient::new(20.0, (4.0, 1_000.0), true))),
    ("aimd", || shipped(LimitLaw::Aimd, 20)),
    ("vegas", || shipped(LimitLaw::Vegas, 20)),
    ("gradient", || shipped(LimitLaw::Gradient, 20)),
];

fn shipped(law: LimitLaw, initial: u32) -> Box<dyn Controller> {
    limit_loop(LimitConfig { law, initial, ..LimitConfig::PRESET })
}
