//! One scenario for each way in which adaptive limits are known to fail: a widely used law fails, ours does not.
//!
//! A scenario is played with several seeds. One that fails prints its seed, and `PIVOT_SEED=n cargo test -p pivot-sim
//! --test scenarios` plays that seed alone.

mod app_limited_drift;
mod capacity_halved;
mod constant_timeout;
mod eight_a_minute;
mod everything_rejected;
mod idle_connections;
mod metastable;
mod probing_overload;
mod small_steps;
mod sustained_degradation;

use pivot_core::admission::concurrency::{LimitConfig, LimitLaw};
use pivot_core::time::Instant;
use pivot_sim::control::{Controller, Report, Setup, limit_loop};
use pivot_sim::plant::Plant;

/// Plays a scenario with each seed.
fn with_seeds(scenario: impl Fn(u64)) {
    let given = std::env::var("PIVOT_SEED").ok().map(|seed| seed.parse().expect("PIVOT_SEED is a number"));
    for seed in given.map_or(1..=5, |seed: u64| seed..=seed) {
        // Shown with the panic if the scenario fails.
        eprintln!("PIVOT_SEED={seed}");
        scenario(seed);
    }
}

/// The three laws, as shipped.
fn shipped() -> impl Iterator<Item = (LimitLaw, Box<dyn Controller>)> {
    shipped_with(LimitConfig::PRESET)
}

fn shipped_with(config: LimitConfig) -> impl Iterator<Item = (LimitLaw, Box<dyn Controller>)> {
    let laws = [LimitLaw::Aimd, LimitLaw::Vegas, LimitLaw::Gradient];
    laws.into_iter().map(move |law| (law, limit_loop(LimitConfig { law, ..config })))
}

/// A run under a load that changes at the given seconds.
fn play(
    plant: impl Plant + 'static,
    controller: Box<dyn Controller>,
    load: &[(u64, f64)],
    seconds: u64,
    seed: u64,
    change: impl FnOnce(&mut Setup),
) -> Report {
    let mut setup = Setup::new(Box::new(plant), controller, seed);
    setup.load = load.iter().map(|(at, rate)| (second(*at), *rate)).collect();
    change(&mut setup);
    let report = setup.run(second(seconds));
    report.assert_sound();
    report
}

fn second(second: u64) -> Instant {
    Instant::from_millis(second * 1_000)
}
