//! What clients are told of their limits: the fields `RateLimit`, `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) and
//! `Retry-After` (RFC 9110, section 10.2.3).
//!
//! Values are written into a buffer of the caller; names and line ends are his. Shadow limits are not told.

use super::Decision;
use super::policy::Verdict;
use crate::time::Instant;

/// Enough for any value: four limits with names of up to 32 characters.
pub const FIELD_LEN_MAX: usize = 256;

impl Verdict<'_> {
    /// The value of `RateLimit`: `"client";r=50;t=30`. What is left of the tightest limit, and in how many seconds all of it is back.
    ///
    /// `None` if there is nothing to tell or the buffer is too small; [`FIELD_LEN_MAX`] is enough for names of up to 32 characters.
    pub fn rate_limit<'b>(&self, buffer: &'b mut [u8], now: Instant) -> Option<&'b str> {
        let len = self.write_rate_limit(buffer, now)?;
        core::str::from_utf8(&buffer[..len]).ok()
    }

    /// As [`Verdict::rate_limit`], for whoever wants bytes: their number.
    pub(crate) fn write_rate_limit(&self, buffer: &mut [u8], now: Instant) -> Option<usize> {
        if !self.is_public() {
            return None;
        }
        let mut line = Line { buffer, len: 0 };
        let decision = self.decision();
        line.name(self.name())?;
        line.number(b";r=", decision.remaining.into())?;
        line.number(b";t=", seconds_until(decision.reset, now))?;
        Some(line.len)
    }

    /// The value of `RateLimit-Policy`: `"client";q=100;w=60, "route";q=1000;w=1`. Requests in how many seconds, for each limit.
    ///
    /// Periods of less than a second are told as one of a second with as many more requests. `None` as for
    /// [`Verdict::rate_limit`].
    pub fn rate_limit_policy<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b str> {
        let len = self.write_rate_limit_policy(buffer)?;
        core::str::from_utf8(&buffer[..len]).ok()
    }

    /// As [`Verdict::rate_limit_policy`], for whoever wants bytes: their number.
    pub(crate) fn write_rate_limit_policy(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut line = Line { buffer, len: 0 };
        let public = self.limits.iter().zip(&self.decisions).filter(|(limit, _)| !limit.is_shadow());
        for (limit, decision) in public {
            let (count, per_us) = (u64::from(decision.quota.count), decision.quota.per_us);
            // Whole seconds, and the same rate.
            let window_s = per_us.div_ceil(1_000_000);
            let count = match per_us % 1_000_000 {
                0 => count,
                _ => (u128::from(count) * u128::from(window_s) * 1_000_000 / u128::from(per_us)) as u64,
            };
            if line.len > 0 {
                line.push(b", ")?;
            }
            line.name(limit.name())?;
            line.number(b";q=", count)?;
            line.number(b";w=", window_s)?;
        }
        (line.len > 0).then_some(line.len)
    }
}

impl Decision {
    /// The value of `Retry-After`: whole seconds until the charge would pass, at least 1. `None` if it passed, or never will.
    pub fn retry_after_s(&self, now: Instant) -> Option<u64> {
        let retry_at = self.retry_at.filter(|at| *at < Instant::NEVER)?;
        Some(seconds_until(retry_at, now).max(1))
    }
}

/// Rounded up: nobody is told to come too early.
const fn seconds_until(at: Instant, now: Instant) -> u64 {
    at.micros_since(now).div_ceil(1_000_000)
}

/// A line under construction.
struct Line<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl Line<'_> {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.buffer.get_mut(self.len..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }

    /// A string of structured fields (RFC 9651); [`Policy::new`](super::Policy::new) has checked what is in it.
    fn name(&mut self, name: &str) -> Option<()> {
        let place = self.buffer.get_mut(self.len..)?.get_mut(..name.len() + 2)?;
        let (first, rest) = place.split_first_mut()?;
        let (last, middle) = rest.split_last_mut()?;
        (*first, *last) = (b'"', b'"');
        middle.copy_from_slice(name.as_bytes());
        self.len += name.len() + 2;
        Some(())
    }

    fn number(&mut self, parameter: &[u8; 3], mut number: u64) -> Option<()> {
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let place = self.buffer.get_mut(self.len..)?.get_mut(..3 + digits)?;
        let (name, place) = place.split_first_chunk_mut()?;
        *name = *parameter;
        for digit in place.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.len += 3 + digits;
        Some(())
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::super::tests::{key, sets};
    use super::super::{Limit, Policy, Quota, RateLimiter};
    use super::*;
    use crate::time::Duration;

    fn told(limits: &[Limit<'_>], cost: u32) -> [Option<std::string::String>; 2] {
        let policy = Policy::new(limits).unwrap();
        let now = Instant::from_millis(1_000);
        let charges = [(key(1), cost); 4];
        let verdict = policy.charge(&charges[..limits.len()], now);
        let mut buffers = [[0; FIELD_LEN_MAX]; 2];
        let [one, two] = &mut buffers;
        [verdict.rate_limit(one, now).map(Into::into), verdict.rate_limit_policy(two).map(Into::into)]
    }

    #[test]
    fn the_fields_tell_the_tightest_limit_and_all_policies_but_shadows() {
        let (one, two) = (sets(1), sets(1));
        let minute = RateLimiter::new(&one, Quota::PRESET);
        let short = RateLimiter::new(&two, Quota::new(50, Duration::from_millis(500), 50).unwrap());
        let fields = told(&[Limit::new("client", &minute), Limit::new("route", &short)], 3);
        assert_eq!(fields[0].as_deref(), Some("\"client\";r=7;t=2"));
        assert_eq!(fields[1].as_deref(), Some("\"client\";q=100;w=60, \"route\";q=100;w=1"));
        let fields = told(&[Limit::shadow("client", &minute), Limit::new("route", &short)], 3);
        assert_eq!(fields[1].as_deref(), Some("\"route\";q=100;w=1"));
        assert_eq!(told(&[Limit::shadow("client", &minute)], 1), [None, None]);
    }

    #[test]
    fn a_refused_client_is_told_when_to_come_back_and_one_that_asks_too_much_is_not() {
        let sets = sets(1);
        let limiter = RateLimiter::new(&sets, Quota::new(10, Duration::from_secs(100), 1).unwrap());
        let now = Instant::from_millis(1_000);
        assert_eq!(limiter.decide(key(1), 1, now).retry_after_s(now), None);
        assert_eq!(limiter.decide(key(1), 1, now).retry_after_s(now), Some(10));
        let later = now.plus(Duration::from_micros(9_999_999));
        assert_eq!(limiter.decide(key(1), 1, later).retry_after_s(later), Some(1));
        assert_eq!(limiter.decide(key(1), 2, now).retry_after_s(now), None);
    }

    #[test]
    fn a_buffer_that_is_too_small_gets_nothing() {
        let sets = sets(1);
        let limiter = RateLimiter::new(&sets, Quota::PRESET);
        let limits = [Limit::new("client", &limiter)];
        let verdict = Policy::new(&limits).unwrap().charge(&[(key(1), 1)], Instant::ZERO);
        for len in 0..FIELD_LEN_MAX {
            let mut buffer = std::vec![0; len];
            let text = verdict.rate_limit(&mut buffer, Instant::ZERO);
            assert_eq!(text.is_some(), len >= "\"client\";r=9;t=1".len());
        }
    }
}
