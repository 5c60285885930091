//! What we depend on is gone, and each call fails after the same second: recent over usual latency is 1 throughout.

use pivot_core::time::Duration;
use pivot_sim::control::naive::RatioGradient;
use pivot_sim::plant::{Cpu, Outage};

use crate::{play, second, shipped, with_seeds};

fn plant() -> Outage<Cpu> {
    Outage::new(Cpu::new(8, 10_000.0), second(20), second(60), Duration::from_secs(1))
}

#[test]
fn a_constant_timeout_lowers_the_limit_and_its_end_lifts_it() {
    with_seeds(|seed| {
        let load = [(0, 600.0)];
        let naive = RatioGradient::new(20.0, (4.0, 1_000.0), true);
        let naive = play(plant(), Box::new(naive), &load, 90, seed, |_| {});
        assert!(naive.limit(50.0, 60.0) > 200.0, "the naive limit climbs: {}", naive.limit(50.0, 60.0));
        for (law, controller) in shipped() {
            let ours = play(plant(), controller, &load, 90, seed, |_| {});
            assert!(ours.limit(50.0, 60.0) < 8.0, "{law:?}: {}", ours.limit(50.0, 60.0));
            assert!(ours.goodput(80.0, 90.0) > 0.9 * 600.0, "{law:?}: {}", ours.goodput(80.0, 90.0));
        }
    });
}
