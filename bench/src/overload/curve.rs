//! Goodput over offered load.

use std::time::Duration;

use super::arrivals::Phase;
use super::clients::{Habits, Outcome, Plan};
use super::request::WORK;
use super::tally::Tally;
use super::{CAPACITY, Course, DEADLINE, Noise, ROUNDS, SECONDS, SEED, Turn, entrants, habits, start, turn};
use crate::curves::{Curves, Line};
use crate::report::{Section, Table};
use crate::rounds::Spread;
use crate::{Options, Result};

/// Offered load, as multiples of the capacity.
const LOADS: [f64; 6] = [0.5, 0.9, 1.0, 2.0, 5.0, 10.0];
/// Where they stand: 0.9, 1 and 10.
const NEARLY_FULL: usize = 1;
const FULL: usize = 2;
const MOST: usize = 5;

/// Clients with keep-alive connections.
pub(crate) fn kept(options: &Options) -> Result<Section> {
    measure("overload-kept", "goodput over offered load, keep-alive connections", options, habits(options))
}

/// A connection for each request.
pub(crate) fn fresh(options: &Options) -> Result<Section> {
    let habits = Habits { is_fresh: true, ..habits(options) };
    measure("overload-fresh", "goodput over offered load, a connection for each request", options, habits)
}

/// A server at one load in one round.
struct Sample {
    tally: Tally,
    /// Answered in time, and before the load ended: what stood in the queue then is done when nobody asks any more.
    answered: u64,
    turn: Turn,
    seconds: f64,
}

/// A server at one load, a sample for each round that counts.
type Cell = Vec<Sample>;

fn measure(name: &'static str, title: &'static str, options: &Options, habits: Habits) -> Result<Section> {
    let (names, mut notes) = entrants(options);
    let (rounds, seconds) = (options.rounds(ROUNDS), options.seconds(SECONDS));
    let mut course = Course::new(name, rounds * LOADS.len() * names.len());
    let mut noise = Noise::default();
    let mut rows: Vec<(&str, [Cell; LOADS.len()])> =
        names.iter().map(|&name| (name, [const { Vec::new() }; LOADS.len()])).collect();
    for round in 0..rounds {
        for (load_index, load) in LOADS.into_iter().enumerate() {
            let phases = [Phase { duration: Duration::from_secs(seconds), rate: load * CAPACITY }];
            // Every server gets the same arrivals, and every round others.
            let plan = Plan { kinds: &[WORK], phases: &phases, seed: SEED + round as u64, habits };
            for (name, cells) in &mut rows {
                course.step(&format!("{name} at {load} x"));
                let quiet = noise.quiet(|| {
                    let server = start(name, 1, &[])?;
                    let (mut tally, mut answered) = (Tally::new(), 0);
                    let turn = turn(&server, &plan, &mut |one| {
                        tally.add(one);
                        let is_within = one.arrived_ns + one.latency_ns <= seconds * 1_000_000_000;
                        answered += u64::from(one.outcome == Outcome::Answered && is_within);
                    })?;
                    Ok(((tally, answered), turn))
                });
                match quiet {
                    Ok(((tally, answered), turn)) => {
                        let seconds = seconds as f64;
                        cells[load_index].push(Sample { tally, answered, turn, seconds });
                    }
                    Err(error) => notes.push(format!("{name} at {load} x, round {}: {error}", round + 1)),
                }
            }
        }
    }
    notes.push(noise.note());
    Ok(Section {
        name,
        title,
        meaning: meaning(habits, seconds, rounds),
        tables: vec![goodput(&rows), relative(&rows), latency(&rows), account(&rows)],
        notes,
        chart: Some(chart(title, &rows)),
    })
}

fn meaning(habits: Habits, seconds: u64, rounds: usize) -> String {
    let connections = if habits.is_fresh {
        "Each request has a connection of its own and asks the server to close it"
    } else {
        "Clients have keep-alive connections and take a new one when all of theirs wait for an answer"
    };
    let patience = if habits.is_patient {
        "They wait on after their deadline, and what comes then is late"
    } else {
        "At their deadline they close their connection"
    };
    format!(
        "`GET /cpu?ms=1` burns 1 ms of CPU time of its thread. One worker on core 1; the clients are on core 0: Poisson arrivals, \
         the same for all servers, {seconds} s at each load, {rounds} rounds, a new server for each turn. 1 x is \
         {CAPACITY} requests a second, which leaves nothing for the server itself. {connections}. They wait for {} ms \
         from the moment at which their request was due. {patience}. Goodput is what was answered \
         rightly, in time and before the load ended, a second: median, least and most of the rounds.",
        DEADLINE.as_millis()
    )
}

fn per_second(sample: &Sample) -> f64 {
    sample.answered as f64 / sample.seconds
}

fn spread(cell: &Cell, of: impl Fn(&Sample) -> f64) -> Option<Spread> {
    if cell.is_empty() { None } else { Some(Spread::of(cell.iter().map(of).collect())) }
}

/// A number in a table; what does not count has none.
fn shown(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or("void".to_owned(), |spread| format!("{:.digits$}", spread.median))
}

type Rows<'a> = [(&'a str, [Cell; LOADS.len()])];

fn titled(caption: &str, first: &str, columns: impl IntoIterator<Item = String>) -> Table {
    let mut table = Table::new(&[first]);
    table.caption = Some(caption.to_owned());
    table.columns.extend(columns);
    table
}

fn goodput(rows: &Rows<'_>) -> Table {
    let columns = LOADS.map(|load| format!("{load} x"));
    let mut table = titled("Goodput, requests a second, at each offered load.", "server", columns);
    for (name, cells) in rows {
        let values = cells.iter().map(|cell| {
            spread(cell, per_second).map_or("void".to_owned(), |found| {
                format!("{:.0} ({:.0}–{:.0})", found.median, found.least, found.most)
            })
        });
        table.rows.push(std::iter::once((*name).to_owned()).chain(values).collect());
    }
    table
}

fn relative(rows: &Rows<'_>) -> Table {
    let columns = LOADS[FULL + 1..].iter().map(|load| format!("{load} x"));
    let mut table = titled("Goodput in per cent of the server's own at 1 x.", "server", columns);
    for (name, cells) in rows {
        let full = spread(&cells[FULL], per_second);
        let values = cells[FULL + 1..].iter().map(|cell| match (spread(cell, per_second), full) {
            (Some(found), Some(full)) => format!("{:.1} %", 100.0 * found.median / full.median),
            _ => "void".to_owned(),
        });
        table.rows.push(std::iter::once((*name).to_owned()).chain(values).collect());
    }
    table
}

fn latency(rows: &Rows<'_>) -> Table {
    let caption =
        "p99 in milliseconds of all that were not refused; who gave up after the deadline is among them.";
    let columns = [LOADS[NEARLY_FULL], LOADS[MOST]].map(|load| format!("{load} x"));
    let mut table = titled(caption, "server", columns.into_iter().chain(["ratio".to_owned()]));
    let deadline_ms = DEADLINE.as_secs_f64() * 1e3;
    for (name, cells) in rows {
        let [low, high] =
            [NEARLY_FULL, MOST].map(|index| spread(&cells[index], |sample| sample.tally.percentile_ms(99)));
        let text = |found: Option<Spread>| match found {
            Some(found) if found.median >= deadline_ms => format!("> {deadline_ms:.0}"),
            found => shown(found, 1),
        };
        let ratio = match (low, high) {
            (Some(low), Some(high)) if high.median < deadline_ms => {
                format!("{:.2}", high.median / low.median)
            }
            _ => "–".to_owned(),
        };
        table.rows.push(vec![(*name).to_owned(), text(low), text(high), ratio]);
    }
    table
}

/// Where the core's time went.
fn account(rows: &Rows<'_>) -> Table {
    let caption = "Where the rest goes, a second: answers that were no 200, clients that gave up, connections that broke, requests \
                   without a connection; the CPU time of the server, the work of the handlers included, which asks the \
                   kernel for its CPU time and so counts as the system's; and for each request that was not answered in \
                   time, the CPU time beyond what the answered ones take each at the lowest load.";
    let columns = [
        "load",
        "goodput",
        "refused",
        "gave up",
        "late",
        "broken",
        "unsent",
        "CPU ms",
        "user ms",
        "system ms",
        "µs a failure",
    ];
    let mut table = titled(caption, "server", columns.map(str::to_owned));
    let cpu_s = |sample: &Sample| (sample.turn.user + sample.turn.system) * sample.turn.seconds;
    for (name, cells) in rows {
        let each = spread(&cells[0], |sample| cpu_s(sample) / sample.tally.answered.max(1) as f64);
        for (cell, load) in cells.iter().zip(LOADS) {
            let rate = |of: fn(&Tally) -> u64| {
                shown(spread(cell, |sample| of(&sample.tally) as f64 / sample.seconds), 0)
            };
            // The clients' last answers come a little after the end of the load.
            let ms = |of: fn(&Turn) -> f64| {
                shown(spread(cell, |sample| of(&sample.turn) * 1e3 * sample.turn.seconds / sample.seconds), 0)
            };
            let rest = each.and_then(|each| {
                spread(cell, |sample| {
                    let failed = sample.tally.total() - sample.tally.answered;
                    let rest_s = cpu_s(sample) - sample.tally.answered as f64 * each.median;
                    rest_s * 1e6 / failed.max(1) as f64
                })
            });
            table.rows.push(vec![
                (*name).to_owned(),
                format!("{load} x"),
                shown(spread(cell, per_second), 0),
                rate(|tally| tally.refused),
                rate(|tally| tally.gave_up),
                rate(|tally| tally.late),
                rate(|tally| tally.broken),
                rate(|tally| tally.unsent),
                ms(|turn| turn.user + turn.system),
                ms(|turn| turn.user),
                ms(|turn| turn.system),
                if load > 1.0 { shown(rest, 1) } else { "–".to_owned() },
            ]);
        }
    }
    table
}

fn chart(title: &str, rows: &Rows<'_>) -> String {
    let lines = rows.iter().map(|(name, cells)| Line {
        label: (*name).to_owned(),
        points: cells
            .iter()
            .zip(LOADS)
            .filter_map(|(cell, load)| Some((load, spread(cell, per_second)?.median)))
            .collect(),
    });
    Curves {
        title: title.to_owned(),
        x: "offered load, as a multiple of the capacity".to_owned(),
        y: "answered in time, requests a second".to_owned(),
        x_ticks: LOADS.to_vec(),
        is_log: true,
        lines: lines.collect(),
    }
    .svg()
}
