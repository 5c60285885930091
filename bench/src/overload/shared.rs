//! What one worker may do, two may do together and not each.

use std::time::Duration;

use super::arrivals::Phase;
use super::clients::{Outcome, Plan};
use super::request::{Kind, TRIFLE};
use super::{Course, Noise, SECONDS, SEED, habits, start, turn};
use crate::report::{Section, Table};
use crate::{Options, Result};

const WORKERS: [usize; 2] = [1, 2];

/// A limit that all workers share, and a load that runs into it.
struct Limit {
    name: &'static str,
    options: &'static [&'static str],
    kind: Kind,
    rate: f64,
    /// What counts as let through.
    is_admitted: fn(Outcome) -> bool,
    /// How many may be let through in so many seconds.
    most: fn(u64) -> u64,
}

const QUOTA: u64 = 100;
const BURST: u64 = 10;
/// 8 permits, one of them kept for the system class, each held for 100 ms.
const PERMITS: u64 = 7;
const HELD_MS: u64 = 100;
/// The breaker's least volume: until then it cannot judge.
const VOLUME: u64 = 20;

const LIMITS: [Limit; 3] = [
    Limit {
        name: "quota of a client, 100/s and a burst of 10",
        options: &["--rate-limit", "100/1:10"],
        kind: TRIFLE,
        rate: 1_000.0,
        is_admitted: |outcome| outcome == Outcome::Answered,
        most: |seconds| QUOTA * seconds + BURST,
    },
    Limit {
        name: "8 permits, one of them reserved, each taken for 100 ms",
        options: &["--concurrency-max", "8", "--queue-max", "2"],
        kind: Kind { path: "/slow?ms=100", content: "slept\n", ..TRIFLE },
        rate: 400.0,
        is_admitted: |outcome| outcome == Outcome::Answered,
        most: |seconds| PERMITS * (seconds * 1_000 / HELD_MS + 1),
    },
    Limit {
        name: "breaker of a route that always fails, opens after 20",
        options: &[],
        kind: Kind { path: "/fail", ..TRIFLE },
        rate: 200.0,
        is_admitted: |outcome| outcome == Outcome::Refused(500),
        most: |_| VOLUME,
    },
];

pub(crate) fn measure(options: &Options) -> Result<Section> {
    // Long enough for hundreds of requests, and shorter than a breaker stays open.
    let seconds = options.seconds(SECONDS).min(10);
    let phases = [Phase { duration: Duration::from_secs(seconds), rate: 0.0 }];
    let mut course = Course::new("overload-shared", LIMITS.len() * WORKERS.len());
    let mut noise = Noise::default();
    let mut table = Table::new(&["limit", "at most", "one worker", "two workers", "requests"]);
    for limit in &LIMITS {
        let mut row = vec![limit.name.to_owned(), (limit.most)(seconds).to_string()];
        let mut total = 0;
        for workers in WORKERS {
            course.step(&format!("{}, workers: {workers}", limit.name));
            let phases = phases.map(|phase| Phase { rate: limit.rate, ..phase });
            let kinds = std::slice::from_ref(&limit.kind);
            let plan = Plan { kinds, phases: &phases, seed: SEED, habits: habits(options) };
            let (admitted, _) = noise.quiet(|| {
                let server = start("pivot", workers, limit.options)?;
                let mut admitted = 0_u64;
                total = 0;
                let turn = turn(&server, &plan, &mut |one| {
                    admitted += u64::from((limit.is_admitted)(one.outcome));
                    total += 1;
                })?;
                Ok((admitted, turn))
            })?;
            row.push(admitted.to_string());
        }
        row.push(total.to_string());
        table.rows.push(row);
    }
    Ok(Section {
        name: "overload-shared",
        title: "limits of one worker and of two",
        meaning: format!(
            "Pivot with one worker and with two, {seconds} s each, all requests from one address on 256 connections and more: how many \
             are let through. `at most` is what the limit allows one server, however many workers it has."
        ),
        tables: vec![table],
        notes: vec![noise.note()],
        chart: None,
    })
}
