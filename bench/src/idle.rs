//! Memory of an idle connection.

use std::time::Duration;

use crate::chart::{Bar, Chart};
use crate::http::PLAINTEXT;
use crate::load::{Load, Plan, connections_max};
use crate::report::{Section, Table};
use crate::rounds::Spread;
use crate::server::{Launch, SERVERS, Server, installed};
use crate::{Options, Result, progress};

const CONNECTIONS: usize = 10_000;
/// Memory moves little from run to run.
const RUNS: usize = 3;
/// After it a server has put aside what it needed for the requests.
const SETTLE: Duration = Duration::from_secs(1);

pub(crate) fn measure(options: &Options) -> Result<Section> {
    let wanted: Vec<&'static str> = SERVERS.into_iter().filter(|name| options.wants(name)).collect();
    let (names, mut notes) = installed(&wanted);
    let connections = connections_max().min(CONNECTIONS);
    let mut table = Table::new(&["server", "bytes a connection", "empty MiB", "full MiB"]);
    let mut bars = Vec::new();
    for name in names {
        let (mut each, mut empty, mut full) = (Vec::new(), 0, 0);
        for run in 1..=RUNS {
            progress(&format!("idle: run {run} of {RUNS}, {name}"));
            (empty, full) = resident(name, connections).map_err(|error| format!("{name}: {error}"))?;
            each.push((full as f64 - empty as f64) / connections as f64);
        }
        let each = Spread::of(each);
        let text = format!("{:.0} ({:.0}–{:.0})", each.median, each.least, each.most);
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
        table.rows.push(vec![name.to_owned(), text, mib(empty), mib(full)]);
        let (text, spread) = (format!("{:.0} B", each.median), Some((each.least, each.most)));
        bars.push(Bar { label: name.to_owned(), value: each.median, text, spread });
    }
    if connections < CONNECTIONS {
        notes.push(format!("only {connections} connections: the system allows no more open files"));
    }
    Ok(Section {
        name: "idle",
        title: "memory of an idle connection",
        meaning: format!(
            "Memory in RAM (RSS) with {connections} idle connections, each after one request, less that with none, divided by \
             their number; median, least and most of {RUNS} runs. Pivot's table of connections is made at start, so its \
             figure is the difference between a server for {connections} connections with all of them and one for 64 with \
             none. The kernel's own memory for a socket is not in it."
        ),
        tables: vec![table],
        notes,
        chart: Some(
            Chart { title: "bytes of RAM for an idle connection (less is better)".to_owned(), bars }.svg(),
        ),
    })
}

/// RSS without connections and with them.
fn resident(name: &str, connections: usize) -> Result<(u64, u64)> {
    let start = |most: usize| {
        let most = most.to_string();
        let options = ["--connections-max", most.as_str(), "--connections-per-client", most.as_str()];
        Server::start(Launch { name, through: &[], workers: 1, options: &options })
    };
    let server = start(if name == "pivot" { 64 } else { connections })?;
    std::thread::sleep(SETTLE);
    let empty = server.resident_bytes()?;
    let server = if name == "pivot" {
        server.end()?;
        let server = start(connections)?;
        // The connection that showed that it runs has to be gone: it counts.
        std::thread::sleep(SETTLE);
        server
    } else {
        server
    };
    let plan = Plan { shape: PLAINTEXT, connections, active: 1, depth: 1 };
    let load = Load::open(plan, server.address)?;
    std::thread::sleep(SETTLE);
    let full = server.resident_bytes()?;
    drop(load);
    server.end()?;
    Ok((empty, full))
}
