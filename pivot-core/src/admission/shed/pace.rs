//! How fast the queue moves: from this follows how long a newcomer will wait.

use crate::time::{Duration, micros};

/// Starts that are remembered before the older half is forgotten.
const STARTS_MAX: u32 = 64;
/// One microsecond: 8 bits of fraction.
const MICROSECOND: u64 = 1 << 8;

/// The time from one start to the next while requests wait, over the last 32–64 starts.
///
/// Only time in which the queue was never empty counts: otherwise a server with little to do would look like a slow one.
/// While nothing starts at all, the time since the last start is what is known.
#[derive(Debug, Default)]
pub(super) struct Pace {
    starts: u32,
    busy_us: u64,
}

impl Pace {
    /// Counts an interval during which somebody always waited.
    pub(super) fn record(&mut self, starts: u32, busy: Duration) {
        self.starts = self.starts.saturating_add(starts);
        self.busy_us = self.busy_us.saturating_add(micros(busy));
        while self.starts >= STARTS_MAX {
            self.starts /= 2;
            self.busy_us /= 2;
        }
    }

    /// How long `count` requests take to start, in microseconds; 0 as long as the queue never stood.
    pub(super) fn wait_us(&self, count: usize) -> u64 {
        let each = self.busy_us.saturating_mul(MICROSECOND) / u64::from(self.starts.max(1));
        (count as u64).saturating_mul(each) / MICROSECOND
    }

    /// How many requests start within this many microseconds; `None` as long as the queue never stood.
    pub(super) fn starts_within(&self, us: u64) -> Option<u64> {
        (self.busy_us > 0).then(|| us.saturating_mul(u64::from(self.starts)) / self.busy_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_millis(10);

    #[test]
    fn the_wait_is_the_length_times_the_time_between_starts() {
        let mut pace = Pace::default();
        assert_eq!((pace.wait_us(100), pace.starts_within(1_000)), (0, None));
        pace.record(10, TEN);
        assert_eq!((pace.wait_us(7), pace.starts_within(5_000)), (7_000, Some(5)));
        for _ in 0..100 {
            pace.record(1_000, TEN);
        }
        assert!((6_900..=7_300).contains(&pace.wait_us(700)), "{}", pace.wait_us(700));
    }

    #[test]
    fn while_nothing_starts_the_wait_grows() {
        let mut pace = Pace::default();
        pace.record(10, TEN);
        let before = pace.wait_us(3);
        for _ in 0..100 {
            pace.record(0, TEN);
        }
        assert!(pace.wait_us(3) > before * 50);
    }
}
