//! Requests cost four times as much from one moment on, and stay so: a baseline that follows calls that usual.

use pivot_sim::control::naive::RatioGradient;
use pivot_sim::plant::Cpu;

use crate::{play, second, shipped, with_seeds};

#[test]
fn a_degradation_that_stays_does_not_become_the_usual() {
    with_seeds(|seed| {
        // Eight cores of 20 ms: 400 a second, then 100; 1,600 come.
        let (plant, load) = (|| Cpu::new(8, 20_000.0), [(0, 1_600.0)]);
        let naive = RatioGradient::new(20.0, (4.0, 1_000.0), true);
        let slow = |setup: &mut pivot_sim::control::Setup| setup.slowness = vec![(second(20), 4.0)];
        let naive = play(plant(), Box::new(naive), &load, 120, seed, slow);
        let naive_peak = naive.limits(60.0, 120.0, [1.0])[0];
        for (law, controller) in shipped() {
            let ours = play(plant(), controller, &load, 120, seed, slow);
            let [high, peak] = ours.limits(60.0, 120.0, [0.9, 1.0]);
            assert!(high < 100.0 && naive_peak > 5.0 * peak, "{law:?}: {high}, {peak}, naive {naive_peak}");
            assert!(ours.goodput(60.0, 120.0) > 75.0, "{law:?}: {}", ours.goodput(60.0, 120.0));
        }
    });
}
