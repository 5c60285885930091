//! Who came lately, level by level: how a share of requests becomes a place on the scale.

use super::level::{COHORTS, LEVELS, Level};
use crate::admission::Class;

/// How many are remembered before all counts are halved.
const WINDOW: u32 = 1_024;

/// The whole, for shares of requests: 24 bits of fraction.
pub(super) const ONE: u32 = 1 << 24;

/// A count for each level, over the last 512–1,024 requests that were judged. 1.6 KiB.
#[derive(Debug)]
pub(super) struct Arrivals {
    levels: [u16; LEVELS],
    classes: [u32; Class::COUNT],
    total: u32,
}

/// How far down the scale requests are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Every level before this one is admitted as a whole.
    pub(super) level: Level,
    /// Of this level itself, so many of 65,536. Without it, a lone client that fills a level would be
    /// admitted and refused in turns.
    pub(super) fraction: u16,
}

impl Cut {
    /// Everybody is admitted.
    pub(super) const OPEN: Self = Self { level: LEVELS as Level, fraction: 0 };

    /// Whether a request passes; `dice` is any number.
    pub(super) fn admits(self, level: Level, dice: u16) -> bool {
        level < self.level || level == self.level && dice < self.fraction
    }
}

impl Arrivals {
    pub(super) const fn new() -> Self {
        Self { levels: [0; LEVELS], classes: [0; Class::COUNT], total: 0 }
    }

    pub(super) fn record(&mut self, level: Level) {
        if self.total >= WINDOW {
            self.halve();
        }
        let level = usize::from(level);
        self.levels[level] += 1;
        self.classes[level / COHORTS] += 1;
        self.total += 1;
    }

    pub(super) fn clear(&mut self) {
        if self.total > 0 {
            *self = Self::new();
        }
    }

    /// The cut that admits this share of what came. The system class passes whatever the share is.
    ///
    /// Looks at each class, and at each cohort of one class.
    pub(super) fn cut(&self, share: u32) -> Cut {
        if share >= ONE {
            return Cut::OPEN;
        }
        if self.total == 0 {
            // Nobody is known: as if all levels came alike.
            let levels = u64::from(share) * (LEVELS - COHORTS) as u64;
            let level = COHORTS as u64 + levels / u64::from(ONE);
            return Cut { level: level as Level, fraction: ((levels % u64::from(ONE)) >> 8) as u16 };
        }
        let wanted = u64::from(self.total) * u64::from(share);
        let mut before = u64::from(self.classes[0]) * u64::from(ONE);
        let only_system = Cut { level: COHORTS as Level, fraction: 0 };
        if wanted <= before {
            return only_system;
        }
        for (class, count) in self.classes.iter().enumerate().skip(1) {
            let with_class = before + u64::from(*count) * u64::from(ONE);
            if with_class <= wanted {
                before = with_class;
                continue;
            }
            let first = class * COHORTS;
            for (level, count) in (first..).zip(&self.levels[first..first + COHORTS]) {
                let with_level = before + u64::from(*count) * u64::from(ONE);
                if with_level > wanted {
                    let part = (wanted - before) >> 8;
                    return Cut { level: level as Level, fraction: (part / u64::from(*count)) as u16 };
                }
                before = with_level;
            }
        }
        only_system
    }

    fn halve(&mut self) {
        self.levels.iter_mut().for_each(|count| *count /= 2);
        for (class, levels) in self.classes.iter_mut().zip(self.levels.chunks_exact(COHORTS)) {
            *class = levels.iter().map(|count| u32::from(*count)).sum();
        }
        self.total = self.classes.iter().sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_lies_where_the_wanted_share_is_reached() {
        let mut arrivals = Arrivals::new();
        assert_eq!(arrivals.cut(ONE), Cut::OPEN);
        assert_eq!(arrivals.cut(ONE / 2), Cut { level: 448, fraction: 0 }, "nobody known: half the scale");
        for level in [0, 0, 300, 300, 500, 500, 700, 700] {
            arrivals.record(level);
        }
        assert_eq!(arrivals.cut(ONE / 2), Cut { level: 500, fraction: 0 });
        assert_eq!(arrivals.cut(ONE / 8 * 5), Cut { level: 500, fraction: 1 << 15 }, "half of a level");
        assert_eq!(arrivals.cut(ONE / 8), Cut { level: 128, fraction: 0 }, "system passes in any case");
        assert_eq!(arrivals.cut(ONE - 1).level, 700);
        arrivals.clear();
        arrivals.record(5);
        assert_eq!(arrivals.cut(ONE / 2), Cut { level: 128, fraction: 0 });
    }

    proptest! {
        /// Against the sorted list of what came: as many pass as were wanted, but for the system class.
        #[test]
        fn a_cut_admits_the_share_that_was_wanted(
            levels in proptest::collection::vec(0..LEVELS as Level, 1..2_000), share in 0..=ONE,
        ) {
            let mut arrivals = Arrivals::new();
            for level in &levels {
                arrivals.record(*level);
            }
            let cut = arrivals.cut(share);
            let (mut passed, mut system, mut total) = (0.0, 0.0, 0.0);
            for (level, count) in arrivals.levels.iter().enumerate() {
                let part = match level.cmp(&usize::from(cut.level)) {
                    core::cmp::Ordering::Less => 1.0,
                    core::cmp::Ordering::Equal => f64::from(cut.fraction) / 65_536.0,
                    core::cmp::Ordering::Greater => 0.0,
                };
                passed += part * f64::from(*count);
                total += f64::from(*count);
                system += if level < COHORTS { f64::from(*count) } else { 0.0 };
            }
            prop_assert!(arrivals.total <= WINDOW && f64::from(arrivals.total) == total);
            let wanted = (total * f64::from(share) / f64::from(ONE)).max(system);
            prop_assert!((passed - wanted).abs() < 0.01, "{passed} pass, {wanted} wanted, of {total}");
        }
    }
}
