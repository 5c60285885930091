//! Eight slow requests a minute, and then a burst: a few samples over ten minutes must not have closed the door.
//!
//! What counts is how the burst is met. That the dependency then misses the objective is another matter.

use pivot_sim::control::naive::SampleAimd;
use pivot_sim::plant::Dependency;

use crate::{play, shipped, with_seeds};

#[test]
fn a_few_slow_requests_do_not_close_the_door() {
    with_seeds(|seed| {
        let plant = || Dependency::new(1_000, 400_000.0);
        // 40 a second for 400 ms are 16 at once.
        let load = [(0, 8.0 / 60.0), (600, 40.0)];
        let naive = play(plant(), Box::new(SampleAimd::new(20.0, 250_000, false)), &load, 605, seed, |_| {});
        assert!(naive.goodput(600.0, 602.0) < 10.0, "the naive one closed: {}", naive.goodput(600.0, 602.0));
        for (law, controller) in shipped() {
            let ours = play(plant(), controller, &load, 605, seed, |_| {});
            assert!(ours.limit(590.0, 600.0) >= 20.0, "{law:?}: {}", ours.limit(590.0, 600.0));
            assert!(ours.goodput(600.0, 602.0) > 20.0, "{law:?}: {}", ours.goodput(600.0, 602.0));
        }
    });
}
