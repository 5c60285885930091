//! Circuit breaker: stops sending requests to what fails, and finds out by probes when it works again.
//!
//! ```text
//!            a bad result, and in the window: `volume_min` results or more, of which
//!            `failures_max` or `failure_percent_max` failed, or `slow_percent_max` were slow
//!   Closed ───────────────────────────────────────────────────────────────> Open { until }
//!     ^                                                                       ^       │
//!     │ `probes_max` probes went well               one probe failed, was slow│       │ somebody asks after `until`
//!     └──────────────────────── HalfOpen { trials, successes } ───────────────┘<──────┘
//! ```
//!
//! **What it protects.** The caller, from waiting for what will not answer; and what fails, from more load while it
//! recovers. **When not to use it.** A breaker turns a partial failure into a full one: behind it everybody is
//! refused, also those who would have been served. What is merely overloaded is better helped by shedding in
//! proportion, a concurrency limit and a deadline; give a breaker limits that only a real outage reaches. It is of no use
//! either where one failing part hides behind a name that it shares with many that work.
//!
//! **What counts.** Failures are what the guarded part did wrong: 5xx, broken connections, timeouts. A request that was
//! refused before it got there, that the client gave up, or whose fault is the client's (4xx) is none: drop its
//! [`Ticket`], or report it as good. Slow results are counted apart from failures; a result can be both. A result counts
//! only in the period of the state in which its request was let through: later it is discarded.
//!
//! **Knobs**, with units, ranges and defaults: [`BreakerConfig`].
//!
//! **Cost.** The state is one word, changed by a pure function and a loop that swaps the result in. Results are counted
//! beside it, in a [lane](Lane) of three words. While all goes well, asking is one load of a word that hardly ever
//! changes, and a good result one more load, and a load and a store in the worker's own lane: no read-modify-write, no
//! cache line that two workers write, about 60 instructions for both together. Only a bad result reads the lanes of all
//! workers and judges. Whoever has no lane of its own counts in the breaker's, by compare-and-swap.
//!
//! **How exact that is.** With one counter (a single worker, or all in the breaker's own lane) results are judged exactly
//! in their order. With several, a failure is judged by what the others had counted when it was; of two failures
//! at once at least one sees the other, so no trip is missed. A window ends by time for all at once; by number
//! when any one counter holds `results_max`. A result whose worker is overtaken by two windows while it counts is lost.

mod config;
mod lane;
mod registry;
mod state;

#[cfg(all(test, not(pivot_loom)))]
mod reference;

pub use config::BreakerConfig;
pub use lane::Lane;
pub use registry::{Registry, RegistryError, RegistrySlot};

use self::lane::{Tally, Writers};
use self::state::{Event, Period, Phase, State};
use crate::sync::{AtomicU64, Ordering, fence, is_mutant};
use crate::time::{Duration, Instant};
use core::mem::ManuallyDrop;

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
///
/// # Examples
/// ```
/// use pivot_core::admission::{Breaker, BreakerConfig, BreakerState};
/// use pivot_core::time::{Duration, Instant};
///
/// let (breaker, now) = (Breaker::new(), Instant::from_millis(1));
/// for _ in 0..20 {
///     let ticket = breaker.admit(&BreakerConfig::PRESET, now).expect("closed");
///     ticket.report(true, Duration::from_millis(3), now);
/// }
/// assert_eq!(breaker.state(), BreakerState::Open);
/// assert!(breaker.admit(&BreakerConfig::PRESET, now).is_err());
/// ```
#[derive(Debug)]
pub struct Breaker<'s> {
    word: AtomicU64,
    /// Where those count who have no lane of their own.
    shared: Lane,
    /// This breaker's lane of the first worker, and all behind it: the next worker's is `stride` on.
    lanes: &'s [Lane],
    stride: usize,
}

impl Default for Breaker<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'s> Breaker<'s> {
    /// A closed breaker; all count in one lane.
    pub fn new() -> Self {
        Self::with_lanes(&[], 0, 0)
    }

    /// A closed breaker, the one with this `index` of `count`, where each worker counts in a lane of its own.
    ///
    /// `lanes` are those of all `count` breakers: [`Lane::count_for`] says how many. A worker for whom they have none
    /// counts in the breaker's.
    pub fn with_lanes(lanes: &'s [Lane], index: usize, count: usize) -> Self {
        let stride = Lane::count_for(1, count);
        Self {
            word: AtomicU64::new(State::CLOSED.pack()),
            shared: Lane::new(),
            // No worker has the last number: that is for those who are none.
            lanes: lanes
                .get(index..lanes.len().min(stride.saturating_mul(NO_WORKER.into())))
                .unwrap_or_default(),
            stride,
        }
    }

    /// Asks to let a request through. For any thread.
    ///
    /// # Errors
    /// When to try again, while the breaker is open or has its probes out.
    pub fn admit<'b>(&'b self, config: &'b BreakerConfig, now: Instant) -> Result<Ticket<'b>, Instant> {
        self.admit_by(NO_WORKER, config, now)
    }

    /// Asks to let a request through, on behalf of a worker: its result is counted in the lane of this worker.
    ///
    /// Tickets of one worker have to be reported by one thread at a time; two would lose counts, nothing else.
    ///
    /// # Errors
    /// When to try again, while the breaker is open or has its probes out.
    #[inline(always)]
    pub fn admit_by<'b>(
        &'b self,
        worker: u16,
        config: &'b BreakerConfig,
        now: Instant,
    ) -> Result<Ticket<'b>, Instant> {
        // Relaxed, here and below: the word publishes nothing but itself.
        let word = self.word.load(Ordering::Relaxed);
        let period = Period::of(word);
        if period.is_closed() {
            Ok(Ticket { breaker: self, config, grant: Grant::new(period, worker) })
        } else {
            self.admit_probe(word, worker, config, now)
        }
    }

    #[cold]
    fn admit_probe<'b>(
        &'b self,
        mut word: u64,
        worker: u16,
        config: &'b BreakerConfig,
        now: Instant,
    ) -> Result<Ticket<'b>, Instant> {
        while !Period::of(word).is_closed() {
            let state = State::unpack(word);
            let next = state.next(Event::Admit, config, now);
            if next == state {
                return Err(state.retry_at(config, now));
            }
            match self.swap(word, next) {
                Ok(()) => word = next.pack(),
                Err(actual) => {
                    word = actual;
                    continue;
                }
            }
            break;
        }
        Ok(Ticket { breaker: self, config, grant: Grant::new(Period::of(word), worker) })
    }

    /// What it is doing. An open breaker whose time is over is open until somebody asks to pass.
    pub fn state(&self) -> BreakerState {
        match State::unpack(self.word.load(Ordering::Relaxed)).phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Counts a good result where that is quick: closed, in a window in which its lane has counted before. Whether it was.
    #[inline]
    fn count_good(&self, grant: Grant, config: &BreakerConfig, now: Instant) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        let (lane, writers) = self.lane(grant.worker());
        let period = Period::of(word);
        period == grant.period()
            && period.is_closed()
            && state::is_in_window(word, config, now)
            && lane.count_good(state::turn_of(word), config, writers)
    }

    /// Counts a result, in any state.
    #[cold]
    fn record(&self, grant: Grant, is_failure: bool, is_slow: bool, config: &BreakerConfig, now: Instant) {
        let period = grant.period();
        let (lane, writers) = self.lane(grant.worker());
        let word = self.word.load(Ordering::Relaxed);
        let state = State::unpack(word);
        let is_full = lane.results(state.turn) >= config.results_max;
        let count = |_| Event::Count { is_full };
        let Some(state) = self.change(word, period, count, config, now) else { return };
        let is_closed = matches!(state.phase, Phase::Closed { .. });
        if is_closed {
            lane.count_result(state.turn, writers);
            lane.count_bad(state.turn, is_failure, is_slow, writers);
        }
        if is_failure || is_slow {
            if !is_mutant("breaker_no_fence") {
                // Pairs with itself: of two that count and then read each other's lane, one sees the other's count.
                fence(Ordering::SeqCst);
            }
            self.change(state.pack(), period, |turn| Event::Bad(self.tally(turn)), config, now);
        } else if !is_closed {
            self.change(state.pack(), period, |_| Event::Good, config, now);
        }
    }

    /// Lets an event happen, in this period only. The state after it; `None` if the period is over.
    ///
    /// The loop ends: each round that fails is one in which another thread's change went in.
    fn change(
        &self,
        mut word: u64,
        period: Period,
        event: impl Fn(u16) -> Event,
        config: &BreakerConfig,
        now: Instant,
    ) -> Option<State> {
        loop {
            if Period::of(word) != period && !is_mutant("breaker_no_epoch") {
                return None;
            }
            let state = State::unpack(word);
            let next = state.next(event(state.turn), config, now);
            if next == state {
                return Some(state);
            }
            match self.swap(word, next) {
                Ok(()) => return Some(next),
                Err(actual) => word = actual,
            }
        }
    }

    fn swap(&self, word: u64, next: State) -> Result<(), u64> {
        if is_mutant("breaker_blind_store") {
            self.word.store(next.pack(), Ordering::Relaxed);
            return Ok(());
        }
        self.word.compare_exchange_weak(word, next.pack(), Ordering::Relaxed, Ordering::Relaxed).map(drop)
    }

    #[inline]
    fn lane(&self, worker: u16) -> (&Lane, Writers) {
        match self.lanes.get(usize::from(worker).wrapping_mul(self.stride)) {
            Some(lane) => (lane, Writers::One),
            None => (&self.shared, Writers::Any),
        }
    }

    fn tally(&self, turn: u16) -> Tally {
        let mut tally = Tally::default();
        tally.add(&self.shared, turn);
        self.lanes.iter().step_by(self.stride).for_each(|lane| tally.add(lane, turn));
        tally
    }
}

/// One request that a breaker let through. Dropping it without a result counts for nothing and frees its probe.
#[derive(Debug)]
#[must_use = "a result that is not reported is not counted"]
pub struct Ticket<'b> {
    breaker: &'b Breaker<'b>,
    config: &'b BreakerConfig,
    grant: Grant,
}

impl Ticket<'_> {
    /// Reports how it went, and how long it took.
    #[inline]
    pub fn report(self, is_failure: bool, took: Duration, now: Instant) {
        // What is reported is not abandoned.
        let Self { breaker, config, grant } = *ManuallyDrop::new(self);
        let is_slow = took > config.slow;
        if (is_failure | is_slow) || !breaker.count_good(grant, config, now) {
            breaker.record(grant, is_failure, is_slow, config, now);
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let period = self.grant.period();
        if !period.is_closed() {
            let word = self.breaker.word.load(Ordering::Relaxed);
            // What is given back does not depend on the time.
            self.breaker.change(word, period, |_| Event::Abandoned, self.config, Instant::ZERO);
        }
    }
}

/// To whom and in which period a request was let through, in one word that is moved at once: parts that are written one
/// by one and read together would wait for the store buffer on every request.
#[derive(Clone, Copy, Debug)]
struct Grant(u64);

impl Grant {
    #[inline]
    const fn new(period: Period, worker: u16) -> Self {
        Self((period.0 as u64) << 16 | worker as u64)
    }

    #[inline]
    const fn period(self) -> Period {
        Period((self.0 >> 16) as u32)
    }

    #[inline]
    const fn worker(self) -> u16 {
        self.0 as u16
    }
}

/// The worker of those who have none.
const NO_WORKER: u16 = u16::MAX;

#[cfg(all(test, not(pivot_loom)))]
mod tests;
