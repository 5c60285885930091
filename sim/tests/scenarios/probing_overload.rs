//! A probe for the usual latency that falls into an overload finds the overload.

use pivot_sim::control::naive::MinimumVegas;
use pivot_sim::plant::Pool;

use crate::{play, shipped, with_seeds};

#[test]
fn an_overload_is_never_taken_for_the_usual() {
    with_seeds(|seed| {
        let (plant, load) = (|| Pool::new(20, 2_000.0, 25_000.0), [(0, 2_400.0)]);
        let naive = play(plant(), Box::new(MinimumVegas::new(20.0, Some(10))), &load, 90, seed, |_| {});
        let naive_peak = naive.limits(30.0, 90.0, [1.0])[0];
        for (law, controller) in shipped() {
            let ours = play(plant(), controller, &load, 90, seed, |_| {});
            let latency = ours.latency_ms(30.0, 90.0, 0.5);
            // A queue of 256 at 800 a second is 320 ms; the objective for the rest is 250 ms.
            let peak = ours.limits(30.0, 90.0, [1.0])[0];
            assert!(peak < 200.0 && naive_peak > 1.5 * peak, "{law:?}: {peak}, naive {naive_peak}");
            assert!(latency < 320.0 + 250.0, "{law:?}: {latency} ms");
            assert!(ours.goodput(30.0, 90.0) > 0.95 * 800.0, "{law:?}: {}", ours.goodput(30.0, 90.0));
        }
    });
}
