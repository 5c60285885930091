//! What can be set, checked once.

use crate::mode::{ConfigError, check, millis};
use crate::time::Duration;

/// Which law moves the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitLaw {
    /// None: the limit stays where it starts.
    Fixed,
    /// One more each window, less by a tenth or more when the objective is missed.
    Aimd,
    /// Keeps the number of requests that queue inside the server between two bounds.
    Vegas,
    /// Follows the ratio of the usual latency to the latest.
    #[default]
    Gradient,
}

/// How the concurrency limit moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitConfig {
    /// The law.
    pub law: LimitLaw,
    /// Least permits. From 1 to `max`: at least one, or nothing would ever be learnt again.
    pub min: u32,
    /// Most permits. From `min` to 100,000.
    pub max: u32,
    /// Permits at start. From `min` to `max`.
    pub initial: u32,
    /// A window lasts at least this long, and at least twice the latency. 10 ms – 10 s.
    pub interval: Duration,
    /// A window holds at least this many requests. 2–10,000.
    pub samples_min: u32,
    /// The absolute objective: a share of `latency_percent` of the requests takes no longer than this, from the permit to the
    /// end of the answer. 1 ms – 60 s.
    pub latency_objective: Duration,
    /// See `latency_objective`. Per cent, 50–99.
    pub latency_percent: u8,
    /// While less than a quarter of the requests wait for a permit for longer than this, the limit has no reason to rise.
    /// From 0 to `latency_objective`.
    pub wait_objective: Duration,
    /// The objective is missed too if more than this share of the requests is dropped. Per cent, 0–99.
    pub drop_percent_max: u8,
}

impl LimitConfig {
    /// What somebody gets who adds a limit without numbers.
    pub const PRESET: Self = Self {
        law: LimitLaw::Gradient,
        min: 4,
        max: 1_000,
        initial: 20,
        interval: Duration::from_millis(200),
        samples_min: 20,
        latency_objective: Duration::from_millis(250),
        latency_percent: 90,
        wait_objective: Duration::from_millis(1),
        drop_percent_max: 5,
    };

    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of its range, with its value and the range.
    pub const fn check(&self) -> Result<(), ConfigError> {
        let objective = millis(self.latency_objective);
        check(&[
            ("limit.max", self.max as u64, 1, 100_000),
            ("limit.min", self.min as u64, 1, self.max as u64),
            ("limit.initial", self.initial as u64, self.min as u64, self.max as u64),
            ("limit.interval", millis(self.interval), 10, 10_000),
            ("limit.samples_min", self.samples_min as u64, 2, 10_000),
            ("limit.latency_objective", objective, 1, 60_000),
            ("limit.latency_percent", self.latency_percent as u64, 50, 99),
            ("limit.wait_objective", millis(self.wait_objective), 0, objective),
            ("limit.drop_percent_max", self.drop_percent_max as u64, 0, 99),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_zero_or_out_of_order_is_refused_with_field_value_and_range() {
        let preset = LimitConfig::PRESET;
        assert_eq!(preset.check(), Ok(()));
        let message = |config: LimitConfig| config.check().unwrap_err().to_string();
        assert_eq!(
            message(LimitConfig { min: 50, max: 40, ..preset }),
            "limit.min is 50, but has to be in 1-40"
        );
        assert_eq!(message(LimitConfig { min: 0, ..preset }), "limit.min is 0, but has to be in 1-1000");
        assert_eq!(message(LimitConfig { max: 0, ..preset }), "limit.max is 0, but has to be in 1-100000");
        assert_eq!(
            message(LimitConfig { initial: 3, ..preset }),
            "limit.initial is 3, but has to be in 4-1000"
        );
        let late = LimitConfig { wait_objective: Duration::from_secs(1), ..preset };
        assert_eq!(message(late), "limit.wait_objective is 1000, but has to be in 0-250");
        let never = LimitConfig { interval: Duration::ZERO, ..preset };
        assert_eq!(message(never), "limit.interval is 0, but has to be in 10-10000");
        assert_eq!(
            message(LimitConfig { samples_min: 1, ..preset }),
            "limit.samples_min is 1, but has to be in 2-10000"
        );
        assert_eq!(
            message(LimitConfig { latency_percent: 100, ..preset }),
            "limit.latency_percent is 100, but has to be in 50-99"
        );
        let drops = LimitConfig { drop_percent_max: 100, ..preset };
        assert_eq!(message(drops), "limit.drop_percent_max is 100, but has to be in 0-99");
        let objective = LimitConfig { latency_objective: Duration::ZERO, ..preset };
        assert_eq!(message(objective), "limit.latency_objective is 0, but has to be in 1-60000");
    }
}
