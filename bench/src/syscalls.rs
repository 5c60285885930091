//! System calls a request, counted by strace.

use std::collections::BTreeMap;
use std::fs;

use crate::chart::{Bar, Chart};
use crate::http::PLAINTEXT;
use crate::report::{Section, Table};
use crate::server::{Launch, SERVERS, Server, installed};
use crate::{Options, Result, progress};

const BATCH: u64 = 16;
/// Exchanges of the first run, and of the second: requests, batches or connections.
const FEW: u64 = 100;
const MANY: u64 = 600;

#[derive(Clone, Copy)]
enum Way {
    OneAtATime,
    Pipelined,
    Fresh,
}

const WAYS: [(&str, Way); 3] =
    [("a request", Way::OneAtATime), ("a batch of 16", Way::Pipelined), ("a connection", Way::Fresh)];

pub(crate) fn measure(options: &Options) -> Result<Section> {
    let wanted: Vec<&'static str> = SERVERS.into_iter().filter(|name| options.wants(name)).collect();
    let (names, mut notes) = installed(&wanted);
    let mut table = Table::new(&["server"]);
    table.columns.extend(WAYS.iter().map(|way| way.0.to_owned()));
    table.columns.push("which, a request".to_owned());
    let mut bars = Vec::new();
    for name in names {
        let mut row = vec![name.to_owned()];
        let mut detail = String::new();
        for (index, (what, way)) in WAYS.iter().enumerate() {
            progress(&format!("syscalls: {name}, {what}"));
            let calls = difference(name, *way).map_err(|error| format!("{name}, {what}: {error}"))?;
            let sum: f64 = calls.values().sum();
            row.push(format!("{sum:.2}"));
            if index == 0 {
                bars.push(Bar {
                    label: name.to_owned(),
                    value: sum,
                    text: format!("{sum:.2}"),
                    spread: None,
                });
                let named: Vec<String> = calls
                    .iter()
                    .filter(|(_, count)| **count >= 0.005)
                    .map(|(name, count)| format!("{name} {count:.2}"))
                    .collect();
                detail = named.join(", ");
            }
        }
        row.push(detail);
        table.rows.push(row);
    }
    notes.push(
        "under strace a server is many times slower, so that it finds more work at each turn than it would"
            .to_owned(),
    );
    Ok(Section {
        name: "syscalls",
        title: "system calls, by strace",
        meaning: format!(
            "The difference between a run of {MANY} and one of {FEW} exchanges, divided by the number between; calls that a \
             timer makes are in it. `a request`: `GET /` one at a time on one connection. `a batch of 16`: {BATCH} of them in \
             one write. `a connection`: opened, one request, closed."
        ),
        tables: vec![table],
        notes,
        chart: Some(
            Chart { title: "system calls a request, GET / one at a time (less is better)".to_owned(), bars }
                .svg(),
        ),
    })
}

/// Calls for one exchange, by name.
fn difference(name: &str, way: Way) -> Result<BTreeMap<String, f64>> {
    let (few, mut many) = (count(name, way, FEW)?, count(name, way, MANY)?);
    for (call, count) in few {
        *many.entry(call).or_default() -= count;
    }
    Ok(many.into_iter().map(|(call, count)| (call, count / (MANY - FEW) as f64)).collect())
}

/// Calls of a server from its start to its end.
fn count(name: &str, way: Way, exchanges: u64) -> Result<BTreeMap<String, f64>> {
    let file = std::env::temp_dir().join(format!("pivot-bench-{}-{name}.strace", std::process::id()));
    let out = file.display().to_string();
    let through = ["strace", "-f", "-c", "-o", &out];
    let server = Server::start(Launch { name, through: &through, workers: 1, options: &[] })?;
    match way {
        Way::OneAtATime => server.ask(PLAINTEXT, exchanges, 1)?,
        Way::Pipelined => server.ask(PLAINTEXT, exchanges * BATCH, BATCH as usize)?,
        Way::Fresh => server.ask_afresh(PLAINTEXT, exchanges)?,
    }
    server.end()?;
    let text = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    let calls = parsed(&text);
    if calls.is_empty() { Err(format!("strace counted nothing: {text}").into()) } else { Ok(calls) }
}

/// The table of `strace -c`: share, seconds, microseconds a call, calls, errors if there are any, name.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (name, calls) = (*fields.last()?, fields.get(3)?.parse().ok()?);
            (fields.len() >= 5 && name != "total").then(|| (name.to_owned(), calls))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_strace_is_read_with_and_without_errors() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n \
            60.00    0.000300           3       100           sendto\n \
            40.00    0.000200           1       200        10 recvfrom\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.000500           1       300        10 total\n";
        let calls = parsed(text);
        assert_eq!(
            calls.into_iter().collect::<Vec<_>>(),
            [("recvfrom".to_owned(), 200.0), ("sendto".to_owned(), 100.0)]
        );
    }
}
