//! What a breaker's word holds, and what becomes of it: a pure function, tested with plain values.

use super::config::{BreakerConfig, GROWTH_MAX, MOMENT_BITS, MOMENT_MASK, Moment, UNIT_BITS, ahead, moment};
use super::lane::{Sums, Tally};
use crate::time::{Duration, Instant};

/// What happens to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A request asks to pass.
    Admit,
    /// A result is about to be counted by one whose counter is full for this window, or is not.
    Count { is_full: bool },
    /// A result is good.
    Good,
    /// A result is bad: a failure or slow. What was counted so far, with it.
    Bad(Tally),
    /// A request that passed ends without a result.
    Abandoned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Grows with each change of phase, modulo 2¹⁵: a result of an older one is late.
    pub(super) epoch: u16,
    /// How often it opened in a row, at most [`GROWTH_MAX`].
    pub(super) opened: u8,
    /// The number of the window in which results are counted.
    pub(super) turn: u16,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The window ends then.
    Closed { until: Moment },
    /// It stays open until then.
    Open { until: Moment },
    /// Probes that are out, and that went well.
    HalfOpen { trials: u8, successes: u8 },
}

impl State {
    pub(super) const CLOSED: Self = Self { epoch: 0, opened: 0, turn: 0, phase: Phase::Closed { until: 0 } };

    /// The state after an event. A request passes unless this is [`Phase::Open`] or, half open, did not change.
    pub(super) fn next(self, event: Event, config: &BreakerConfig, now: Instant) -> Self {
        match (self.phase, event) {
            (Phase::Closed { until }, Event::Count { is_full }) => self.turned(until, is_full, config, now),
            (Phase::Closed { until }, Event::Bad(tally)) => {
                let window = config.window_units();
                let left = ahead(until, moment(now));
                let left = if left > window { 0 } else { left };
                if trips(&tally, left, config) { self.trip(config, now) } else { self }
            }
            (Phase::Closed { .. }, Event::Admit | Event::Good | Event::Abandoned) => self,

            (Phase::Open { until }, Event::Admit) => {
                let left = ahead(until, moment(now));
                // What lies further ahead than it can have been put lies behind, or the clock was set.
                if left == 0 || left > config.open_units_max(self.opened) {
                    self.enter(Phase::HalfOpen { trials: 1, successes: 0 })
                } else {
                    self
                }
            }
            (Phase::Open { .. }, _) => self,

            (Phase::HalfOpen { trials, successes }, Event::Admit) => {
                if trials + successes < config.probes_max {
                    Self { phase: Phase::HalfOpen { trials: trials + 1, successes }, ..self }
                } else {
                    self
                }
            }
            (Phase::HalfOpen { trials, successes }, Event::Good) => {
                let (trials, successes) = (trials.saturating_sub(1), successes + 1);
                if successes >= config.probes_max {
                    let until = moment(now).wrapping_add(config.window_units()) & MOMENT_MASK;
                    // Two turns on, nothing that was counted before is in view.
                    let turn = self.turn.wrapping_add(2);
                    Self { opened: 0, turn, ..self.enter(Phase::Closed { until }) }
                } else {
                    Self { phase: Phase::HalfOpen { trials, successes }, ..self }
                }
            }
            (Phase::HalfOpen { .. }, Event::Bad(_)) => self.trip(config, now),
            (Phase::HalfOpen { trials, successes }, Event::Abandoned) => {
                Self { phase: Phase::HalfOpen { trials: trials.saturating_sub(1), successes }, ..self }
            }
            (Phase::HalfOpen { .. }, Event::Count { .. }) => self,
        }
    }

    /// The state with the window that holds `now`.
    #[inline]
    fn turned(self, until: Moment, is_full: bool, config: &BreakerConfig, now: Instant) -> Self {
        let (now, window) = (moment(now), config.window_units());
        let late = ahead(now, until);
        let (turns, until) = if ahead(until, now).wrapping_sub(1) < window {
            if !is_full {
                return self;
            }
            (1, now.wrapping_add(window))
        } else if late < window {
            // The next window begins where this one ended, however late its first result is.
            (1, until.wrapping_add(window))
        } else {
            // Nothing came for a whole window, or the clock was set back: what was counted is too old.
            (2, now.wrapping_add(window))
        };
        let phase = Phase::Closed { until: until & MOMENT_MASK };
        Self { turn: self.turn.wrapping_add(turns), phase, ..self }
    }

    fn trip(self, config: &BreakerConfig, now: Instant) -> Self {
        let open = config.open_units(self.opened, self.epoch, now);
        let phase = Phase::Open { until: moment(now).wrapping_add(open) & MOMENT_MASK };
        Self { opened: (self.opened + 1).min(GROWTH_MAX), ..self.enter(phase) }
    }

    fn enter(self, phase: Phase) -> Self {
        Self { epoch: (self.epoch + 1) & EPOCH_MASK, phase, ..self }
    }

    /// When to come back after a refusal.
    pub(super) fn retry_at(self, config: &BreakerConfig, now: Instant) -> Instant {
        match self.phase {
            Phase::Open { until } => {
                let units = (now.as_micros() >> UNIT_BITS) + u64::from(ahead(until, moment(now)));
                Instant::from_micros(units << UNIT_BITS)
            }
            // The probes are out: an eighth of the time that it would stay open.
            _ => now.plus((config.open / 8).max(Duration::from_millis(1))),
        }
    }

    /// 28 bits of the phase's own, turn 16, opened 3, epoch 15, phase 2: the top bit says whether it is not closed.
    pub(super) const fn pack(self) -> u64 {
        let (kind, own) = match self.phase {
            Phase::Closed { until } => (KIND_CLOSED, until as u64),
            Phase::Open { until } => (KIND_OPEN, until as u64),
            Phase::HalfOpen { trials, successes } => {
                (KIND_HALF_OPEN, (trials as u64) << 8 | successes as u64)
            }
        };
        (self.epoch as u64) << EPOCH_SHIFT
            | kind << KIND_SHIFT
            | (self.opened as u64) << OPENED_SHIFT
            | (self.turn as u64) << MOMENT_BITS
            | own
    }

    #[inline]
    pub(super) const fn unpack(word: u64) -> Self {
        let phase = match word >> KIND_SHIFT {
            KIND_CLOSED => Phase::Closed { until: word as u32 & MOMENT_MASK },
            KIND_OPEN => Phase::Open { until: word as u32 & MOMENT_MASK },
            _ => Phase::HalfOpen { trials: (word >> 8) as u8, successes: word as u8 },
        };
        Self {
            epoch: (word >> EPOCH_SHIFT) as u16 & EPOCH_MASK,
            opened: (word >> OPENED_SHIFT & 7) as u8,
            turn: turn_of(word),
            phase,
        }
    }
}

/// Epoch and phase of a word: what a result has to agree with to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period(pub(super) u32);

impl Period {
    #[inline]
    pub(super) const fn of(word: u64) -> Self {
        Self((word >> EPOCH_SHIFT) as u32)
    }

    #[inline]
    pub(super) const fn is_closed(self) -> bool {
        self.0 >> (u64::BITS - 1 - EPOCH_SHIFT) == 0
    }
}

/// The turn of a word.
#[inline]
pub(super) const fn turn_of(word: u64) -> u16 {
    (word >> MOMENT_BITS) as u16
}

/// Whether `now` is in the window of a closed breaker's word.
#[inline]
pub(super) const fn is_in_window(word: u64, config: &BreakerConfig, now: Instant) -> bool {
    ahead(word as u32 & MOMENT_MASK, moment(now)).wrapping_sub(1) < config.window_units()
}

/// Whether a window is bad enough, when `left` of its time is still to come.
fn trips(tally: &Tally, left: u32, config: &BreakerConfig) -> bool {
    let Tally { current, previous } = tally;
    // The window before counts by the share of it that is still in view: by time, or by number if that is less.
    let (window, left) = (u64::from(config.window_units()), u64::from(left));
    let full = u64::from(config.results_max);
    let room = full.saturating_sub(current.results);
    let (share, whole) = if left * full <= room * window { (left, window) } else { (room, full) };
    // In fractions of `whole`, so that nothing is rounded: 2³¹ × 2²⁴ × 100 fits.
    let weigh = |of: fn(&Sums) -> u64| of(current) * whole + of(previous) * share;
    let results = weigh(|sums| sums.results);
    let failures = weigh(|sums| sums.failures);
    let slow = weigh(|sums| sums.slow);
    results >= u64::from(config.volume_min) * whole
        && (failures >= u64::from(config.failures_max) * whole
            || failures * 100 >= results * u64::from(config.failure_percent_max)
            || slow * 100 >= results * u64::from(config.slow_percent_max))
}

const OPENED_SHIFT: u32 = MOMENT_BITS + 16;
const EPOCH_SHIFT: u32 = OPENED_SHIFT + 3;
const KIND_SHIFT: u32 = EPOCH_SHIFT + 15;
const KIND_CLOSED: u64 = 0;
const KIND_OPEN: u64 = 2;
const KIND_HALF_OPEN: u64 = 3;
const EPOCH_MASK: u16 = (1 << 15) - 1;

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    const CONFIG: BreakerConfig = BreakerConfig { volume_min: 4, probes_max: 2, ..BreakerConfig::PRESET };

    fn sums(results: u64, failures: u64, slow: u64) -> Sums {
        Sums { results, failures, slow }
    }

    /// A changed behaviour shows as a changed line.
    #[test]
    fn every_event_in_every_state() {
        let now = Instant::from_millis(1_000_000);
        let at = |ms: u64| moment(Instant::from_millis(ms));
        let closed = |ms| State { turn: 7, phase: Phase::Closed { until: at(ms) }, ..State::CLOSED };
        let open = |ms| State { epoch: 1, opened: 1, turn: 7, phase: Phase::Open { until: at(ms) } };
        let half = |trials, successes| State {
            epoch: 2,
            opened: 1,
            turn: 7,
            phase: Phase::HalfOpen { trials, successes },
        };
        let states = [
            ("closed", closed(1_030_000)),
            ("closed, window over", closed(990_000)),
            ("closed, window long over", closed(900_000)),
            ("closed, clock set back", closed(9_000_000)),
            ("open", open(1_010_000)),
            ("open, over", open(1_000_000)),
            ("open, long over", open(1_000)),
            ("open, clock set back", open(9_000_000)),
            ("half open, 1 trial", half(1, 0)),
            ("half open, 1 trial, 1 ok", half(1, 1)),
            ("half open, full", half(2, 0)),
            ("half open, none out", half(0, 0)),
        ];
        let tally = |current, previous| Event::Bad(Tally { current, previous });
        let none = sums(0, 0, 0);
        let events = [
            ("admit", Event::Admit),
            ("count", Event::Count { is_full: false }),
            ("count, full", Event::Count { is_full: true }),
            ("good", Event::Good),
            ("bad: 3 of 3", tally(sums(3, 3, 0), none)),
            ("bad: 2 of 4", tally(sums(4, 2, 0), none)),
            ("bad: 1 of 4", tally(sums(4, 1, 0), none)),
            ("bad: 49 of 999", tally(sums(999, 49, 0), none)),
            ("bad: 50 of 999", tally(sums(999, 50, 0), none)),
            ("bad: 2 of 4 slow", tally(sums(4, 0, 2), none)),
            ("bad: 1 of 2, 4 of 4", tally(sums(2, 1, 0), sums(4, 4, 0))),
            ("bad: 1 of 2, 3 of 3", tally(sums(2, 1, 0), sums(3, 3, 0))),
            ("abandoned", Event::Abandoned),
        ];
        let mut table = String::new();
        for (name, state) in states {
            for (event_name, event) in events {
                let next = state.next(event, &CONFIG, now);
                let effect = match next.phase {
                    _ if next == state => String::from("stays"),
                    Phase::Closed { until } if next.epoch == state.epoch => {
                        let left = ahead(until, moment(now)) / 61;
                        format!("window {} on, for {left} s", next.turn - state.turn)
                    }
                    Phase::Closed { .. } => format!("closes, window {} on", next.turn - state.turn),
                    Phase::Open { until } => {
                        let left = ahead(until, moment(now)) / 61;
                        format!("opens for {left} s, {} in a row", next.opened)
                    }
                    Phase::HalfOpen { trials, successes } => {
                        format!("half open, {trials} out, {successes} ok")
                    }
                };
                table += &format!("{name:<26}{event_name:<21}{effect}\n");
            }
        }
        assert_eq!(table, include_str!("table.txt"), "\n{table}");
    }

    #[test]
    fn a_word_keeps_a_state() {
        for phase in [
            Phase::Closed { until: MOMENT_MASK },
            Phase::Open { until: MOMENT_MASK },
            Phase::HalfOpen { trials: 100, successes: 100 },
        ] {
            let state = State { epoch: EPOCH_MASK, opened: GROWTH_MAX, turn: u16::MAX, phase };
            assert_eq!(State::unpack(state.pack()), state);
        }
        assert_eq!(State::unpack(0), State::CLOSED);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let most = Sums { results: 130 << 24, failures: 130 << 24, slow: 130 << 24 };
        let config = BreakerConfig { window: Duration::from_secs(3_600), ..CONFIG };
        assert!(trips(&Tally { current: most, previous: most }, config.window_units(), &config));
    }

    #[test]
    fn the_window_before_fades_as_this_one_goes_on() {
        let tally = Tally { current: sums(4, 2, 0), previous: sums(96, 0, 0) };
        let window = CONFIG.window_units();
        assert!(!trips(&tally, window, &CONFIG), "2 of 100");
        assert!(!trips(&tally, window / 96, &CONFIG), "2 of 5");
        assert!(trips(&tally, 0, &CONFIG), "2 of 4");
        let config = BreakerConfig { results_max: 100, ..CONFIG };
        let tally = Tally { current: sums(50, 20, 0), previous: sums(100, 60, 0) };
        assert!(trips(&tally, window, &config), "20 and half of 60 of the last hundred");
        let tally = Tally { current: sums(50, 19, 0), previous: sums(100, 60, 0) };
        assert!(!trips(&tally, window, &config), "19 and half of 60");
    }

    #[test]
    fn a_breaker_stays_open_for_longer_each_time_and_never_shorter_than_asked() {
        for us in 0..1_000 {
            let now = Instant::from_micros(us * 7_919);
            for (opened, seconds) in [(0, 30), (1, 60), (2, 120), (3, 240), (4, 480), (7, 480)] {
                let us = u64::from(CONFIG.open_units(opened, 3, now)) << UNIT_BITS;
                assert!((seconds * 1_000_000..=seconds * 1_100_000 + 20_000).contains(&us), "{us}");
            }
        }
    }
}
