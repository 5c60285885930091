//! Little load says nothing about what more load would do, so the limit must not drift up meanwhile.

use pivot_core::time::Duration;
use pivot_sim::control::Setup;
use pivot_sim::control::naive::RatioGradient;
use pivot_sim::plant::Pool;

use crate::{play, shipped, with_seeds};

#[test]
fn a_limit_that_nobody_reaches_stays_where_it_is() {
    with_seeds(|seed| {
        let plant = || Pool::new(20, 2_000.0, 25_000.0);
        // A tenth of what it can do for a minute, then three times as much as it can.
        let load = [(0, 80.0), (60, 2_400.0)];
        let hasty = |setup: &mut Setup| setup.clients.patience = Some(Duration::from_secs(1));
        let naive = RatioGradient::new(20.0, (4.0, 1_000.0), false);
        let naive = play(plant(), Box::new(naive), &load, 75, seed, hasty);
        assert!(naive.limit(55.0, 60.0) > 100.0, "the naive limit drifts: {}", naive.limit(55.0, 60.0));
        for (law, controller) in shipped() {
            let ours = play(plant(), controller, &load, 75, seed, hasty);
            assert!(ours.limit(55.0, 60.0) <= 20.0, "{law:?}: {}", ours.limit(55.0, 60.0));
            let (slowest, naive) = (ours.latency_ms(60.0, 62.0, 0.99), naive.latency_ms(60.0, 62.0, 0.99));
            assert!(slowest < 600.0 && naive > 1.5 * slowest, "{law:?}: {slowest} ms, naive {naive} ms");
        }
    });
}
