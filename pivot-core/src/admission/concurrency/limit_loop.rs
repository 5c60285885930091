//! One step of the loop: window in, limit out.

use super::aimd::Aimd;
use super::config::{LimitConfig, LimitLaw};
use super::elasticity::{Elasticity, Trend};
use super::gradient::Gradient;
use super::level::Level;
use super::sample::Samples;
use super::vegas::Vegas;
use super::window::{Reader, Window};
use crate::mode::ConfigError;
use crate::time::{Duration, Instant, micros};

/// What a law of latency has to say. Bounds, objective and veto are the loop's.
pub trait Law {
    /// Where the limit should go, if it were for latency alone. Asked for windows in which the objective was met.
    fn propose(&mut self, level: Level, window: &Window) -> Level;

    /// Throughput rose with the limit, so the latency of this window is not that of a queue.
    fn rebase(&mut self, window: &Window);
}

#[derive(Clone, Copy, Debug)]
enum AnyLaw {
    Fixed,
    Aimd(Aimd),
    Vegas(Vegas),
    Gradient(Gradient),
}

/// Decides how many requests run at once, from what became of those that did.
///
/// One for a server; it reads the [`Samples`] of every worker. About 1 kB.
#[derive(Debug)]
pub struct LimitLoop {
    config: LimitConfig,
    law: AnyLaw,
    level: Level,
    elasticity: Elasticity,
    reader: Reader,
    windows: u32,
    /// Windows on end in which throughput rose with the limit.
    rises: u32,
    /// A latency above the objective that throughput has shown not to be a queue of ours; 0 for none.
    excused_us: u64,
    started: Option<Instant>,
    next: Instant,
    /// Of the last window, for the length of the next.
    latency_us: u64,
}

impl LimitLoop {
    /// A loop at its initial limit.
    ///
    /// # Errors
    /// A field of the configuration that is out of its range.
    pub const fn new(config: LimitConfig) -> Result<Self, ConfigError> {
        if let Err(error) = config.check() {
            return Err(error);
        }
        let law = match config.law {
            LimitLaw::Fixed => AnyLaw::Fixed,
            LimitLaw::Aimd => AnyLaw::Aimd(Aimd),
            LimitLaw::Vegas => AnyLaw::Vegas(Vegas::NEW),
            LimitLaw::Gradient => AnyLaw::Gradient(Gradient::NEW),
        };
        Ok(Self {
            config,
            law,
            level: Level::whole(config.initial),
            elasticity: Elasticity::NEW,
            reader: Reader::new(),
            windows: 0,
            rises: 0,
            excused_us: 0,
            started: None,
            next: Instant::ZERO,
            latency_us: 0,
        })
    }

    /// Samples for one worker, judged by this loop's objectives.
    pub fn samples(&self) -> Samples {
        Samples::new(self.config.latency_objective, self.config.wait_objective)
    }

    /// The limit in force.
    pub const fn limit(&self) -> u32 {
        self.level.permits()
    }

    /// What throughput does when the limit rises, as far as it is known.
    pub fn trend(&self) -> Trend {
        self.elasticity.trend()
    }

    /// When [`LimitLoop::handle_timeout`] has something to do; `None` for a fixed limit.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        match self.law {
            AnyLaw::Fixed => None,
            _ => Some(self.next),
        }
    }

    /// Ends the window if it is due and holds enough, and answers the limit from now on.
    ///
    /// Takes time by the number of workers; when a window ends, by that times the number of buckets (201).
    pub fn handle_timeout<'s>(
        &mut self,
        all: impl Iterator<Item = &'s Samples> + Clone,
        now: Instant,
    ) -> Option<u32> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return None;
        }
        let started = *self.started.get_or_insert(now);
        self.next = now.plus(self.config.interval);
        if started == now || self.reader.ended_count(all.clone()) < self.config.samples_min {
            return None;
        }
        let window = self.reader.read(all, self.config.latency_percent, now.micros_since(started));
        self.handle_window(&window);
        self.started = Some(now);
        // The effect of a new limit shows when those that began under it end.
        let settled = Duration::from_micros((2 * self.latency_us).min(WINDOW_US_MAX));
        self.next = now.plus(self.config.interval.max(settled));
        Some(self.limit())
    }

    /// Moves the limit by what a window says.
    pub fn handle_window(&mut self, window: &Window) {
        let window = &Window {
            mean_us: window.mean_us.min(LATENCY_US_MAX),
            high_us: window.high_us.min(LATENCY_US_MAX),
            ..*window
        };
        if window.mean_us > 0 {
            self.latency_us = window.mean_us;
        }
        if window.is_full {
            self.elasticity.handle_window(self.limit(), window.served, window.elapsed_us);
        }
        let trend = if window.is_full { self.elasticity.trend() } else { Trend::Unknown };
        let wanted = self.wanted(window, trend);
        // No rise unless somebody waits for it, and neither way unless the limit sets the pace.
        let may_rise = window.is_full && window.is_waited_for;
        let wanted = match wanted {
            wanted if wanted > self.level && !may_rise => self.level,
            wanted if wanted < self.level && !window.is_full => self.level,
            wanted => wanted,
        };
        self.level = wanted.clamp(Level::whole(self.config.min), Level::whole(self.config.max));
    }

    fn wanted(&mut self, window: &Window, trend: Trend) -> Level {
        let level = self.level;
        let floor = Level::whole(self.config.min);
        self.windows = self.windows.wrapping_add(1);
        let law = match &mut self.law {
            AnyLaw::Fixed => return level,
            AnyLaw::Aimd(law) => law as &mut dyn Law,
            AnyLaw::Vegas(law) => law,
            AnyLaw::Gradient(law) => law,
        };
        let objective_us = micros(self.config.latency_objective).max(self.excused_us);
        let missed = missed(objective_us, self.config.drop_percent_max, window);
        let rises = if trend == Trend::Rising { (self.rises + 1).min(RISES_MAX) } else { 0 };
        self.rises = rises;
        match (trend, missed) {
            // Slow, but not by our doing: a dependency that more concurrency makes the most of.
            (Trend::Rising, _) => {
                law.rebase(window);
                self.excused_us = window.high_us + window.high_us / 4;
                level.plus(level.times(1 << rises, 16).max(Level::ONE))
            }
            (Trend::Falling, _) => {
                self.excused_us = 0;
                level.minus(level.times(1, 8).max(Level::ONE))
            }
            // What was added brought nothing: take it back, and as much more as the objective asks for.
            (Trend::Flat, missed) => {
                self.excused_us -= self.excused_us / 32;
                let before = Level::whole(self.elasticity.limit_before()).max(level.times(7, 8));
                let wanted = law.propose(level, window).min(level).min(before);
                if missed.is_some() { wanted.min(level.times(7, 8)) } else { wanted }
            }
            // As few as there may be, and still too slow for the law or the objective: it may not be for their number.
            // More are tried now and then.
            (Trend::Unknown, _)
                if level < floor.plus(Level::ONE)
                    && self.windows.is_multiple_of(PROBE_EVERY)
                    && window.served > 0 =>
            {
                level.plus(level)
            }
            (Trend::Unknown, Some(share)) => level.times(share, SHARE_ONE).min(level.minus(Level::ONE)),
            (Trend::Unknown, None) => law.propose(level, window),
        }
    }
}

/// The share of the limit that would have met the objective, from a half to nine tenths in 1/1024; `None` if it was met.
fn missed(objective_us: u64, drop_percent_max: u8, window: &Window) -> Option<u64> {
    let ended = u64::from(window.served) + u64::from(window.dropped);
    let is_dropping = u64::from(window.dropped) * 100 > ended * u64::from(drop_percent_max);
    if !is_dropping && window.high_us <= objective_us {
        return None;
    }
    let in_time = SHARE_ONE * objective_us / window.high_us.max(objective_us);
    let served = SHARE_ONE * u64::from(window.served) / ended.max(1);
    Some(in_time.min(served).clamp(SHARE_ONE / 2, SHARE_ONE * 9 / 10))
}

/// Steps up double with each success: 1/8, 1/4, 1/2.
const RISES_MAX: u32 = 3;
/// At the floor every fourth window is a probe.
const PROBE_EVERY: u32 = 4;
const SHARE_ONE: u64 = 1 << 10;
/// A latency of more than an hour is an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;
/// Windows follow the latency up to this length.
const WINDOW_US_MAX: u64 = 10_000_000;

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::super::sample::{Sample, SampleOutcome};
    use super::*;
    use proptest::prelude::*;

    const LAWS: [LimitLaw; 4] = [LimitLaw::Fixed, LimitLaw::Aimd, LimitLaw::Vegas, LimitLaw::Gradient];

    fn any_window() -> impl Strategy<Value = Window> {
        (any::<[u64; 3]>(), any::<[u32; 2]>(), any::<[bool; 2]>(), 0..4_u32).prop_map(
            |(times, counts, flags, small)| {
                let shift = [0, 20, 40, 50][small as usize];
                let [elapsed_us, mean_us, high_us] = times.map(|time| time >> shift);
                let [served, dropped] = counts.map(|count| count >> (shift / 2));
                let [is_full, is_waited_for] = flags;
                Window { elapsed_us, served, dropped, mean_us, high_us, is_full, is_waited_for }
            },
        )
    }

    proptest! {
        #[test]
        fn the_limit_stays_within_its_bounds_whatever_is_seen(
            law in 0..4_usize, bounds in any::<[u16; 3]>(), windows in proptest::collection::vec(any_window(), 0..60),
        ) {
            let mut bounds = bounds.map(|bound| u32::from(bound).max(1));
            bounds.sort_unstable();
            let [min, initial, max] = bounds;
            let mut limit = LimitLoop::new(LimitConfig { law: LAWS[law], min, initial, max, ..LimitConfig::PRESET }).unwrap();
            for window in windows {
                limit.handle_window(&window);
                prop_assert!((min..=max).contains(&limit.limit()));
                prop_assert!(law != 0 || limit.limit() == initial);
            }
        }

        #[test]
        fn any_samples_at_any_times_keep_the_limit_within_its_bounds(
            law in 0..4_usize, samples in proptest::collection::vec((any::<[u32; 3]>(), 0..4_u8, any::<u64>()), 0..200),
        ) {
            let config = LimitConfig { law: LAWS[law], samples_min: 2, min: 1, ..LimitConfig::PRESET };
            let mut limit = LimitLoop::new(config).unwrap();
            let seen = [limit.samples(), limit.samples()];
            for (worker, ([rtt_us, wait_us, inflight], kind, at)) in samples.into_iter().enumerate() {
                let outcome = [SampleOutcome::Served, SampleOutcome::Dropped, SampleOutcome::Refused, SampleOutcome::Abandoned][usize::from(kind)];
                seen[worker % 2].record(Sample { rtt_us, wait_us, inflight, outcome }, limit.limit());
                limit.handle_timeout(seen.iter(), Instant::from_micros(at));
                prop_assert!((1..=1_000).contains(&limit.limit()));
            }
        }
    }

    #[test]
    fn a_window_ends_when_it_is_long_enough_and_holds_enough() {
        let mut limit = LimitLoop::new(LimitConfig { samples_min: 2, ..LimitConfig::PRESET }).unwrap();
        let seen = [limit.samples()];
        let record = || {
            let served = SampleOutcome::Served;
            seen[0].record(Sample { rtt_us: 400_000, wait_us: 9_000, inflight: 20, outcome: served }, 20);
        };
        let at = |limit: &mut LimitLoop, ms| limit.handle_timeout(seen.iter(), Instant::from_millis(ms));
        assert_eq!(at(&mut limit, 1_000), None, "the first window begins");
        record();
        assert_eq!(at(&mut limit, 1_200), None, "one sample says nothing");
        record();
        assert_eq!(at(&mut limit, 1_399), None, "not before it is due");
        assert_eq!(at(&mut limit, 1_400), Some(12), "0.4 s where 0.25 s are allowed");
        assert!(limit.poll_timeout() > Some(Instant::from_millis(1_400 + 2 * 370)), "twice the latency");
        let fixed = LimitLoop::new(LimitConfig { law: LimitLaw::Fixed, ..LimitConfig::PRESET }).unwrap();
        assert_eq!(fixed.poll_timeout(), None);
    }

    #[test]
    fn a_configuration_that_cannot_be_makes_no_loop() {
        let error = LimitLoop::new(LimitConfig { min: 9, max: 8, ..LimitConfig::PRESET }).unwrap_err();
        assert_eq!(error, ConfigError { field: "limit.min", value: 9, min: 1, max: 8 });
    }
}
