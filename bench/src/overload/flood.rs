//! More clients than anybody can remember.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::arrivals::Phase;
use super::clients::Plan;
use super::request::{Clientele, Kind, TRIFLE};
use super::tally::Tally;
use super::{Course, Noise, SECONDS, SEED, habits, start, turn};
use crate::curves::{Curves, Line};
use crate::report::{Section, Table};
use crate::{Options, Result};

/// Requests a second, each from a client that never came before.
const FLOOD: f64 = 25_000.0;
/// Clients that keep to their quota: 1,000 with half a request a second each.
const LIGHT: f64 = 500.0;
const LIGHT_COUNT: u32 = 1_000;
/// Clients that ask twenty times as often as they may: 10 with 100 a second each.
const HEAVY: f64 = 1_000.0;
const HEAVY_COUNT: u32 = 10;
const QUOTA: u64 = 5;
const ALL: f64 = FLOOD + LIGHT + HEAVY;
const KINDS: [Kind; 3] = [
    Kind { label: "newcomers", share: FLOOD / ALL, clients: Clientele::New, ..TRIFLE },
    Kind { label: "light", share: LIGHT / ALL, clients: Clientele::Among(LIGHT_COUNT), ..TRIFLE },
    Kind { label: "heavy", share: HEAVY / ALL, clients: Clientele::Among(HEAVY_COUNT), ..TRIFLE },
];
/// How often memory is looked at.
const SAMPLE_MS: u64 = 250;

pub(crate) fn measure(options: &Options) -> Result<Section> {
    let seconds = 2 * options.seconds(SECONDS);
    let phases = [Phase { duration: Duration::from_secs(seconds), rate: ALL }];
    let plan = Plan { kinds: &KINDS, phases: &phases, seed: SEED, habits: habits(options) };
    let mut course = Course::new("overload-flood", 1);
    let mut noise = Noise::default();
    course.step("pivot");
    let ((tallies, memory), turn) = noise.quiet(|| run(&plan))?;
    let mut table = Table::new(&["clients", "requests", "admitted", "429", "quotas allow"]);
    for (kind, tally) in KINDS.iter().zip(&tallies) {
        let allowed = match kind.clients {
            Clientele::Among(count) => {
                (u64::from(count) * QUOTA * (seconds + 1)).min(tally.total()).to_string()
            }
            Clientele::New | Clientele::Unnamed => tally.total().to_string(),
        };
        table.rows.push(vec![
            kind.label.to_owned(),
            tally.total().to_string(),
            format!("{} ({:.2} %)", tally.answered, tally.percent_answered()),
            tally.refused.to_string(),
            allowed,
        ]);
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let at = |second: f64| memory.iter().rfind(|sample| sample.0 <= second).map_or(0, |sample| sample.1);
    let most = memory.iter().filter(|sample| sample.0 >= 1.0).map(|sample| sample.1).max().unwrap_or(0);
    let mut resident = Table::new(&["", "start", "after 1 s", "most after it", "end"]);
    let end = memory.last().map_or(0, |sample| sample.1);
    let row = [at(0.0), at(1.0), most, end].map(|bytes| format!("{:.2}", mib(bytes)));
    resident.rows.push(std::iter::once("resident, MiB".to_owned()).chain(row).collect());
    let points = memory.iter().map(|&(second, bytes)| (second, mib(bytes))).collect();
    let chart = Curves {
        title: format!("memory under a flood of {:.0} clients", FLOOD * seconds as f64),
        x: "seconds".to_owned(),
        y: "resident, MiB".to_owned(),
        x_ticks: (0..=4).map(|part| (seconds * part) as f64 / 4.0).collect(),
        is_log: false,
        lines: vec![Line { label: "pivot".to_owned(), points }],
    };
    Ok(Section {
        name: "overload-flood",
        title: "memory and quotas under a flood of clients that never come again",
        meaning: format!(
            "For {seconds} s, {FLOOD} requests a second (`GET /`) each from a new client, among them {LIGHT_COUNT} clients that keep to their \
             quota and {HEAVY_COUNT} that ask {:.0} times as often as they may; {QUOTA} a second for each client, with a burst of {QUOTA}. \
             Clients are told apart by `X-Forwarded-For` behind one trusted hop. Memory is that in RAM, looked at every \
             {SAMPLE_MS} ms. One worker on core 1, which used {:.2} of it.",
            HEAVY / f64::from(HEAVY_COUNT) / QUOTA as f64,
            turn.user + turn.system
        ),
        tables: vec![table, resident],
        notes: vec![noise.note()],
        chart: Some(chart.svg()),
    })
}

/// By kind, and memory by seconds after the start.
type Found = ([Tally; KINDS.len()], Vec<(f64, u64)>);

fn run(plan: &Plan<'_>) -> Result<(Found, super::Turn)> {
    let quota = format!("{QUOTA}/1:{QUOTA}");
    let server = start("pivot", 1, &["--rate-limit", &quota, "--trusted-hops", "1", "--queue-max", "1000"])?;
    let memory = Mutex::new(vec![(0.0, server.resident_bytes()?)]);
    let is_over = AtomicBool::new(false);
    let mut tallies = KINDS.map(|_| Tally::new());
    let turn = std::thread::scope(|scope| {
        scope.spawn(|| {
            let begin = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(SAMPLE_MS));
                if let (Ok(bytes), Ok(mut memory)) = (server.resident_bytes(), memory.lock()) {
                    memory.push((begin.elapsed().as_secs_f64(), bytes));
                }
            }
        });
        let turn = turn(&server, plan, &mut |one| tallies[one.kind].add(one));
        is_over.store(true, Ordering::Relaxed);
        turn
    })?;
    let memory = memory.into_inner().map_err(|_| "the thread that looks at memory panicked")?;
    Ok(((tallies, memory), turn))
}
