//! CPU time a request, one at a time on each connection and pipelined.

use crate::chart::{Bar, Chart};
use crate::http::PLAINTEXT;
use crate::load::Plan;
use crate::report::{Section, Table};
use crate::rounds::{APART, Entrant, run};
use crate::server::{SERVERS, Server, installed};
use crate::{Options, Result};

const CONNECTIONS: usize = 64;
const BATCH: usize = 16;

/// One request at a time on each of 64 connections.
pub(crate) fn one_at_a_time(options: &Options) -> Result<Section> {
    let (tables, notes, chart) = compare("cpu", 1, options)?;
    Ok(Section {
        name: "cpu",
        title: "CPU time a request, one at a time on each connection",
        meaning: format!(
            "The CPU time of all threads of a server, in user space and in the kernel, divided by its requests: `GET /`, \
             {CONNECTIONS} keep-alive connections, one thread, the server on core 1 and the load on core 0. {MEANING}"
        ),
        tables,
        notes,
        chart,
    })
}

/// Batches of 16.
pub(crate) fn pipelined(options: &Options) -> Result<Section> {
    let (tables, notes, chart) = compare("pipelined", BATCH, options)?;
    Ok(Section {
        name: "pipelined",
        title: "CPU time a request, in batches of 16",
        meaning: format!(
            "As cpu, but each of the {CONNECTIONS} connections sends {BATCH} requests in one write and waits for all \
             {BATCH} answers. The kernel's part shrinks, and with it what hides the server's own. Latency is that of an \
             answer from the write of its batch. {MEANING}"
        ),
        tables,
        notes,
        chart,
    })
}

const MEANING: &str = "Median, least and most of all rounds. `of raw` is the ratio to raw in the same round: raw reads no \
request and answers with fixed bytes, so it is what the kernel takes. `raw again` is a second one of them: its ratio is the noise. \
User and system time come from clock ticks and are coarser than their sum. Pivot has every protection on; its peers have \
none, but for axum-protected. The load waits for answers, so a quicker server gets more requests and not a longer queue.";

type Found = (Vec<Table>, Vec<String>, Option<String>);

fn compare(benchmark: &str, depth: usize, options: &Options) -> Result<Found> {
    let wanted: Vec<&'static str> =
        SERVERS.into_iter().filter(|name| *name == "raw" || options.wants(name)).collect();
    let (names, mut notes) = installed(&wanted);
    let plan = Plan { shape: PLAINTEXT, connections: CONNECTIONS, active: CONNECTIONS, depth };
    let mut entrants = vec![Entrant::new("raw", Server::start_pinned("raw")?, plan)];
    entrants.push(Entrant::new("raw again", Server::start_pinned("raw")?, plan));
    for name in names.into_iter().filter(|name| *name != "raw") {
        entrants.push(Entrant::new(name, Server::start_pinned(name)?, plan));
    }
    notes.extend(run(benchmark, &mut entrants, APART, options)?);
    let mut table =
        Table::new(&["server", "CPU µs", "of raw", "user µs", "system µs", "p50 µs", "p99 µs", "requests/s"]);
    let mut bars = Vec::new();
    for entrant in &entrants {
        let (cpu, ratio) =
            (entrant.spread(|sample| sample.cpu), entrant.ratio(&entrants[0], |sample| sample.cpu));
        table.rows.push(vec![
            entrant.label.clone(),
            cpu.text(),
            ratio.text(),
            format!("{:.2}", entrant.spread(|sample| sample.user).median),
            format!("{:.2}", entrant.spread(|sample| sample.system).median),
            format!("{:.0}", entrant.spread(|sample| sample.p50).median),
            format!("{:.0}", entrant.spread(|sample| sample.p99).median),
            format!("{:.0}", entrant.spread(|sample| sample.requests_per_s).median),
        ]);
        bars.push(Bar {
            label: entrant.label.clone(),
            value: cpu.median,
            text: format!("{:.2} µs", cpu.median),
            spread: Some((cpu.least, cpu.most)),
        });
    }
    entrants.into_iter().try_for_each(|entrant| entrant.server.end())?;
    let title =
        format!("CPU time a request, GET /, {depth} at a time on {CONNECTIONS} connections (less is better)");
    Ok((vec![table], notes, Some(Chart { title, bars }.svg())))
}
