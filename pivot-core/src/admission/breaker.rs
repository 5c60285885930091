//! Circuit breaker: stops sending requests to what fails, and finds out by probes when it works again.
//!
//! ```text
//!             too many failures, or too large a share of them
//!   Closed ───────────────────────────────────────────────────> Open { until }
//!     ^                                                          ^        │
//!     │ every probe succeeded          one probe failed          │        │ `until` has come
//!     └──────────────────────── HalfOpen { trials, successes } ──┘<───────┘
//! ```
//!
//! The whole breaker is one word and a pure function of it; the loop that swaps it in is model-checked. A result counts
//! only in the state period in which its request was let through: each change of state starts a new epoch.

use crate::sync::{AtomicU64, Ordering, is_mutant};
use crate::time::{Duration, Instant};

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Results are counted for this long, then counting starts anew. Whole seconds, 1–255.
    pub window: Duration,
    /// Fewer results than this in a window never open it. 1–1,000.
    pub volume_min: u16,
    /// It opens at this many failures in a window. 1–1,000.
    pub failures_max: u16,
    /// It opens when this share of a window's results are failures. Percent, 1–100.
    pub failure_percent_max: u8,
    /// An answer that takes longer is a failure.
    pub slow: Duration,
    /// How long it stays open at first; twice as long each time that a probe fails, up to 16 times as long.
    pub open: Duration,
    /// Most probes at once while it is half open, and how many have to succeed. 1–15.
    pub probes_max: u8,
}

impl BreakerConfig {
    /// 60 s, 20 results, 50 failures or 50 %, slow after 5 s, open for 30 s, 10 probes.
    pub const PRESET: Self = Self {
        window: Duration::from_secs(60),
        volume_min: 20,
        failures_max: 50,
        failure_percent_max: 50,
        slow: Duration::from_secs(5),
        open: Duration::from_secs(30),
        probes_max: 10,
    };
}

/// What a breaker is doing, as metrics show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything passes.
    Closed = 0,
    /// Probes pass.
    HalfOpen = 1,
    /// Nothing passes.
    Open = 2,
}

/// A breaker, shared by all workers.
#[derive(Debug)]
pub struct Breaker {
    word: AtomicU64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// A closed breaker.
    pub fn new() -> Self {
        Self { word: AtomicU64::new(State::CLOSED.pack()) }
    }

    /// Asks to let a request through.
    ///
    /// # Errors
    /// When to try again, while the breaker is open or has its probes out.
    pub fn admit<'b>(&'b self, config: &'b BreakerConfig, now: Instant) -> Result<Ticket<'b>, Instant> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let state = State::unpack(word);
            let (next, admitted) = state.next(Event::Admit, config, now);
            if next == state {
                return match admitted {
                    true => Ok(Ticket { breaker: self, config, epoch: state.epoch, is_probe: false }),
                    false => Err(state.retry_at(config, now)),
                };
            }
            match self.word.compare_exchange_weak(word, next.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if admitted => {
                    let is_probe = matches!(next.phase, Phase::HalfOpen { .. });
                    return Ok(Ticket { breaker: self, config, epoch: next.epoch, is_probe });
                }
                Ok(_) => return Err(next.retry_at(config, now)),
                Err(actual) => word = actual,
            }
        }
    }

    /// What it is doing. An open breaker whose time is over is open until somebody asks to pass.
    pub fn state(&self) -> BreakerState {
        match State::unpack(self.word.load(Ordering::Relaxed)).phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn record(&self, event: Event, epoch: u8, config: &BreakerConfig, now: Instant) {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let state = State::unpack(word);
            // A late result of an older state says nothing about this one.
            if state.epoch != epoch {
                return;
            }
            let (next, _) = state.next(event, config, now);
            if next == state {
                return;
            }
            if is_mutant("breaker_blind_store") {
                return self.word.store(next.pack(), Ordering::Release);
            }
            match self.word.compare_exchange_weak(word, next.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(actual) => word = actual,
            }
        }
    }
}

/// One request that a breaker let through. Dropping it without a result counts for nothing and frees its probe.
#[derive(Debug)]
pub struct Ticket<'b> {
    breaker: &'b Breaker,
    config: &'b BreakerConfig,
    epoch: u8,
    is_probe: bool,
}

impl Ticket<'_> {
    /// Reports how it went. An answer that was too slow is a failure.
    pub fn report(mut self, is_failure: bool, took: Duration, now: Instant) {
        let is_failure = is_failure || took > self.config.slow;
        let event = if is_failure { Event::Failure } else { Event::Success };
        self.breaker.record(event, self.epoch, self.config, now);
        self.is_probe = false;
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.record(Event::Abandoned, self.epoch, self.config, Instant::ZERO);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Admit,
    Success,
    Failure,
    Abandoned,
}

/// What the word holds. Moments are seconds of the clock, modulo 2¹⁶ (18 hours): no state is kept for longer than a
/// window or sixteen times `open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    epoch: u8,
    /// How often it opened in a row, at most 4.
    opened: u8,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed {
        since_s: u16,
        results: u16,
        failures: u16,
    },
    /// Until then, in units of 16 ms, modulo 2³².
    Open {
        until: u32,
    },
    HalfOpen {
        trials: u8,
        successes: u8,
    },
}

impl State {
    const CLOSED: Self =
        Self { epoch: 0, opened: 0, phase: Phase::Closed { since_s: 0, results: 0, failures: 0 } };

    /// The state after an event, and, for [`Event::Admit`], whether the request passes.
    fn next(self, event: Event, config: &BreakerConfig, now: Instant) -> (Self, bool) {
        match (self.phase, event) {
            (Phase::Closed { .. }, Event::Admit) => (self, true),
            (Phase::Closed { .. }, Event::Abandoned) => (self, false),
            (Phase::Closed { since_s, results, failures }, Event::Success | Event::Failure) => {
                let now_s = seconds(now);
                let is_over =
                    u64::from(now_s.wrapping_sub(since_s)) >= config.window.as_secs() || results == 0;
                let (since_s, results, failures) =
                    if is_over { (now_s, 0, 0) } else { (since_s, results, failures) };
                // Saturated counts keep their proportion well enough: 4,095 results are a volume.
                let results = (results + 1).min(COUNT_MAX);
                let failures = (failures + u16::from(event == Event::Failure)).min(COUNT_MAX);
                let share_is_bad =
                    u32::from(failures) * 100 >= u32::from(results) * u32::from(config.failure_percent_max);
                let trips = event == Event::Failure
                    && results >= config.volume_min
                    && (failures >= config.failures_max || share_is_bad);
                if trips {
                    return (self.trip(config, now), false);
                }
                (Self { phase: Phase::Closed { since_s, results, failures }, ..self }, false)
            }
            (Phase::Open { until }, Event::Admit) => {
                let left = until.wrapping_sub(units(now));
                // More than half of the range ahead is behind.
                if left == 0 || left > u32::MAX / 2 {
                    (self.enter(Phase::HalfOpen { trials: 1, successes: 0 }), true)
                } else {
                    (self, false)
                }
            }
            (Phase::Open { .. }, _) => (self, false),
            (Phase::HalfOpen { trials, successes }, Event::Admit) => {
                if trials + successes < config.probes_max {
                    (Self { phase: Phase::HalfOpen { trials: trials + 1, successes }, ..self }, true)
                } else {
                    (self, false)
                }
            }
            (Phase::HalfOpen { trials, successes }, Event::Success) => {
                if successes + 1 >= config.probes_max {
                    let phase = Phase::Closed { since_s: seconds(now), results: 0, failures: 0 };
                    (Self { opened: 0, ..self.enter(phase) }, false)
                } else {
                    let phase =
                        Phase::HalfOpen { trials: trials.saturating_sub(1), successes: successes + 1 };
                    (Self { phase, ..self }, false)
                }
            }
            (Phase::HalfOpen { .. }, Event::Failure) => (self.trip(config, now), false),
            (Phase::HalfOpen { trials, successes }, Event::Abandoned) => (
                Self { phase: Phase::HalfOpen { trials: trials.saturating_sub(1), successes }, ..self },
                false,
            ),
        }
    }

    fn trip(self, config: &BreakerConfig, now: Instant) -> Self {
        let open = config.open.saturating_mul(1 << self.opened.min(4));
        // Up to a tenth longer, by the epoch and the moment: breakers of one fleet do not probe in step.
        let spread =
            now.as_micros().wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(self.epoch)) >> 56;
        let open = open.saturating_add(open.saturating_mul(spread as u32) / 2_560);
        let phase = Phase::Open { until: units(now.plus(open)) };
        Self { opened: (self.opened + 1).min(4), ..self.enter(phase) }
    }

    fn enter(self, phase: Phase) -> Self {
        Self { epoch: self.epoch.wrapping_add(1), phase, ..self }
    }

    fn retry_at(self, config: &BreakerConfig, now: Instant) -> Instant {
        match self.phase {
            Phase::Open { until } => {
                now.plus(Duration::from_millis(u64::from(until.wrapping_sub(units(now))) << UNIT_MS_BITS))
            }
            _ => now.plus(config.open / 8),
        }
    }

    /// epoch 8, opened 4, phase 4, and 48 bits of the phase's own.
    const fn pack(self) -> u64 {
        let (kind, rest) = match self.phase {
            Phase::Closed { since_s, results, failures } => {
                (0, (since_s as u64) << 32 | (results as u64) << 16 | failures as u64)
            }
            Phase::Open { until } => (1, until as u64),
            Phase::HalfOpen { trials, successes } => (2, (trials as u64) << 8 | successes as u64),
        };
        (self.epoch as u64) << 56 | (self.opened as u64) << 52 | kind << 48 | rest
    }

    const fn unpack(word: u64) -> Self {
        let phase = match word >> 48 & 15 {
            0 => Phase::Closed {
                since_s: (word >> 32) as u16,
                results: (word >> 16) as u16,
                failures: word as u16,
            },
            1 => Phase::Open { until: word as u32 },
            _ => Phase::HalfOpen { trials: (word >> 8) as u8, successes: word as u8 },
        };
        Self { epoch: (word >> 56) as u8, opened: (word >> 52 & 15) as u8, phase }
    }
}

fn seconds(now: Instant) -> u16 {
    (now.as_micros() / 1_000_000) as u16
}

fn units(now: Instant) -> u32 {
    (now.as_millis() >> UNIT_MS_BITS) as u32
}

const UNIT_MS_BITS: u32 = 4;
const COUNT_MAX: u16 = 4_095;

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    const CONFIG: BreakerConfig = BreakerConfig {
        window: Duration::from_secs(60),
        volume_min: 4,
        failures_max: 50,
        failure_percent_max: 50,
        slow: Duration::from_secs(5),
        open: Duration::from_secs(30),
        probes_max: 2,
    };
    const QUICK: Duration = Duration::from_millis(1);

    /// A changed behaviour shows as a changed line.
    #[test]
    fn every_event_in_every_state() {
        let now = Instant::from_millis(1_000_000);
        let open = |ms: u64| State {
            epoch: 1,
            opened: 1,
            phase: Phase::Open { until: units(Instant::from_millis(ms)) },
        };
        let half =
            |trials, successes| State { epoch: 2, opened: 1, phase: Phase::HalfOpen { trials, successes } };
        let closed = |results, failures| State {
            phase: Phase::Closed { since_s: 990, results, failures },
            ..State::CLOSED
        };
        let states = [
            ("closed, quiet", closed(0, 0)),
            ("closed, 3 of 3 failed", closed(3, 3)),
            ("closed, 1 of 9 failed", closed(9, 1)),
            ("open", open(1_010_000)),
            ("open, over", open(1_000_000)),
            ("half open, 1 trial", half(1, 0)),
            ("half open, 1 trial, 1 ok", half(1, 1)),
            ("half open, full", half(2, 0)),
        ];
        let mut table = String::new();
        for (name, state) in states {
            for event in [Event::Admit, Event::Success, Event::Failure, Event::Abandoned] {
                let (next, passes) = state.next(event, &CONFIG, now);
                let effect = match next.phase {
                    _ if next == state => String::from("stays"),
                    Phase::Closed { results, failures, .. } => format!("closed, {failures} of {results}"),
                    Phase::Open { .. } => String::from("opens"),
                    Phase::HalfOpen { trials, successes } => {
                        format!("half open, {trials} out, {successes} ok")
                    }
                };
                let passes = if passes { ", passes" } else { "" };
                table += &format!("{name:<26}{:<12}{effect}{passes}\n", format!("{event:?}"));
            }
        }
        assert_eq!(table, include_str!("breaker_table.txt"), "\n{table}");
    }

    #[test]
    fn it_opens_at_half_of_the_results_and_closes_when_all_probes_succeed() {
        let breaker = Breaker::new();
        let mut now = Instant::from_millis(5_000);
        for failed in [false, true, false, true] {
            breaker.admit(&CONFIG, now).unwrap().report(failed, QUICK, now);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        let retry_at = breaker.admit(&CONFIG, now).unwrap_err();
        let wait = retry_at.since(now);
        assert!(wait >= Duration::from_secs(29) && wait <= Duration::from_secs(34), "{wait:?}");
        now = retry_at.plus(QUICK * 16);
        let (one, two) = (breaker.admit(&CONFIG, now).unwrap(), breaker.admit(&CONFIG, now).unwrap());
        assert!(breaker.admit(&CONFIG, now).is_err(), "no more probes than that at once");
        drop(two);
        let two = breaker.admit(&CONFIG, now).expect("a dropped probe makes room for another");
        one.report(false, QUICK, now);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        two.report(false, QUICK, now);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_failed_probe_opens_it_for_longer() {
        let breaker = Breaker::new();
        let mut now = Instant::from_millis(5_000);
        for _ in 0..4 {
            breaker.admit(&CONFIG, now).unwrap().report(true, QUICK, now);
        }
        now = now.plus(Duration::from_secs(40));
        breaker.admit(&CONFIG, now).unwrap().report(true, QUICK, now);
        assert!(breaker.admit(&CONFIG, now.plus(Duration::from_secs(50))).is_err());
        assert!(breaker.admit(&CONFIG, now.plus(Duration::from_secs(70))).is_ok());
    }

    #[test]
    fn a_late_result_of_an_older_state_is_ignored_and_a_slow_answer_is_a_failure() {
        let breaker = Breaker::new();
        let now = Instant::from_millis(5_000);
        let late = breaker.admit(&CONFIG, now).unwrap();
        for _ in 0..4 {
            breaker.admit(&CONFIG, now).unwrap().report(false, Duration::from_secs(6), now);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        let later = now.plus(Duration::from_secs(40));
        let _probe = breaker.admit(&CONFIG, later).unwrap();
        late.report(true, QUICK, later);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn a_word_keeps_a_state() {
        for phase in [
            Phase::Closed { since_s: 65_535, results: 4_095, failures: 4_095 },
            Phase::Open { until: u32::MAX },
            Phase::HalfOpen { trials: 15, successes: 15 },
        ] {
            let state = State { epoch: 255, opened: 4, phase };
            assert_eq!(State::unpack(state.pack()), state);
        }
    }
}
