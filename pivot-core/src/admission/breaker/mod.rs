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
//! refused, also those who would have been served. What is merely overloaded is better helped by shedding in proportion, a
//! concurrency limit and a deadline; give a breaker limits that only a real outage reaches. It is of no use either where
//! one failing part hides behind a name that it shares with many that work.
//!
//! **What counts.** Failures are what the guarded part did wrong: 5xx, broken connections, timeouts. A request that was
//! refused before it got there, that the client gave up, or whose fault is the client's (4xx) is none: drop its
//! [`Ticket`], or report it as good. Slow results are counted apart from failures; a result can be both. A result counts
//! only in the period of the state in which its request was let through: later it is discarded.
//!
//! **Knobs**, with units, ranges and defaults: [`BreakerConfig`].
//!
//! **Cost.** The state is one word, changed by a pure function and a loop that swaps the result in. Results are counted
//! beside it, in a [lane](LaneBlock) of three words. While all goes well, asking is one load of a word that hardly ever changes, and a
//! good result one more load, and a load and a store in the worker's own lane: no read-modify-write, no cache line that
//! two workers write. Only a bad result reads the lanes of all workers and judges. Whoever has no lane of its own counts in the
//! breaker's, by compare-and-swap.
//!
//! **How exact that is.** With one counter (a single worker, or all in the breaker's own lane) results are judged exactly
//! in their order. With several, a failure is judged by what the others had counted when it was; of two failures
//! at once at least one sees the other, so no trip is missed. A window ends by time for all at once; by number
//! when any one counter holds `results_max`. A result whose worker is overtaken by two windows while it counts is lost.

mod config;
mod lane;
mod state;

#[cfg(all(test, not(pivot_loom)))]
mod reference;

pub use config::BreakerConfig;
pub use lane::LaneBlock;

use self::lane::{Lane, Tally, Writers};
use self::state::{Event, Phase, State};
use crate::sync::{AtomicU64, Ordering, fence, is_mutant};
use crate::time::{Duration, Instant};

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
    /// For each worker `stride` blocks, of which this breaker's lane is in the first, at `place`.
    blocks: &'s [LaneBlock],
    stride: u32,
    place: u32,
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
    /// `blocks` are those of all `count` breakers: [`LaneBlock::count_for`] says how many. A worker for whom they
    /// have no lane counts in the breaker's.
    pub fn with_lanes(blocks: &'s [LaneBlock], index: usize, count: usize) -> Self {
        Self {
            word: AtomicU64::new(State::CLOSED.pack()),
            shared: Lane::new(),
            blocks: blocks.get(index / LaneBlock::LANES..).unwrap_or_default(),
            stride: LaneBlock::count_for(1, count).max(1) as u32,
            place: (index % LaneBlock::LANES) as u32,
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
    #[inline]
    pub fn admit_by<'b>(
        &'b self,
        worker: u16,
        config: &'b BreakerConfig,
        now: Instant,
    ) -> Result<Ticket<'b>, Instant> {
        // Relaxed, here and below: the word publishes nothing but itself.
        let word = self.word.load(Ordering::Relaxed);
        let state = State::unpack(word);
        match state.phase {
            Phase::Closed { .. } => {
                Ok(Ticket { breaker: self, config, worker, epoch: state.epoch, is_probe: false })
            }
            _ => self.admit_probe(word, worker, config, now),
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
        loop {
            let state = State::unpack(word);
            if let Phase::Closed { .. } = state.phase {
                return Ok(Ticket { breaker: self, config, worker, epoch: state.epoch, is_probe: false });
            }
            let next = state.next(Event::Admit, config, now);
            if next == state {
                return Err(state.retry_at(config, now));
            }
            match self.swap(word, next) {
                Ok(_) => {
                    return Ok(Ticket { breaker: self, config, worker, epoch: next.epoch, is_probe: true });
                }
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

    /// Counts a result where that is quick: closed, in its window, and good. Whether that was so.
    #[inline]
    fn count_good(&self, worker: u16, epoch: u16, config: &BreakerConfig, now: Instant) -> bool {
        let state = State::unpack(self.word.load(Ordering::Relaxed));
        let (lane, writers) = self.lane(worker);
        let is_full = lane.results(state.turn) >= config.results_max;
        let is_quick = state.epoch == epoch
            && matches!(state.phase, Phase::Closed { .. })
            && state.next(Event::Count { is_full }, config, now) == state;
        if is_quick {
            lane.count_result(state.turn, writers);
        }
        is_quick
    }

    /// Counts a result, in any state.
    #[cold]
    fn record(&self, ticket: &Ticket<'_>, is_failure: bool, is_slow: bool, now: Instant) {
        let Ticket { config, worker, epoch, .. } = *ticket;
        let (lane, writers) = self.lane(worker);
        let word = self.word.load(Ordering::Relaxed);
        let state = State::unpack(word);
        let is_full = lane.results(state.turn) >= config.results_max;
        let count = |_| Event::Count { is_full };
        let Some(state) = self.change(word, epoch, count, config, now) else { return };
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
            self.change(state.pack(), epoch, |turn| Event::Bad(self.tally(turn)), config, now);
        } else if !is_closed {
            self.change(state.pack(), epoch, |_| Event::Good, config, now);
        }
    }

    /// Lets an event happen, in the period of this epoch only. The state after it; `None` if the period is over.
    ///
    /// The loop ends: each round that fails is one in which another thread's change went in.
    fn change(
        &self,
        mut word: u64,
        epoch: u16,
        event: impl Fn(u16) -> Event,
        config: &BreakerConfig,
        now: Instant,
    ) -> Option<State> {
        loop {
            let state = State::unpack(word);
            if state.epoch != epoch && !is_mutant("breaker_no_epoch") {
                return None;
            }
            let next = state.next(event(state.turn), config, now);
            if next == state {
                return Some(state);
            }
            match self.swap(word, next) {
                Ok(_) => return Some(next),
                Err(actual) => word = actual,
            }
        }
    }

    fn swap(&self, word: u64, next: State) -> Result<u64, u64> {
        if is_mutant("breaker_blind_store") {
            self.word.store(next.pack(), Ordering::Relaxed);
            return Ok(word);
        }
        self.word.compare_exchange_weak(word, next.pack(), Ordering::Relaxed, Ordering::Relaxed)
    }

    #[inline]
    fn lane(&self, worker: u16) -> (&Lane, Writers) {
        let block = usize::from(worker).wrapping_mul(self.stride as usize);
        match self.blocks.get(block).and_then(|block| block.0.get(self.place as usize)) {
            Some(lane) if worker != NO_WORKER => (lane, Writers::One),
            _ => (&self.shared, Writers::Any),
        }
    }

    fn tally(&self, turn: u16) -> Tally {
        let mut tally = Tally::default();
        tally.add(&self.shared, turn);
        let lanes = self.blocks.iter().step_by(self.stride as usize);
        lanes.filter_map(|block| block.0.get(self.place as usize)).for_each(|lane| tally.add(lane, turn));
        tally
    }
}

/// One request that a breaker let through. Dropping it without a result counts for nothing and frees its probe.
#[derive(Debug)]
#[must_use = "a result that is not reported is not counted"]
pub struct Ticket<'b> {
    breaker: &'b Breaker<'b>,
    config: &'b BreakerConfig,
    worker: u16,
    epoch: u16,
    is_probe: bool,
}

impl Ticket<'_> {
    /// Reports how it went, and how long it took.
    #[inline]
    pub fn report(mut self, is_failure: bool, took: Duration, now: Instant) {
        let is_slow = took > self.config.slow;
        let is_good = !is_failure && !is_slow;
        if !(is_good && self.breaker.count_good(self.worker, self.epoch, self.config, now)) {
            self.breaker.record(&self, is_failure, is_slow, now);
        }
        self.is_probe = false;
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            let word = self.breaker.word.load(Ordering::Relaxed);
            // What is given back does not depend on the time.
            let now = Instant::ZERO;
            self.breaker.change(word, self.epoch, |_| Event::Abandoned, self.config, now);
        }
    }
}

/// The worker of those who have none.
const NO_WORKER: u16 = u16::MAX;

#[cfg(all(test, not(pivot_loom)))]
mod tests;
