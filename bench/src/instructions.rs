//! Instructions a request, counted by callgrind, and the budget that Pivot's own have to keep.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::chart::{Bar, Chart};
use crate::http::{BROWSER, JSON, PLAINTEXT, Shape, TOO_MANY, UNAVAILABLE};
use crate::report::{Section, Table};
use crate::server::{Launch, SERVERS, Server, bench_folder, installed};
use crate::{Options, Result, progress};

/// Requests of the first run, and of the second.
const FEW: u64 = 512;
const MANY: u64 = 2_560;
/// A figure may be above its budget by so many per cent: another compiler or C library moves it a little.
const TOLERANCE_PERCENT: u64 = 3;

/// What is counted.
struct Case {
    name: &'static str,
    what: &'static str,
    shape: Shape,
    /// Requests in one write.
    depth: usize,
    /// A connection for each request.
    is_fresh: bool,
    /// Whether the peers know it too: they have no refusals, and `raw` has one answer only.
    peers: fn(&str) -> bool,
    options: &'static [&'static str],
    /// Requests that are under way all the time, on connections of their own.
    held: usize,
}

const KEPT: Case = Case {
    name: "plaintext",
    what: "GET / one at a time",
    shape: PLAINTEXT,
    depth: 1,
    is_fresh: false,
    peers: |_| true,
    options: &[],
    held: 0,
};
const CASES: [Case; 7] = [
    KEPT,
    Case { name: "pipelined", what: "GET / in batches of 16", depth: 16, ..KEPT },
    Case { name: "json", what: "GET /users/7", shape: JSON, peers: |name| name != "raw", ..KEPT },
    Case { name: "browser", what: "GET / with a browser's head of 700 bytes", shape: BROWSER, ..KEPT },
    Case { name: "connection", what: "GET / on a connection of its own", is_fresh: true, ..KEPT },
    Case {
        name: "refused-429",
        what: "GET / above the rate of the client",
        shape: TOO_MANY,
        peers: |_| false,
        options: &["--rate-limit", "1/3600:1"],
        ..KEPT
    },
    Case {
        name: "refused-503",
        what: "GET / while all is busy and the queue is full",
        shape: UNAVAILABLE,
        peers: |_| false,
        // The strategy that looks least at the clock, which runs many times too fast here.
        options: &[
            "--concurrency-max",
            "1",
            "--queue-max",
            "1",
            "--queue-timeout",
            "60000",
            "--shed",
            "random",
        ],
        held: 2,
        ..KEPT
    },
];

/// Counts Pivot's instructions, and its peers' if that is asked for.
pub(crate) fn measure(options: &Options) -> Result<Section> {
    let wanted: Vec<&'static str> =
        SERVERS.into_iter().filter(|name| *name == "pivot" || options.peers && options.wants(name)).collect();
    let (names, mut notes) = installed(&wanted);
    let mut table = Table::new(&["server"]);
    table.columns.extend(CASES.iter().map(|case| case.name.to_owned()));
    let (mut bars, mut figures) = (Vec::new(), Vec::new());
    for name in names {
        let mut row = vec![name.to_owned()];
        for (index, case) in CASES.iter().enumerate() {
            if name != "pivot" && !(case.peers)(name) {
                row.push("–".to_owned());
                continue;
            }
            progress(&format!("instructions: {name}, {}", case.name));
            let count = match instructions(name, case) {
                Ok(count) => count,
                // Valgrind does not know every system call that servers in other languages make.
                Err(error) if matches!(name, "nginx" | "h2o") => {
                    notes.push(format!("{name}, {}: not counted: {error}", case.name));
                    row.push("–".to_owned());
                    continue;
                }
                Err(error) => return Err(format!("{name}, {}: {error}", case.name).into()),
            };
            row.push(count.to_string());
            if name == "pivot" {
                figures.push((case.name, count));
            }
            if index == 0 {
                let text = count.to_string();
                bars.push(Bar { label: name.to_owned(), value: count as f64, text, spread: None });
            }
        }
        table.rows.push(row);
    }
    notes.extend(CASES.iter().map(|case| format!("{}: {}", case.name, case.what)));
    if options.peers {
        notes.push("nginx and h2o answer with fixed text or files; raw reads no request".to_owned());
    }
    notes.push(if options.writes_budget { write_budget(&figures)? } else { check_budget(&figures)? });
    Ok(Section {
        name: "instructions",
        title: "user-space instructions a request, by callgrind",
        meaning: format!(
            "The difference between a run of {MANY} and one of {FEW} requests on one connection, divided by the number \
             between: neither start nor end is in it. What the kernel does is not in it either. Pivot has every \
             protection on; its peers have none, but for axum-protected."
        ),
        tables: vec![table],
        notes,
        chart: Some(
            Chart { title: "instructions a request, GET / one at a time (less is better)".to_owned(), bars }
                .svg(),
        ),
    })
}

/// What Pivot takes for one of the cases.
pub(crate) fn pivot_instructions(case: &str) -> Result<u64> {
    progress(&format!("instructions: pivot, {case}"));
    let case = CASES.iter().find(|known| known.name == case).ok_or_else(|| format!("no case {case}"))?;
    instructions("pivot", case)
}

fn instructions(name: &str, case: &Case) -> Result<u64> {
    // Both at one time: a server that ends in good order takes a while for it.
    let (few, many) = std::thread::scope(|scope| {
        let few = scope.spawn(|| total(name, case, FEW).map_err(|error| error.to_string()));
        let many = total(name, case, MANY).map_err(|error| error.to_string());
        (few.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())), many)
    });
    let (few, many) = (few?, many?);
    let difference = many.checked_sub(few).ok_or("the longer run took fewer instructions")?;
    Ok((difference + (MANY - FEW) / 2) / (MANY - FEW))
}

/// Instructions of a server from its start to its end, with so many requests between.
fn total(name: &str, case: &Case, requests: u64) -> Result<u64> {
    let file =
        std::env::temp_dir().join(format!("pivot-bench-{}-{name}-{requests}.callgrind", std::process::id()));
    let out = format!("--callgrind-out-file={}", file.display());
    let through = ["valgrind", "--tool=callgrind", &out];
    let server = Server::start(Launch { name, through: &through, workers: 1, options: case.options })?;
    let mut held = Vec::new();
    for _ in 0..case.held {
        let mut stream = server.connect()?;
        stream.write_all(b"GET /slow?ms=20000 HTTP/1.1\r\nHost: a\r\n\r\n")?;
        // It has to be there before the next.
        std::thread::sleep(Duration::from_millis(200));
        held.push(stream);
    }
    if case.is_fresh {
        server.ask_afresh(case.shape, requests)?;
    } else {
        server.ask(case.shape, requests, case.depth)?;
    }
    drop(held);
    server.end()?;
    let text = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(total.ok_or("callgrind wrote no total")?.trim().parse()?)
}

fn budget_path() -> PathBuf {
    bench_folder().join("instructions.budget")
}

fn write_budget(figures: &[(&str, u64)]) -> Result<String> {
    let lines: String = figures.iter().map(|(name, count)| format!("{name} {count}\n")).collect();
    let heading = "# Instructions that Pivot may take for a request: `cargo xtask bench instructions` fails above it.\n";
    fs::write(budget_path(), heading.to_owned() + &lines)?;
    Ok(format!("the budget in {} is what was measured now", budget_path().display()))
}

fn check_budget(figures: &[(&str, u64)]) -> Result<String> {
    let text =
        fs::read_to_string(budget_path()).map_err(|error| format!("{}: {error}", budget_path().display()))?;
    compare(&text, figures).map_err(|error| {
        format!(
            "{error}\nIf that is worth it, say why in the commit and put the new figure into bench/instructions.budget: \
             cargo xtask bench instructions --write-budget"
        )
        .into()
    })
}

/// Whether each figure keeps to its budget.
fn compare(budget: &str, figures: &[(&str, u64)]) -> std::result::Result<String, String> {
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for &(name, count) in figures {
        let allowed: u64 = budget
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(known, _)| *known == name)
            .and_then(|(_, value)| value.trim().parse().ok())
            .ok_or_else(|| format!("the budget has no line for {name}"))?;
        if count * 100 > allowed * (100 + TOLERANCE_PERCENT) {
            above.push(format!("{name} takes {count} instructions; its budget is {allowed}"));
        } else if count * (100 + TOLERANCE_PERCENT) < allowed * 100 {
            below.push(format!("{name} takes {count} and may take {allowed}"));
        }
    }
    match (above.is_empty(), below.is_empty()) {
        (false, _) => Err(above.join("\n")),
        (true, true) => Ok(format!("Pivot keeps to its budget, give or take {TOLERANCE_PERCENT} %")),
        (true, false) => {
            Ok(format!("Pivot keeps to its budget; lower it, there is room: {}", below.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_per_cent_above_the_budget_pass_and_more_fails() {
        let budget = "# a comment\nplaintext 1000\njson 2000\n";
        assert!(compare(budget, &[("plaintext", 1_030), ("json", 2_000)]).is_ok());
        let error = compare(budget, &[("plaintext", 1_031), ("json", 2_000)]).unwrap_err();
        assert_eq!(error, "plaintext takes 1031 instructions; its budget is 1000");
        assert!(compare(budget, &[("plaintext", 900)]).unwrap().contains("lower it"));
        assert_eq!(compare(budget, &[("browser", 1)]).unwrap_err(), "the budget has no line for browser");
    }

    #[test]
    fn the_budget_has_a_line_for_each_case() {
        let budget = fs::read_to_string(budget_path()).unwrap();
        let figures: Vec<_> = CASES.iter().map(|case| (case.name, 1)).collect();
        assert!(compare(&budget, &figures).is_ok());
        assert_eq!(budget.lines().filter(|line| !line.starts_with('#')).count(), CASES.len());
    }
}
