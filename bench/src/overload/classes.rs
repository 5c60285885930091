//! What matters more, among much that matters less.

use std::time::Duration;

use super::arrivals::Phase;
use super::clients::Plan;
use super::request::{Kind, WORK};
use super::tally::Tally;
use super::{CAPACITY, Course, Noise, ROUNDS, SECONDS, SEED, entrants, habits, start, turn};
use crate::report::{Section, Table};
use crate::rounds::Spread;
use crate::{Options, Result};

const LOAD: f64 = 10.0;
const KINDS: [Kind; 2] = [
    Kind { label: "high", share: 0.05, fields: "X-Pivot-Class: high\r\n", ..WORK },
    Kind { label: "low", share: 0.95, fields: "X-Pivot-Class: low\r\n", ..WORK },
];

pub(crate) fn measure(options: &Options) -> Result<Section> {
    let (names, mut notes) = entrants(options);
    let (rounds, seconds) = (options.rounds(ROUNDS), options.seconds(SECONDS));
    let phases = [Phase { duration: Duration::from_secs(seconds), rate: LOAD * CAPACITY }];
    let mut course = Course::new("overload-classes", rounds * names.len());
    let mut noise = Noise::default();
    let mut found: Vec<(&str, Vec<[Tally; 2]>)> = names.iter().map(|&name| (name, Vec::new())).collect();
    for round in 0..rounds {
        let plan =
            Plan { kinds: &KINDS, phases: &phases, seed: SEED + round as u64, habits: habits(options) };
        for (name, tallies) in &mut found {
            course.step(name);
            let quiet = noise.quiet(|| {
                let server = start(name, 1, &[])?;
                let mut tallies = [Tally::new(), Tally::new()];
                let turn = turn(&server, &plan, &mut |one| tallies[one.kind].add(one))?;
                Ok((tallies, turn))
            });
            match quiet {
                Ok((pair, _)) => tallies.push(pair),
                Err(error) => notes.push(format!("{name}, round {}: {error}", round + 1)),
            }
        }
    }
    notes.push(noise.note());
    let mut table =
        Table::new(&["server", "high in time", "worst round", "low in time", "high p99 ms", "goodput"]);
    for (name, tallies) in found.iter().filter(|(_, tallies)| !tallies.is_empty()) {
        let spread = |of: &dyn Fn(&[Tally; 2]) -> f64| Spread::of(tallies.iter().map(of).collect());
        let (high, low) =
            (spread(&|pair| pair[0].percent_answered()), spread(&|pair| pair[1].percent_answered()));
        let goodput = spread(&|pair| (pair[0].answered + pair[1].answered) as f64 / seconds as f64);
        table.rows.push(vec![
            (*name).to_owned(),
            format!("{:.2} %", high.median),
            format!("{:.2} %", high.least),
            format!("{:.2} %", low.median),
            format!("{:.1}", spread(&|pair| pair[0].percentile_ms(99)).median),
            format!("{:.0}", goodput.median),
        ]);
    }
    Ok(Section {
        name: "overload-classes",
        title: "one request in twenty is of the high class, at ten times the capacity",
        meaning: format!(
            "As overload-kept at {LOAD} x, {seconds} s, {rounds} rounds: {:.0} % of the requests are of the class `high` and the others \
             `low`. Together the high ones are half of what the server can do. `X-Pivot-Class` tells Pivot's classifier; \
             its peers have no classes. Medians of the rounds.",
            KINDS[0].share * 100.0
        ),
        tables: vec![table],
        notes,
        chart: None,
    })
}
