//! Whether a server comes back from overload that its clients' retries keep up.

use std::time::Duration;

use super::arrivals::Phase;
use super::clients::{Habits, Outcome, Plan};
use super::request::WORK;
use super::{CAPACITY, Course, Noise, ROUNDS, SECONDS, SEED, entrants, habits, start, turn};
use crate::curves::{Curves, Line};
use crate::report::{Section, Table};
use crate::rounds::Spread;
use crate::{Options, Result};

const RETRIES: u32 = 3;
/// Load before, during and after.
const BEFORE: f64 = 0.7;
const DURING: f64 = 2.0;
const AFTER: f64 = 0.7;
/// A server is back when so many per cent are answered in time.
const BACK_PERCENT: f64 = 99.0;
/// The seconds after, in the table.
const SHOWN: [usize; 6] = [1, 2, 3, 5, 10, 20];

/// By second of arrival: requests, those answered in time at the first try, and those at any.
#[derive(Clone, Copy, Default)]
struct Second {
    arrived: u64,
    at_once: u64,
    at_last: u64,
}

pub(crate) fn measure(options: &Options) -> Result<Section> {
    let (names, mut notes) = entrants(options);
    let rounds = options.rounds(ROUNDS);
    let after_s = options.seconds(SECONDS) as usize;
    let (before_s, during_s) = (after_s.div_ceil(4), after_s * 3 / 2);
    let phase = |seconds: usize, load: f64| Phase {
        duration: Duration::from_secs(seconds as u64),
        rate: load * CAPACITY,
    };
    let phases = [phase(before_s, BEFORE), phase(during_s, DURING), phase(after_s, AFTER)];
    let habits = Habits { retries: RETRIES, ..habits(options) };
    let mut course = Course::new("overload-retries", rounds * names.len());
    let mut noise = Noise::default();
    let mut found: Vec<(&str, Vec<Vec<Second>>)> = names.iter().map(|&name| (name, Vec::new())).collect();
    for round in 0..rounds {
        let plan = Plan { kinds: &[WORK], phases: &phases, seed: SEED + round as u64, habits };
        for (name, runs) in &mut found {
            course.step(name);
            let quiet = noise.quiet(|| {
                let server = start(name, 1, &[])?;
                let mut seconds = vec![Second::default(); before_s + during_s + after_s];
                let turn = turn(&server, &plan, &mut |one| {
                    let second = &mut seconds[(one.arrived_ns / 1_000_000_000) as usize];
                    second.arrived += u64::from(one.attempt == 0);
                    second.at_once += u64::from(one.attempt == 0 && one.outcome == Outcome::Answered);
                    second.at_last += u64::from(one.outcome == Outcome::Answered);
                })?;
                Ok((seconds, turn))
            });
            match quiet {
                Ok((seconds, _)) => runs.push(seconds),
                Err(error) => notes.push(format!("{name}, round {}: {error}", round + 1)),
            }
        }
    }
    notes.push(noise.note());
    let calm = before_s + during_s;
    let percent = |run: &[Second], range: std::ops::Range<usize>, of: fn(&Second) -> u64| {
        let seconds = &run[range.start.min(run.len())..range.end.min(run.len())];
        let arrived: u64 = seconds.iter().map(|second| second.arrived).sum();
        100.0 * seconds.iter().map(of).sum::<u64>() as f64 / arrived.max(1) as f64
    };
    let mut table = Table::new(&["server", "before", "during"]);
    let shown = || SHOWN.into_iter().filter(|second| *second <= after_s);
    table.columns.extend(shown().map(|second| format!("second {second}")));
    table.columns.extend(["back after".to_owned(), "with retries, from second 5".to_owned()]);
    let mut lines = Vec::new();
    for (name, runs) in found.iter().filter(|(_, runs)| !runs.is_empty()) {
        let median = |range: std::ops::Range<usize>, of: fn(&Second) -> u64| {
            Spread::of(runs.iter().map(|run| percent(run, range.clone(), of)).collect()).median
        };
        let at_once = |range| median(range, |second: &Second| second.at_once);
        let each: Vec<f64> = (0..calm + after_s).map(|second| at_once(second..second + 1)).collect();
        let mut row = vec![
            (*name).to_owned(),
            format!("{:.1} %", at_once(0..before_s)),
            format!("{:.1} %", at_once(before_s..calm)),
        ];
        row.extend(shown().map(|second| format!("{:.1} %", each[calm + second - 1])));
        row.push(match seconds_to_recover(&each[calm..]) {
            Some(seconds) => format!("{seconds} s"),
            None => "never".to_owned(),
        });
        row.push(format!(
            "{:.1} %",
            median((calm + 4).min(calm + after_s - 1)..calm + after_s, |second| second.at_last)
        ));
        table.rows.push(row);
        let points = each.iter().enumerate().map(|(second, &share)| (second as f64 + 0.5, share)).collect();
        lines.push(Line { label: (*name).to_owned(), points });
    }
    let chart = Curves {
        title: format!(
            "share answered in time: {during_s} s at {DURING} x with {RETRIES} retries, then {AFTER} x"
        ),
        x: format!("seconds; load is {DURING} x from {before_s} to {calm}"),
        y: "answered in time at the first try, per cent".to_owned(),
        x_ticks: [0, before_s, calm, calm + after_s].map(|second| second as f64).to_vec(),
        is_log: false,
        lines,
    };
    Ok(Section {
        name: "overload-retries",
        title: "back from overload, with clients that try again",
        meaning: format!(
            "{before_s} s at {BEFORE} x, {during_s} s at {DURING} x, {after_s} s at {AFTER} x; {rounds} rounds. Whoever is not answered in \
             time tries again after 50–150 ms, {RETRIES} times, whatever `Retry-After` says, so that the load can be up to \
             {} times what it would be. The share of requests, by the second of their arrival, whose first try was \
             answered in time: medians of the rounds. `back after`: from then on no second is below {BACK_PERCENT} %.",
            RETRIES + 1
        ),
        tables: vec![table],
        notes,
        chart: Some(chart.svg()),
    })
}

/// Seconds until all that follow are good; `None` if the last is not.
fn seconds_to_recover(after: &[f64]) -> Option<usize> {
    let bad = after.iter().rposition(|share| *share < BACK_PERCENT).map_or(0, |last| last + 1);
    if bad < after.len() { Some(bad) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_back_when_no_bad_second_follows() {
        assert_eq!(seconds_to_recover(&[99.5, 100.0]), Some(0));
        assert_eq!(seconds_to_recover(&[10.0, 99.0, 98.9, 99.1, 100.0]), Some(3));
        assert_eq!(seconds_to_recover(&[100.0, 50.0]), None);
    }
}
