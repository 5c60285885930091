//! Time as the core sees it: a number of microseconds that somebody else counted.
//!
//! The core never asks what time it is. A backend reads its clock once a turn and hands the moment in, so
//! a test can hand in any moment it likes.

pub use core::time::Duration;

/// A moment on a monotonic clock, in microseconds since some start that the backend chose.
///
/// Arithmetic saturates: a moment after the end of time is the end of time. 64 bits of microseconds last
/// 584,000 years, so in practice nothing saturates but deadlines that mean "never".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    us: u64,
}

impl Instant {
    /// The clock's start.
    pub const ZERO: Self = Self { us: 0 };
    /// Later than any moment that comes: the deadline of what has no deadline.
    pub const NEVER: Self = Self { us: u64::MAX };

    /// The moment `us` microseconds after the clock's start.
    pub const fn from_micros(us: u64) -> Self {
        Self { us }
    }

    /// The moment `ms` milliseconds after the clock's start.
    pub const fn from_millis(ms: u64) -> Self {
        Self { us: ms.saturating_mul(1_000) }
    }

    /// Microseconds since the clock's start.
    pub const fn as_micros(self) -> u64 {
        self.us
    }

    /// Milliseconds since the clock's start, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.us / 1_000
    }

    /// The moment `after` later.
    pub const fn plus(self, after: Duration) -> Self {
        Self { us: self.us.saturating_add(micros(after)) }
    }

    /// The moment `after_us` microseconds later.
    pub const fn plus_micros(self, after_us: u64) -> Self {
        Self { us: self.us.saturating_add(after_us) }
    }

    /// The time that passed since `earlier`; zero if `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.us.saturating_sub(earlier.us))
    }

    /// The time in microseconds that passed since `earlier`; zero if `earlier` is not earlier.
    pub const fn micros_since(self, earlier: Self) -> u64 {
        self.us.saturating_sub(earlier.us)
    }
}

/// A duration in whole microseconds, saturating at [`u64::MAX`].
pub const fn micros(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::NEVER.plus(Duration::from_secs(1)), Instant::NEVER);
        assert_eq!(Instant::ZERO.since(Instant::from_millis(5)), Duration::ZERO);
        assert_eq!(Instant::ZERO.plus(Duration::MAX), Instant::NEVER);
        assert_eq!(Instant::from_millis(7).micros_since(Instant::from_millis(5)), 2_000);
        assert_eq!(micros(Duration::new(3, 999_999)), 3_000_999);
        assert_eq!(micros(Duration::MAX), u64::MAX);
    }
}
