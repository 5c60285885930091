//! The breaker against a plain machine that keeps every result in a list and reckons in whole numbers without end.

use super::config::UNIT_BITS;
use super::*;
use proptest::prelude::*;
use std::vec::Vec;

struct Result {
    window: u64,
    failed: bool,
    slow: bool,
}

enum Mode {
    Closed,
    Open { until: u64 },
    HalfOpen { out: u64, good: u64 },
}

/// Moments are whole units of the breaker's clock.
struct Plain {
    mode: Mode,
    /// How often the mode changed.
    period: u64,
    opened: u8,
    results: Vec<Result>,
    window: u64,
    window_end: u64,
}

impl Plain {
    fn change(&mut self, mode: Mode) {
        self.mode = mode;
        self.period += 1;
    }

    fn admit(&mut self, config: &BreakerConfig, now: u64) -> bool {
        match &mut self.mode {
            Mode::Closed => true,
            Mode::Open { until } if now < *until => false,
            Mode::Open { .. } => {
                self.change(Mode::HalfOpen { out: 1, good: 0 });
                true
            }
            Mode::HalfOpen { out, good } => {
                let passes = *out + *good < u64::from(config.probes_max);
                *out += u64::from(passes);
                passes
            }
        }
    }

    fn report(&mut self, period: u64, failed: bool, slow: bool, config: &BreakerConfig, now: u64) {
        if period != self.period {
            return;
        }
        match &mut self.mode {
            Mode::Closed => {
                self.find_window(config, now);
                self.results.push(Result { window: self.window, failed, slow });
                if (failed || slow) && self.is_bad(config, now) {
                    self.open(config, now);
                }
            }
            Mode::Open { .. } => {}
            Mode::HalfOpen { .. } if failed || slow => self.open(config, now),
            Mode::HalfOpen { out, good } => {
                (*out, *good) = (*out - 1, *good + 1);
                if *good == u64::from(config.probes_max) {
                    self.change(Mode::Closed);
                    self.results.clear();
                    self.opened = 0;
                    self.window_end = now + u64::from(config.window_units());
                }
            }
        }
    }

    fn abandon(&mut self, period: u64) {
        if period == self.period
            && let Mode::HalfOpen { out, .. } = &mut self.mode
        {
            *out -= 1;
        }
    }

    fn open(&mut self, config: &BreakerConfig, now: u64) {
        let moment = Instant::from_micros(now << UNIT_BITS);
        let units = config.open_units(self.opened, self.period as u16, moment);
        self.opened = (self.opened + 1).min(4);
        self.change(Mode::Open { until: now + u64::from(units) });
    }

    fn find_window(&mut self, config: &BreakerConfig, now: u64) {
        let len = u64::from(config.window_units());
        let held = self.results.iter().filter(|result| result.window == self.window).count();
        if now >= self.window_end + len {
            (self.window, self.window_end) = (self.window + 2, now + len);
        } else if now >= self.window_end {
            (self.window, self.window_end) = (self.window + 1, self.window_end + len);
        } else if held as u64 == u64::from(config.results_max) {
            (self.window, self.window_end) = (self.window + 1, now + len);
        }
    }

    fn is_bad(&self, config: &BreakerConfig, now: u64) -> bool {
        let count = |window, which: fn(&Result) -> bool| {
            self.results.iter().filter(|result| result.window == window && which(result)).count() as f64
        };
        let left = (self.window_end - now) as f64 / f64::from(config.window_units());
        let room = 1.0 - count(self.window, |_| true) / f64::from(config.results_max);
        let sum = |which| count(self.window, which) + count(self.window - 1, which) * left.min(room);
        let (results, failures, slow) =
            (sum(|_| true), sum(|result| result.failed), sum(|result| result.slow));
        // A hair's breadth, since floats round where the breaker does not.
        let reaches = |value: f64, limit: f64| value >= limit - 1e-9;
        reaches(results, f64::from(config.volume_min))
            && (reaches(failures, f64::from(config.failures_max))
                || reaches(failures * 100.0, results * f64::from(config.failure_percent_max))
                || reaches(slow * 100.0, results * f64::from(config.slow_percent_max)))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Admit { worker: u16 },
    Report { which: usize, failed: bool, slow: bool },
    Drop { which: usize },
    Wait { units: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let worker = || prop_oneof![Just(0), Just(1), Just(NO_WORKER)];
    prop_oneof![
        8 => worker().prop_map(|worker| Step::Admit { worker }),
        8 => (0..8_usize, 0..100, 0..100)
            .prop_map(|(which, fail, slow)| Step::Report { which, failed: fail < 30, slow: slow < 20 }),
        1 => (0..8_usize).prop_map(|which| Step::Drop { which }),
        3 => (0..100_u64).prop_map(|units| Step::Wait { units }),
        1 => (0..4_000_u64).prop_map(|units| Step::Wait { units }),
    ]
}

fn config() -> impl Strategy<Value = BreakerConfig> {
    let results_max = prop_oneof![1..30_u32, Just(BreakerConfig::PRESET.results_max)];
    ((1..10_u64, results_max, 1..10_u16, 1..10_u16), (1..=100_u8, 1..=100_u8, 100..3_000_u64, 1..5_u8))
        .prop_map(|((window, results_max, volume_min, failures_max), (fail, slow, open, probes_max))| {
            BreakerConfig {
                window: Duration::from_secs(window),
                results_max,
                volume_min,
                failures_max,
                failure_percent_max: fail,
                slow: Duration::from_secs(5),
                slow_percent_max: slow,
                open: Duration::from_millis(open),
                probes_max,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any steps, in any order, results as late as they like. Two workers with lanes of their own and one without.
    #[test]
    fn it_does_what_the_plain_machine_does(
        config in config(), steps in proptest::collection::vec(step(), 1..300), one_counter: bool,
    ) {
        // By count, several counters end a window later than one.
        let one_counter = one_counter || config.results_max < 30;
        let lanes: Vec<Lane> = (0..Lane::count_for(2, 3)).map(|_| Lane::new()).collect();
        let breaker = Breaker::with_lanes(&lanes, 2, 3);
        let mut plain =
            Plain { mode: Mode::Closed, period: 0, opened: 0, results: Vec::new(), window: 2, window_end: 0 };
        let mut now = 1_000_000_u64;
        let mut tickets = Vec::new();
        for step in steps {
            let instant = Instant::from_micros(now << UNIT_BITS);
            match step {
                Step::Wait { units } => now += units,
                Step::Admit { worker } => {
                    let worker = if one_counter { 0 } else { worker };
                    let passes = plain.admit(&config, now);
                    match breaker.admit_by(worker, &config, instant) {
                        Ok(ticket) if passes => tickets.push((ticket, plain.period)),
                        Err(retry_at) if !passes => prop_assert!(retry_at > instant),
                        _ => prop_assert!(false, "it passes: {passes}"),
                    }
                }
                Step::Report { which, failed, slow } if !tickets.is_empty() => {
                    let (ticket, period) = tickets.swap_remove(which % tickets.len());
                    let took = if slow { config.slow * 2 } else { config.slow };
                    ticket.report(failed, took, instant);
                    plain.report(period, failed, slow, &config, now);
                }
                Step::Drop { which } if !tickets.is_empty() => {
                    let (ticket, period) = tickets.swap_remove(which % tickets.len());
                    drop(ticket);
                    plain.abandon(period);
                }
                Step::Report { .. } | Step::Drop { .. } => {}
            }
            let expected = match plain.mode {
                Mode::Closed => BreakerState::Closed,
                Mode::Open { .. } => BreakerState::Open,
                Mode::HalfOpen { .. } => BreakerState::HalfOpen,
            };
            prop_assert_eq!(breaker.state(), expected);
        }
    }

    /// Whatever the clock does, an open breaker lets a probe pass once it is waited for, and a failing one opens.
    #[test]
    fn no_clock_makes_it_stick(clock in proptest::collection::vec(any::<u64>(), 1..20)) {
        let config = BreakerConfig { probes_max: 1, volume_min: 4, ..BreakerConfig::PRESET };
        let breaker = Breaker::new();
        for us in clock {
            let now = Instant::from_micros(us >> 1);
            for _ in 0..5 {
                if let Ok(ticket) = breaker.admit(&config, now) {
                    ticket.report(true, Duration::ZERO, now);
                }
            }
            prop_assert_eq!(breaker.state(), BreakerState::Open);
            let waited = now.plus(config.open * 18);
            breaker.admit(&config, waited).expect("waited for").report(false, Duration::ZERO, waited);
            prop_assert_eq!(breaker.state(), BreakerState::Closed);
        }
    }
}
