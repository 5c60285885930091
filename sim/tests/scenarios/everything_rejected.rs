//! For half a minute everybody is turned away. Afterwards there is still three times too much to do.

use pivot_core::admission::Class;
use pivot_core::time::{Duration, Instant};
use pivot_sim::control::naive::SampleAimd;
use pivot_sim::control::{Ended, Gate, QueueState, Setup};
use pivot_sim::plant::Cpu;

use crate::{play, second, shipped, with_seeds};

struct ShutUntil(Instant);

impl Gate for ShutUntil {
    fn admit(&mut self, _: Class, _: u8, _: &QueueState, now: Instant) -> bool {
        now >= self.0
    }

    fn completed(&mut self, _: Class, _: Ended, _: Duration, _: Instant) {}
}

#[test]
fn our_own_refusals_do_not_hold_the_limit_down() {
    with_seeds(|seed| {
        let (plant, load) = (|| Cpu::new(8, 10_000.0), [(0, 2_400.0)]);
        let shut = |setup: &mut Setup| setup.gate = Box::new(ShutUntil(second(30)));
        let naive = play(plant(), Box::new(SampleAimd::new(20.0, 250_000, true)), &load, 60, seed, shut);
        assert!(naive.goodput(40.0, 60.0) < 400.0, "the naive one stays down: {}", naive.goodput(40.0, 60.0));
        for (law, controller) in shipped() {
            let ours = play(plant(), controller, &load, 60, seed, shut);
            assert!(ours.count(Ended::Shed) > 60_000);
            assert!(ours.goodput(40.0, 60.0) > 0.9 * 800.0, "{law:?}: {}", ours.goodput(40.0, 60.0));
        }
    });
}
