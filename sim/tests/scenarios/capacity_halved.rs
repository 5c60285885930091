//! What we depend on becomes four times as slow for a minute, and then as fast as before.

use pivot_sim::control::Setup;
use pivot_sim::control::naive::MinimumVegas;
use pivot_sim::plant::{Cpu, Dependency};

use crate::{play, second, shipped, with_seeds};

#[test]
fn a_dependency_that_slows_down_gets_more_concurrency_not_less() {
    with_seeds(|seed| {
        let (plant, load) = (|| Dependency::new(800, 100_000.0), [(0, 400.0)]);
        let slow = |setup: &mut Setup| setup.slowness = vec![(second(30), 4.0), (second(120), 1.0)];
        let naive = play(plant(), Box::new(MinimumVegas::new(20.0, None)), &load, 180, seed, slow);
        assert!(
            naive.goodput(80.0, 120.0) < 300.0,
            "the naive one strangles it: {}",
            naive.goodput(80.0, 120.0)
        );
        for (law, controller) in shipped() {
            let ours = play(plant(), controller, &load, 180, seed, slow);
            for (from, to) in [(20.0, 30.0), (80.0, 120.0), (150.0, 180.0)] {
                let good = ours.goodput(from, to);
                assert!(good > 0.9 * 400.0, "{law:?}: {good} a second in {from}-{to} s");
            }
        }
    });
}

#[test]
fn half_of_the_cores_are_used_to_the_full_and_so_is_the_whole_afterwards() {
    with_seeds(|seed| {
        for (law, controller) in shipped() {
            let slow = |setup: &mut Setup| setup.slowness = vec![(second(30), 2.0), (second(60), 1.0)];
            let ours = play(Cpu::new(8, 10_000.0), controller, &[(0, 1_600.0)], 90, seed, slow);
            for (from, to, capacity) in [(20.0, 30.0, 800.0), (40.0, 60.0, 400.0), (70.0, 90.0, 800.0)] {
                let good = ours.goodput(from, to);
                assert!(good > 0.85 * capacity, "{law:?}: {good} a second in {from}-{to} s");
            }
        }
    });
}
