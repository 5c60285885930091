//! **Priority**: while the queue is nearly full, the less important are refused first.
//!
//! *Protects against* a queue that fills faster than it drains, and against unimportant traffic that crowds out important
//! traffic. Two rules hold while shedding is on. A class is refused as a whole from its own fullness on. And every
//! interval, 5 % fewer requests are aimed at than before: the histogram of recent arrivals says down to which class
//! and cohort these reach. When shedding is off again, 1 % more each interval, until everybody is admitted. Within a class the
//! cohort decides, a keyed hash of the client that is redrawn by the hour: some clients are served well and
//! others not at all, instead of all of them badly, and they are others an hour later.
//! (Zhou et al., "Overload Control for Scaling WeChat Microservices", SoCC 2018.)
//!
//! | knob | default | unit |
//! |---|---|---|
//! | `fullness` | on at 90, off at 70 | percent of the queue's places |
//! | `class_percent` | 100, 95, 85, 75, 65, 50 | percent of the queue's places |
//! | `interval` | 10 | ms |
//!
//! *Cost*: a comparison while the queue is not nearly full. While it is: one hash step, a count, and an atomic load for each
//! request, and a walk over 134 counts each interval.
//!
//! *Not for* short queues (of 10 places, 90 % is one request from full) nor where the wait is what matters: a queue
//! of 1,000 places can be half empty and 10 s long. There, [`adaptive`](super::adaptive) follows the wait itself.

use super::config::is_at_least;
use super::cursor::CHANGE_ONE;
use crate::admission::Class;

/// Whether a class is refused at this fullness while shedding is on. The system class never is.
pub(super) fn is_refused(
    class: Class,
    class_percent: &[u8; Class::COUNT],
    len: usize,
    capacity: usize,
) -> bool {
    class != Class::System && is_at_least(len, class_percent[class.index()], capacity)
}

/// What an interval does to the share that is admitted.
pub(super) fn change(is_on: bool) -> i32 {
    if is_on { CHANGE_ONE / 20 } else { -CHANGE_ONE / 100 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_own_fullness() {
        let percents = [100, 95, 85, 75, 65, 50];
        let refused_at =
            |len| Class::ALL.into_iter().filter(|class| is_refused(*class, &percents, len, 100)).count();
        let table = [0, 49, 50, 64, 65, 75, 85, 94, 95, 100].map(refused_at);
        assert_eq!(table, [0, 0, 1, 1, 2, 3, 4, 4, 5, 5]);
    }
}
