//! A limit of one that may grow by a fifth has to reach two.

use pivot_core::admission::concurrency::LimitConfig;
use pivot_sim::control::naive::WholeGradient;
use pivot_sim::plant::Cpu;

use crate::{play, shipped_with, with_seeds};

#[test]
fn a_limit_grows_from_one() {
    with_seeds(|seed| {
        let (plant, load) = (|| Cpu::new(8, 10_000.0), [(0, 1_000.0)]);
        let naive = play(plant(), Box::new(WholeGradient::new(1)), &load, 60, seed, |_| {});
        assert_eq!(naive.limits(50.0, 60.0, [1.0]), [1.0], "whole numbers stay at one");
        for (law, controller) in shipped_with(LimitConfig { min: 1, initial: 1, ..LimitConfig::PRESET }) {
            let ours = play(plant(), controller, &load, 60, seed, |_| {});
            assert!(ours.goodput(40.0, 60.0) > 0.9 * 800.0, "{law:?}: {}", ours.goodput(40.0, 60.0));
        }
    });
}
