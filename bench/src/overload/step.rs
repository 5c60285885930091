//! How long the queue is too long after the load has grown at once.

use std::time::Duration;

use super::arrivals::Phase;
use super::clients::{Outcome, Plan};
use super::request::WORK;
use super::{CAPACITY, Course, Noise, SECONDS, SEED, entrants, habits, start, turn};
use crate::curves::{Curves, Line};
use crate::report::{Section, Table};
use crate::rounds::Spread;
use crate::{Options, Result};

const BELOW: f64 = 0.7;
const ABOVE: f64 = 1.4;
/// How long the load stays at each of the two.
const STAY_S: u64 = 2;
const WINDOW_MS: u64 = 10;
const WINDOWS: usize = (STAY_S * 1_000 / WINDOW_MS) as usize;
/// The work of a request itself.
const WORK_MS: f64 = 1.0;
/// The wait that Pivot keeps its queue under.
const TARGET_MS: f64 = 20.0;

pub(crate) fn measure(options: &Options) -> Result<Section> {
    let (names, mut notes) = entrants(options);
    let steps = options.seconds(SECONDS) as usize;
    let stay = |load: f64| Phase { duration: Duration::from_secs(STAY_S), rate: load * CAPACITY };
    let phases: Vec<Phase> = (0..steps).flat_map(|_| [stay(BELOW), stay(ABOVE)]).collect();
    let plan = Plan { kinds: &[WORK], phases: &phases, seed: SEED, habits: habits(options) };
    let mut course = Course::new("overload-step", names.len());
    let mut noise = Noise::default();
    let mut table =
        Table::new(&["server", "highest, ms", "above the target until, ms", "refused", "gave up"]);
    let mut lines = Vec::new();
    for name in names {
        course.step(name);
        let quiet = noise.quiet(|| {
            let server = start(name, 1, &[])?;
            let mut found = Found { waits_ms: vec![Vec::new(); WINDOWS], refused: 0, gave_up: 0, total: 0 };
            let turn = turn(&server, &plan, &mut |one| found.add(one))?;
            Ok((found, turn))
        });
        let found = match quiet {
            Ok((found, _)) => found,
            Err(error) => {
                notes.push(format!("{name}: {error}"));
                continue;
            }
        };
        let medians = found.medians();
        let highest = medians.iter().copied().fold(0.0, f64::max);
        let percent = |count: u64| format!("{:.1} %", 100.0 * count as f64 / found.total.max(1) as f64);
        table.rows.push(vec![
            name.to_owned(),
            format!("{highest:.1}"),
            settled_ms(&medians).map_or("the end".to_owned(), |ms| ms.to_string()),
            percent(found.refused),
            percent(found.gave_up),
        ]);
        let middle = |window: usize| (window as f64 + 0.5) * WINDOW_MS as f64;
        let points = medians.iter().enumerate().map(|(window, &wait)| (middle(window), wait)).collect();
        lines.push(Line { label: name.to_owned(), points });
    }
    notes.push(noise.note());
    let end_ms = (STAY_S * 1_000) as f64;
    let chart = Curves {
        title: format!("queue wait after a step from {BELOW} x to {ABOVE} x"),
        x: "milliseconds after the step".to_owned(),
        y: "median wait, ms".to_owned(),
        x_ticks: vec![0.0, end_ms / 4.0, end_ms / 2.0, end_ms * 3.0 / 4.0, end_ms],
        is_log: false,
        lines,
    };
    Ok(Section {
        name: "overload-step",
        title: "a step to 1.4 times the capacity",
        meaning: format!(
            "{STAY_S} s at {BELOW} x and {STAY_S} s at {ABOVE} x, {steps} times. The wait is what clients see, from the moment at which a \
             request was due to its answer, less its {WORK_MS} ms of work; who gives up counts with what he waited, and who \
             is refused does not wait. Windows of {WINDOW_MS} ms after the step, over all steps together, and the median of each; \
             refusals and those who gave up are parts of what came at {ABOVE} x. The target is {TARGET_MS} ms.",
        ),
        tables: vec![table],
        notes,
        chart: Some(chart.svg()),
    })
}

/// What came after the steps, all of them together.
struct Found {
    /// By window.
    waits_ms: Vec<Vec<f64>>,
    refused: u64,
    gave_up: u64,
    total: u64,
}

impl Found {
    fn add(&mut self, one: &super::Try) {
        let Some(window) = window(one.arrived_ns) else { return };
        self.total += 1;
        match one.outcome {
            Outcome::Answered | Outcome::Late | Outcome::GaveUp => {
                self.gave_up += u64::from(one.outcome == Outcome::GaveUp);
                let wait = one.latency_ns as f64 / 1e6 - WORK_MS;
                self.waits_ms[window].push(wait.max(0.0));
            }
            Outcome::Refused(_) | Outcome::Broken | Outcome::Unsent => self.refused += 1,
        }
    }

    /// The median of each window; 0 where everybody was refused.
    fn medians(&self) -> Vec<f64> {
        let median = |waits: &Vec<f64>| if waits.is_empty() { 0.0 } else { Spread::of(waits.clone()).median };
        self.waits_ms.iter().map(median).collect()
    }
}

/// The window after the last step in which something came, if it was after a step.
fn window(arrived_ns: u64) -> Option<usize> {
    let in_cycle_ms = arrived_ns / 1_000_000 % (2 * STAY_S * 1_000);
    let after_ms = in_cycle_ms.checked_sub(STAY_S * 1_000)?;
    Some((after_ms / WINDOW_MS) as usize)
}

/// The end of the last window above the target, in milliseconds; `None` if that is the last of all.
fn settled_ms(medians: &[f64]) -> Option<u64> {
    let windows = medians.iter().rposition(|wait| *wait > TARGET_MS).map_or(0, |last| last + 1);
    if windows < medians.len() { Some(windows as u64 * WINDOW_MS) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_at_each_step_and_what_came_before_it_has_none() {
        let ms = |ms: u64| ms * 1_000_000;
        assert_eq!(window(0), None);
        assert_eq!(window(ms(1_999)), None);
        assert_eq!(window(ms(2_000)), Some(0));
        assert_eq!(window(ms(2_010)), Some(1));
        assert_eq!(window(ms(3_999)), Some(WINDOWS - 1));
        assert_eq!(window(ms(4_000)), None);
        assert_eq!(window(ms(6_015)), Some(1));
    }

    #[test]
    fn the_queue_has_settled_after_the_last_window_above_the_target() {
        assert_eq!(settled_ms(&[1.0, 20.0, 3.0]), Some(0));
        assert_eq!(settled_ms(&[30.0, 1.0, 21.0, 3.0]), Some(30));
        assert_eq!(settled_ms(&[1.0, 25.0]), None);
    }
}
