//! How long an answer is still worth anything, and how that is told from one server to the next.
//!
//! What a client no longer waits for is not worth doing. A deadline travels as the *time that is left*, in the syntax of
//! gRPC's `grpc-timeout` ("gRPC over HTTP/2", Timeout): at most eight digits and a unit, as in `250m`. It is relative, so
//! no two clocks have to agree; it is short and bounded; and the proxies and clients that propagate deadlines know it.
//!
//! No trust is needed: what a client asks for can shorten the deadline that a server has set, and never lengthen it.

use crate::time::{Duration, Instant, micros};

/// The header field that carries the time that is left.
pub const DEADLINE_HEADER: &str = "grpc-timeout";

/// The moment from which an answer is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// No deadline.
    pub const NEVER: Self = Self(Instant::NEVER);

    /// A deadline at this moment.
    pub const fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// The moment; [`Instant::NEVER`] if there is none.
    pub const fn moment(self) -> Instant {
        self.0
    }

    /// The earlier one of this and of what a header field asks for. What cannot be understood asks for nothing.
    ///
    /// # Examples
    /// ```
    /// use pivot_core::admission::Deadline;
    /// use pivot_core::time::{Duration, Instant};
    ///
    /// let now = Instant::from_millis(1_000);
    /// let own = Deadline::at(now.plus(Duration::from_secs(30)));
    /// assert_eq!(own.shortened_by(b"250m", now).left(now), Duration::from_millis(250));
    /// assert_eq!(own.shortened_by(b"99H", now), own);
    /// ```
    #[must_use]
    pub fn shortened_by(self, value: &[u8], now: Instant) -> Self {
        match parse(value) {
            Some(left) => self.min(Self(now.plus(left))),
            None => self,
        }
    }

    /// Earlier by what the way back takes.
    #[must_use]
    pub const fn less(self, margin: Duration) -> Self {
        if self.0.as_micros() == u64::MAX {
            return self;
        }
        Self(Instant::from_micros(self.0.as_micros().saturating_sub(micros(margin))))
    }

    /// The time that is left; zero if it has passed.
    pub const fn left(self, now: Instant) -> Duration {
        self.0.since(now)
    }

    /// Whether nothing is left.
    pub const fn is_expired(self, now: Instant) -> bool {
        self.0.as_micros() <= now.as_micros()
    }

    /// What the header field says now: never more than is left. `None` if there is no deadline.
    pub fn header_value(self, now: Instant) -> Option<DeadlineValue> {
        if self == Self::NEVER {
            return None;
        }
        let us = micros(self.left(now));
        // The finest unit that has room: microseconds to 99 s, milliseconds to 27 h, seconds to three years.
        let (number, unit) = match us {
            0..=DIGITS_MAX => (us, b'u'),
            _ if us / 1_000 <= DIGITS_MAX => (us / 1_000, b'm'),
            _ => ((us / 1_000_000).min(DIGITS_MAX), b'S'),
        };
        let mut value = DeadlineValue { bytes: [0; 9], start: 8 };
        value.bytes[8] = unit;
        let mut rest = number;
        loop {
            value.start -= 1;
            value.bytes[usize::from(value.start)] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return Some(value);
            }
        }
    }
}

/// The text of a [`DEADLINE_HEADER`] field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadlineValue {
    bytes: [u8; 9],
    start: u8,
}

impl DeadlineValue {
    /// The text: digits and a letter.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[usize::from(self.start)..]).unwrap_or_default()
    }
}

fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

const DIGITS_MAX: u64 = 99_999_999;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Instant = Instant::from_millis(5_000);

    #[test]
    fn every_unit_is_understood() {
        let parsed = [b"2H", b"3M", b"4S", b"5m", b"6u", b"7n"].map(|value| parse(value).unwrap());
        let expected = [7_200_000_000_000, 180_000_000_000, 4_000_000_000, 5_000_000, 6_000, 7];
        assert_eq!(parsed, expected.map(Duration::from_nanos));
        assert_eq!(parse(b"00000001S"), Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_not_a_timeout_leaves_the_deadline_alone() {
        let own = Deadline::at(NOW.plus(Duration::from_secs(3)));
        for value in
            ["", "S", "1", "1s", "-1S", "+1S", " 1S", "1S ", "1 S", "123456789m", "1.5S", "\u{0661}S"]
        {
            assert_eq!(own.shortened_by(value.as_bytes(), NOW), own, "{value:?}");
        }
    }

    #[test]
    fn a_client_may_shorten_its_deadline_and_never_lengthen_it() {
        let own = Deadline::at(NOW.plus(Duration::from_secs(3)));
        assert_eq!(own.shortened_by(b"99999999H", NOW), own);
        assert_eq!(own.shortened_by(b"1S", NOW).left(NOW), Duration::from_secs(1));
        assert!(own.shortened_by(b"0m", NOW).is_expired(NOW));
    }

    #[test]
    fn a_margin_makes_it_earlier_and_no_deadline_stays_none() {
        let own = Deadline::at(NOW.plus(Duration::from_millis(50)));
        assert!(own.less(Duration::from_millis(50)).is_expired(NOW));
        assert_eq!(own.less(Duration::from_millis(20)).left(NOW), Duration::from_millis(30));
        assert_eq!(Deadline::NEVER.less(Duration::from_secs(1)), Deadline::NEVER);
        assert_eq!(Deadline::NEVER.header_value(NOW), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_no_more_and_hardly_less(us in any::<u64>(), shift in 0..64_u32) {
            let left = Duration::from_micros((us >> shift).min(DIGITS_MAX * 1_000_000));
            let value = Deadline::at(NOW.plus(left)).header_value(NOW).unwrap();
            let read = parse(value.as_str().as_bytes()).unwrap();
            prop_assert!(read <= left && left - read <= left / 90_000, "{left:?} as {}", value.as_str());
        }

        #[test]
        fn no_bytes_make_it_panic(value in proptest::collection::vec(any::<u8>(), 0..12)) {
            let own = Deadline::at(NOW.plus(Duration::from_secs(3)));
            prop_assert!(own.shortened_by(&value, NOW) <= own);
        }
    }
}
