//! Twice the load for half a minute with clients that come back three times, then 0.7 of it: retries must not keep the
//! overload alive.

use pivot_core::admission::concurrency::{LimitConfig, LimitLaw};
use pivot_sim::control::{Ended, Setup, limit_loop};
use pivot_sim::plant::{Lock, Plant};

use crate::{play, shipped, with_seeds};

#[test]
fn an_overload_ends_with_its_cause() {
    with_seeds(|seed| {
        let plant = || Lock::new(10_000.0, 0.05, 0.002);
        let capacity = plant().capacity();
        let load = [(0, 0.7 * capacity), (20, 2.0 * capacity), (50, 0.7 * capacity)];
        let retrying = |setup: &mut Setup| setup.clients.retries = 3;
        let naive = LimitConfig { law: LimitLaw::Fixed, initial: 300, ..LimitConfig::PRESET };
        let naive = play(plant(), limit_loop(naive), &load, 90, seed, retrying);
        let success =
            |report: &pivot_sim::control::Report| report.goodput(60.0, 90.0) / report.offered(60.0, 90.0);
        assert!(success(&naive) < 0.5, "the naive one never comes back: {}", success(&naive));
        for (law, controller) in shipped() {
            let ours = play(plant(), controller, &load, 90, seed, retrying);
            assert!(success(&ours) > 0.99, "{law:?}: {}", success(&ours));
            assert!(ours.count(Ended::QueueFull) > 0, "it was too much");
        }
    });
}
