//! A call to somebody else's service: breaker, retry budget and deadline as one question.
//!
//! Works in handlers: nothing is allocated, and no clock is read.

use super::breaker::{Breaker, BreakerConfig, Ticket};
use super::deadline::Deadline;
use super::retry_budget::{RetryBudget, RetryConfig};
use crate::time::{Duration, Instant};

/// How calls to one service are guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// When calls stop.
    pub breaker: BreakerConfig,
    /// How many retries there may be.
    pub retries: RetryConfig,
    /// What the way to the service and back takes: with less than that left, a call is not worth making. 0 – 60 s. Default: 5 ms.
    pub margin: Duration,
}

impl UpstreamConfig {
    /// The presets of breaker and retry budget, and 5 ms.
    pub const PRESET: Self = Self {
        breaker: BreakerConfig::PRESET,
        retries: RetryConfig::PRESET,
        margin: Duration::from_millis(5),
    };
}

/// A service that is called: what all workers know of it.
#[derive(Debug)]
pub struct Upstream<'s> {
    config: UpstreamConfig,
    breaker: Breaker<'s>,
    retries: RetryBudget,
}

impl<'s> Upstream<'s> {
    /// A service about which nothing is known, with a breaker as by [`Breaker::new`] or [`Breaker::with_lanes`].
    pub fn new(config: UpstreamConfig, breaker: Breaker<'s>) -> Self {
        Self { config, breaker, retries: RetryBudget::new(config.retries) }
    }

    /// Its breaker.
    pub fn breaker(&self) -> &Breaker<'s> {
        &self.breaker
    }

    /// A guard for the calls that one request makes, until `deadline`.
    ///
    /// # Examples
    /// ```
    /// use pivot_core::admission::{Breaker, Deadline, Upstream, UpstreamConfig};
    /// use pivot_core::time::{Duration, Instant};
    ///
    /// let (users, now) = (Upstream::new(UpstreamConfig::PRESET, Breaker::new()), Instant::from_millis(1));
    /// let guard = users.guard(Deadline::at(now.plus(Duration::from_secs(2))));
    /// let call = guard.try_call(now)?;
    /// // Send the request, with `call.deadline().header_value(now)`; then say how it went.
    /// call.failed(now);
    /// let again = guard.try_retry(now)?;
    /// again.succeeded(now);
    /// # Ok::<(), pivot_core::admission::CallRefusal>(())
    /// ```
    pub fn guard(&self, deadline: Deadline) -> Outbound<'_> {
        Outbound { upstream: self, deadline: deadline.less(self.config.margin), worker: None }
    }
}

/// Why a call is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallRefusal {
    /// No answer could come in time.
    DeadlineExpired,
    /// The service fails, and nobody calls it for a while.
    BreakerOpen {
        /// When the next probe passes.
        retry_at: Instant,
    },
    /// Enough was retried: tell the client that it failed.
    RetriesExhausted,
}

impl core::fmt::Display for CallRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::DeadlineExpired => "no answer could come in time",
            Self::BreakerOpen { .. } => "the service fails and is not called for a while",
            Self::RetriesExhausted => "enough was retried",
        })
    }
}

impl core::error::Error for CallRefusal {}

/// Guards the calls that one request makes to one service.
#[derive(Clone, Copy, Debug)]
pub struct Outbound<'u> {
    upstream: &'u Upstream<'u>,
    /// With the margin taken off.
    deadline: Deadline,
    worker: Option<u16>,
}

impl<'u> Outbound<'u> {
    /// Counts results in the lane of this worker: see [`Breaker::admit_by`].
    #[must_use]
    pub const fn by(mut self, worker: u16) -> Self {
        self.worker = Some(worker);
        self
    }

    /// Asks to make a call: the first try. It earns its share of a retry.
    ///
    /// # Errors
    /// Why not. Nothing was counted then.
    pub fn try_call(&self, now: Instant) -> Result<Call<'u>, CallRefusal> {
        let call = self.admit(now)?;
        self.upstream.retries.count_call(now);
        Ok(call)
    }

    /// Asks to make the same call again, out of the retry budget.
    ///
    /// # Errors
    /// Why not. Nothing was counted then.
    pub fn try_retry(&self, now: Instant) -> Result<Call<'u>, CallRefusal> {
        // The budget comes last: what the breaker refuses is not spent, and a probe that is dropped comes back.
        let call = self.admit(now)?;
        if self.upstream.retries.try_retry(now) { Ok(call) } else { Err(CallRefusal::RetriesExhausted) }
    }

    fn admit(&self, now: Instant) -> Result<Call<'u>, CallRefusal> {
        if self.deadline.is_expired(now) {
            return Err(CallRefusal::DeadlineExpired);
        }
        let Upstream { config, breaker, .. } = self.upstream;
        let ticket = match self.worker {
            Some(worker) => breaker.admit_by(worker, &config.breaker, now),
            None => breaker.admit(&config.breaker, now),
        };
        let ticket = ticket.map_err(|retry_at| CallRefusal::BreakerOpen { retry_at })?;
        Ok(Call { ticket, since: now, deadline: self.deadline })
    }
}

/// A call that is being made. Dropping it without a word, as when a handler is cancelled or panics, counts for nothing and
/// lets the next probe pass.
#[derive(Debug)]
#[must_use = "say how the call went"]
pub struct Call<'u> {
    ticket: Ticket<'u>,
    since: Instant,
    deadline: Deadline,
}

impl Call<'_> {
    /// Until when the service has to have answered: what its timeout and its deadline header are made of.
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The service did what it should.
    pub fn succeeded(self, now: Instant) {
        self.ticket.report(false, now.since(self.since), now);
    }

    /// The service did not: no connection, no answer in time, an answer that cannot be read.
    pub fn failed(self, now: Instant) {
        self.ticket.report(true, now.since(self.since), now);
    }

    /// The service answered with this status: 5xx is a failure, and what is the caller's fault is none.
    pub fn answered(self, status: u16, now: Instant) {
        if status >= 500 { self.failed(now) } else { self.succeeded(now) }
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use crate::admission::BreakerState;

    const NOW: Instant = Instant::from_millis(5_000);
    const SECOND: Duration = Duration::from_secs(1);
    const CONFIG: UpstreamConfig = UpstreamConfig {
        breaker: BreakerConfig { volume_min: 4, probes_max: 1, ..BreakerConfig::PRESET },
        retries: RetryConfig { percent: 20, reserve_per_s: 0 },
        margin: Duration::from_millis(5),
    };

    fn upstream() -> Upstream<'static> {
        Upstream::new(CONFIG, Breaker::new())
    }

    #[test]
    fn a_call_that_cannot_be_answered_in_time_is_not_made() {
        let upstream = upstream();
        let guard = upstream.guard(Deadline::at(NOW.plus(Duration::from_millis(20))));
        let call = guard.try_call(NOW).unwrap();
        assert_eq!(call.deadline().left(NOW), Duration::from_millis(15));
        call.succeeded(NOW);
        let late = NOW.plus(Duration::from_millis(15));
        assert_eq!(guard.try_call(late).unwrap_err(), CallRefusal::DeadlineExpired);
        assert_eq!(guard.try_retry(late).unwrap_err(), CallRefusal::DeadlineExpired);
    }

    #[test]
    fn a_failing_service_is_left_alone_and_probed_later() {
        let upstream = upstream();
        let guard = upstream.guard(Deadline::NEVER);
        for status in [500, 502, 503, 504] {
            guard.try_call(NOW).unwrap().answered(status, NOW);
        }
        let Err(CallRefusal::BreakerOpen { retry_at }) = guard.try_call(NOW) else { panic!("open") };
        let probe = guard.try_call(retry_at).unwrap();
        assert!(matches!(guard.try_call(retry_at), Err(CallRefusal::BreakerOpen { .. })));
        drop(probe);
        guard.try_call(retry_at).unwrap().answered(200, retry_at);
        assert_eq!(upstream.breaker().state(), BreakerState::Closed);
    }

    #[test]
    fn what_is_the_callers_fault_and_what_is_given_up_are_no_failures() {
        let upstream = upstream();
        let guard = upstream.guard(Deadline::NEVER).by(0);
        for _ in 0..100 {
            guard.try_call(NOW).unwrap().answered(404, NOW);
            drop(guard.try_call(NOW).unwrap());
        }
        assert_eq!(upstream.breaker().state(), BreakerState::Closed);
    }

    #[test]
    fn slow_answers_open_it_too() {
        let upstream = upstream();
        for _ in 0..4 {
            upstream.guard(Deadline::NEVER).try_call(NOW).unwrap().succeeded(NOW.plus(SECOND * 6));
        }
        assert_eq!(upstream.breaker().state(), BreakerState::Open);
    }

    #[test]
    fn retries_are_a_fifth_of_the_calls() {
        let upstream = upstream();
        let guard = upstream.guard(Deadline::NEVER);
        let mut retries = 0;
        for _ in 0..100 {
            guard.try_call(NOW).unwrap().succeeded(NOW);
            retries += u32::from(guard.try_retry(NOW).is_ok());
        }
        assert_eq!(retries, 20);
        assert_eq!(guard.try_retry(NOW).unwrap_err(), CallRefusal::RetriesExhausted);
    }

    #[test]
    fn a_retry_that_the_budget_refuses_gives_its_probe_back() {
        let upstream = upstream();
        let guard = upstream.guard(Deadline::NEVER);
        (0..4).for_each(|_| guard.try_call(NOW).unwrap().failed(NOW));
        let later = NOW.plus(SECOND * 40);
        assert_eq!(guard.try_retry(later).unwrap_err(), CallRefusal::RetriesExhausted);
        assert!(guard.try_call(later).is_ok());
    }
}
