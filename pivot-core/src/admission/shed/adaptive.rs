//! **Adaptive**: as many are admitted as keep the wait in the queue under a target; the least important are refused first.
//!
//! *Protects against* waits, whatever the cause: more requests, slower handlers, fewer permits. A proportional-integral (PI)
//! controller turns the wait into the share of requests to admit; the histogram of recent arrivals turns the share into
//! a class and a cohort on the scale that [`priority`](super::priority) uses too.
//!
//! | knob | default | unit |
//! |---|---|---|
//! | `target` | 20 | ms of wait |
//! | `queue_min` | 8 | requests that may wait whatever the wait |
//! | `interval` | 10 | ms |
//!
//! *Cost*: a comparison while the wait is below half the target and everybody is admitted. Otherwise as for `priority`.
//!
//! *Not for* queues whose requests wait for a dependency that is slow but not overloaded, and whose clients can wait: there a
//! longer queue costs nobody anything, and a target of 20 ms refuses what could be served. Set a longer one.
//!
//! # The signal
//! Not the wait of those that start now, which tells what the queue was like when they came, but what a newcomer is about to
//! wait: the length of the queue times the time between two starts. A dead time of one wait is saved, which is
//! what makes loops swing.
//!
//! # The sign and the gains
//! Let `L` be the load (arrivals over capacity), `s` the share that is admitted and `w` the wait. Each second, `L·s` seconds
//! of work join the queue and one second leaves it: `dw/dt = L·s − 1`. More admitted is more wait, so the share has to *fall*
//! when the wait is above the set-point; free permits empty the queue, which lowers the wait and raises the share. With
//! `s = eˣ`, around the share that fits (`L·s = 1`) this is `dw/dt = x`: the same at every load. That is why a
//! change of the share is in proportion to the share. With the error `e = (w − S) / S` the loop is an integrator of gain `1/S`
//! under a PI rule, `s² + Kp/S·s + Ki/S = 0`; critical damping at 0.8 of the loop's own pace `1/τ` gives
//! `Kp = 1.6·S/τ` and `Ki = 0.64·S/τ²`, where `τ` is the set-point `S` but at least two intervals, since no loop can be faster
//! than it looks. There is no derivative term: differences of a wait are mostly noise.
//!
//! The set-point is half of the target, so that chance (arrivals come in bunches) stays below the target too.
//!
//! # Bounds
//! The rule is kept in its incremental form: what is remembered between intervals is the share itself, and it is clamped to
//! 1/64–1. An integral that winds up while the share cannot move does not exist. The integral part sees no error above 2, so
//! however long the queue has become, it is drained at no more than 0.8·S/τ of the capacity (40 % with the presets) and the
//! rest goes on serving newcomers. Below the set-point the share never falls: a queue that fills from empty is no overload yet.
//! One interval divides the share by 16 at most, and raises it by a half at most.
//!
//! Whoever has hardly anybody before it is admitted whatever the share is: an important class does not wait for the
//! backlog of the others, and a worker that has nothing to do refuses nobody because others are busy. "Hardly" is
//! a quarter of the set-point, or fewer than `queue_min`: where handlers take a second each, a target of 20 ms would leave no
//! queue at all.

use super::cursor::CHANGE_ONE;
use crate::time::{Duration, micros};

/// The controller of one worker. Errors have 16 bits of fraction.
#[derive(Debug)]
pub(super) struct Controller {
    /// Half of the target, in microseconds.
    set_point_us: u64,
    /// The loop's own time, in microseconds.
    tau_us: u64,
    error: i64,
}

const ONE: i64 = CHANGE_ONE as i64;
/// Waits from here on are alike.
const ERROR_MAX: i64 = 1_000 * ONE;
/// What the integral part sees of an error.
const INTEGRAL_ERROR_MAX: i64 = 2 * ONE;
const CHANGE_MAX: i64 = 15 * ONE;
const CHANGE_MIN: i64 = -ONE / 2;

impl Controller {
    pub(super) fn new(target: Duration, interval: Duration) -> Self {
        let set_point_us = set_point_us(target);
        Self { set_point_us, tau_us: set_point_us.max(2 * micros(interval)), error: -ONE }
    }

    /// What to change about the share that is admitted, with 16 bits of fraction: up to 15.0 (see
    /// [`super::cursor::Cursor::update`]), down to −0.5. For a wait of `wait_us`, `since_last` after the last one.
    pub(super) fn change(&mut self, wait_us: u64, since_last: Duration) -> i32 {
        let set_point = self.set_point_us as i64;
        // No more than what error and product below can hold.
        let wait = wait_us.min(self.set_point_us * 1_024) as i64;
        let error = ((wait - set_point) * ONE / set_point).clamp(-ONE, ERROR_MAX);
        let last = core::mem::replace(&mut self.error, error);
        let (tau, elapsed) = (self.tau_us as i64, micros(since_last).min(4 * self.tau_us) as i64);
        let speed = set_point * ONE / tau;
        let proportional = (error - last) * 16 / 10 * speed / ONE;
        let integral = error.min(INTEGRAL_ERROR_MAX) * 64 / 100 * elapsed / tau * speed / ONE;
        let change = (proportional + integral).clamp(CHANGE_MIN, CHANGE_MAX);
        if error < 0 { change.min(0) as i32 } else { change as i32 }
    }
}

/// Whether so little waits before a newcomer that the share is not asked.
pub(super) fn is_free(wait_us: u64, target: Duration) -> bool {
    wait_us < set_point_us(target) / 4
}

/// The wait that the controller steers to.
pub(super) fn set_point_us(target: Duration) -> u64 {
    micros(target) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_millis(10);

    fn controller() -> Controller {
        Controller::new(Duration::from_millis(20), TICK)
    }

    #[test]
    fn more_wait_admits_less_and_less_wait_admits_more() {
        let mut controller = controller();
        assert_eq!(
            controller.change(5_000, TICK),
            -5_242 + 26_214 - 20_972,
            "rising, but below: no refusal yet"
        );
        assert!(controller.change(15_000, TICK) > 0, "above and rising");
        assert!(controller.change(15_000, TICK) > 0, "still above: the integral goes on");
        assert!(controller.change(11_000, TICK) < 0, "falling fast: the proportional part lets go");
        assert!(controller.change(0, TICK) < 0);
        assert_eq!(controller.change(u64::MAX, TICK), CHANGE_MAX as i32);
    }

    proptest! {
        #[test]
        fn changes_are_bounded_and_never_refuse_below_the_set_point(
            target in 1..10_000_u64, waits in proptest::collection::vec((any::<u64>(), 0..10_000_000_u64), 1..50),
        ) {
            let target = Duration::from_millis(target);
            let mut controller = Controller::new(target, TICK);
            for (wait, elapsed) in waits {
                let wait = wait % (4 * micros(target));
                let change = i64::from(controller.change(wait, Duration::from_micros(elapsed)));
                prop_assert!((CHANGE_MIN..=CHANGE_MAX).contains(&change));
                prop_assert!(change <= 0 || wait >= set_point_us(target));
            }
        }
    }
}
