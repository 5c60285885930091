//! What can be set about shedding, and its ranges.

use crate::admission::Class;
use crate::mode::{ConfigError, check, millis};
use crate::time::Duration;

/// How a worker sheds load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShedConfig {
    /// Whom to refuse, and by which signal.
    pub strategy: Strategy,
    /// How often the state of the queue is judged. 10–100 ms.
    pub interval: Duration,
}

/// Whom to refuse, and by which signal. The hard cap holds with each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// By class and cohort while the queue is nearly full; see [`super::priority`].
    Priority {
        /// When the queue counts as nearly full.
        fullness: Fullness,
        /// While it does, a class is refused from this fullness on. Percent, 0–100, no class more than the one before it,
        /// the system class 100.
        class_percent: [u8; Class::COUNT],
    },
    /// A fixed share, whoever it is, while the queue is nearly full; see [`super::random`].
    Random {
        /// When the queue counts as nearly full.
        fullness: Fullness,
        /// The share to refuse. Percent, 1–100.
        refuse_percent: u8,
    },
    /// Who has waited for too long; see [`super::oldest`].
    Oldest {
        /// A queue that was not empty for this long stands. 1 ms – 10 s.
        standing: Duration,
        /// How long a request may wait while the queue drains. 1 ms – 5 min.
        budget: Duration,
        /// How long a request may wait while the queue stands. 1 ms up to `budget`.
        budget_standing: Duration,
    },
    /// By class and cohort, as many as keep the wait under a target; see [`super::adaptive`].
    Adaptive {
        /// The wait that the queue is kept under. 1 ms – 10 s.
        target: Duration,
        /// So few of a class and above may wait whatever the wait. 0–65,535.
        queue_min: u16,
        /// Whether a model learns who would be answered too late, and refuses those; see [`super::model`].
        predict: bool,
    },
}

/// Two limits of how full the queue is; between them, what was so stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fullness {
    /// Shedding begins at this. Percent of the places, 1–100.
    pub on_percent: u8,
    /// Shedding ends below this. Percent of the places, less than `on_percent`.
    pub off_percent: u8,
}

impl Fullness {
    /// On at 90 %, off at 70 %.
    pub const PRESET: Self = Self { on_percent: 90, off_percent: 70 };

    /// Whether the queue counts as nearly full, if it did or did not until now.
    pub(super) fn next(self, is_on: bool, len: usize, capacity: usize) -> bool {
        let percent = if is_on { self.off_percent } else { self.on_percent };
        is_at_least(len, percent, capacity)
    }
}

impl Strategy {
    /// On at 90 %, off at 70 %; classes up to 100, 95, 85, 75, 65 and 50 %.
    pub const PRIORITY: Self =
        Self::Priority { fullness: Fullness::PRESET, class_percent: [100, 95, 85, 75, 65, 50] };
    /// On at 90 %, off at 70 %; every second request.
    pub const RANDOM: Self = Self::Random { fullness: Fullness::PRESET, refuse_percent: 50 };
    /// A queue stands after 100 ms; 100 ms to wait while it drains, 5 ms while it stands.
    pub const OLDEST: Self = Self::Oldest {
        standing: Duration::from_millis(100),
        budget: Duration::from_millis(100),
        budget_standing: Duration::from_millis(5),
    };
    /// A target of 20 ms, 8 that may always wait, without the model.
    pub const ADAPTIVE: Self =
        Self::Adaptive { target: Duration::from_millis(20), queue_min: 8, predict: false };
}

impl ShedConfig {
    /// The adaptive strategy with its presets, judged every 10 ms.
    pub const PRESET: Self = Self { strategy: Strategy::ADAPTIVE, interval: Duration::from_millis(10) };

    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of its range, with its value and the range.
    pub const fn check(&self) -> Result<(), ConfigError> {
        match check(&[("shed.interval", millis(self.interval), 10, 100)]) {
            Ok(()) => self.strategy.check(),
            error => error,
        }
    }
}

impl Strategy {
    const fn check(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Priority { fullness, class_percent } => {
                let mut index = 0;
                while index < Class::COUNT {
                    let (min, max) =
                        if index == 0 { (100, 100) } else { (0, class_percent[index - 1] as u64) };
                    let checked = check(&[(CLASS_FIELDS[index], class_percent[index] as u64, min, max)]);
                    if checked.is_err() {
                        return checked;
                    }
                    index += 1;
                }
                fullness.check()
            }
            Self::Random { fullness, refuse_percent } => {
                match check(&[("shed.refuse_percent", refuse_percent as u64, 1, 100)]) {
                    Ok(()) => fullness.check(),
                    error => error,
                }
            }
            Self::Oldest { standing, budget, budget_standing } => check(&[
                ("shed.standing", millis(standing), 1, 10_000),
                ("shed.budget", millis(budget), 1, 300_000),
                ("shed.budget_standing", millis(budget_standing), 1, millis(budget)),
            ]),
            Self::Adaptive { target, .. } => check(&[("shed.target", millis(target), 1, 10_000)]),
        }
    }
}

impl Fullness {
    const fn check(self) -> Result<(), ConfigError> {
        let on = self.on_percent as u64;
        check(&[
            ("shed.on_percent", on, 1, 100),
            ("shed.off_percent", self.off_percent as u64, 0, on.saturating_sub(1)),
        ])
    }
}

/// Whether `len` is at least this share of `capacity`.
pub(super) fn is_at_least(len: usize, percent: u8, capacity: usize) -> bool {
    len as u64 * 100 >= capacity as u64 * u64::from(percent)
}

/// The least length that [`is_at_least`] this share of `capacity`.
pub(super) fn len_at(percent: u8, capacity: usize) -> usize {
    (capacity as u64 * u64::from(percent)).div_ceil(100) as usize
}

const CLASS_FIELDS: [&str; Class::COUNT] = [
    "shed.class_percent.system",
    "shed.class_percent.critical",
    "shed.class_percent.high",
    "shed.class_percent.normal",
    "shed.class_percent.low",
    "shed.class_percent.batch",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    fn error_of(strategy: Strategy) -> String {
        ShedConfig { strategy, ..ShedConfig::PRESET }.check().unwrap_err().to_string()
    }

    #[test]
    fn every_preset_is_valid() {
        const { assert!(ShedConfig::PRESET.check().is_ok()) };
        for strategy in [Strategy::PRIORITY, Strategy::RANDOM, Strategy::OLDEST, Strategy::ADAPTIVE] {
            ShedConfig { strategy, ..ShedConfig::PRESET }.check().unwrap();
        }
    }

    #[test]
    fn an_error_names_field_value_and_range() {
        let fullness = Fullness::PRESET;
        let class_percent = [100, 95, 85, 90, 65, 50];
        let error = error_of(Strategy::Priority { fullness, class_percent });
        assert_eq!(error, "shed.class_percent.normal is 90, but has to be in 0-85");
        let error = error_of(Strategy::Priority { fullness, class_percent: [99, 95, 85, 75, 65, 50] });
        assert_eq!(error, "shed.class_percent.system is 99, but has to be in 100-100");
        let error = error_of(Strategy::Random { fullness, refuse_percent: 101 });
        assert_eq!(error, "shed.refuse_percent is 101, but has to be in 1-100");
        let fullness = Fullness { on_percent: 70, off_percent: 70 };
        let error = error_of(Strategy::Random { fullness, refuse_percent: 50 });
        assert_eq!(error, "shed.off_percent is 70, but has to be in 0-69");
        let error = error_of(Strategy::Adaptive { target: Duration::ZERO, queue_min: 0, predict: false });
        assert_eq!(error, "shed.target is 0, but has to be in 1-10000");
        let error = error_of(Strategy::Oldest {
            standing: Duration::from_millis(100),
            budget: Duration::from_millis(4),
            budget_standing: Duration::from_millis(5),
        });
        assert_eq!(error, "shed.budget_standing is 5, but has to be in 1-4");
        let interval = Duration::from_millis(101);
        let error = ShedConfig { interval, ..ShedConfig::PRESET }.check().unwrap_err();
        assert_eq!(error.to_string(), "shed.interval is 101, but has to be in 10-100");
    }

    #[test]
    fn between_the_two_limits_what_was_so_stays_so() {
        let table: std::vec::Vec<(usize, bool, bool)> = [0, 69, 70, 89, 90, 100]
            .map(|len| (len, Fullness::PRESET.next(false, len, 100), Fullness::PRESET.next(true, len, 100)))
            .into();
        assert_eq!(
            table,
            [
                (0, false, false),
                (69, false, false),
                (70, false, true),
                (89, false, true),
                (90, true, true),
                (100, true, true)
            ]
        );
        assert_eq!((len_at(90, 100), len_at(90, 7), len_at(50, 0)), (90, 7, 0));
    }
}
