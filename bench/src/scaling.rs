//! What many open connections do to the cost of a request.

use crate::chart::{Bar, Chart};
use crate::http::PLAINTEXT;
use crate::load::{Plan, connections_max};
use crate::report::{Section, Table};
use crate::rounds::{APART, Entrant, run};
use crate::server::{Launch, SERVERS, Server, installed};
use crate::{Options, Result};

/// Requests under way at one time, whatever the number of connections.
const ACTIVE: usize = 64;
const COUNTS: [usize; 3] = [64, 1_000, 20_000];

pub(crate) fn measure(options: &Options) -> Result<Section> {
    let wanted: Vec<&'static str> = SERVERS.into_iter().filter(|name| options.wants(name)).collect();
    let (names, mut notes) = installed(&wanted);
    let counts = COUNTS.map(|count| count.min(connections_max()));
    // Those that are not open do not count, so one server after the other has all its rounds.
    let mut table = Table::new(&["server"]);
    table.columns.extend(counts.iter().map(|count| format!("CPU µs at {count}")));
    table.columns.push("growth".to_owned());
    let mut bars = Vec::new();
    let most = (counts[2] + ACTIVE).to_string();
    let launch_options = ["--connections-max", most.as_str(), "--connections-per-client", most.as_str()];
    let mut entrants = Vec::new();
    for name in names {
        for connections in counts {
            let through = ["taskset", "-c", "1"];
            let launch = Launch { name, through: &through, workers: 1, options: &launch_options };
            let plan = Plan { shape: PLAINTEXT, connections, active: ACTIVE, depth: 1 };
            let label = format!("{name} at {connections}");
            entrants.push(Entrant::new(&label, Server::start(launch)?, plan));
        }
    }
    notes.extend(run("scaling", &mut entrants, APART, options)?);
    for name in SERVERS {
        let of_name: Vec<&Entrant> = entrants.iter().filter(|entrant| entrant.server.name == name).collect();
        let [few, some, many] = of_name.as_slice() else { continue };
        let growth = many.ratio(few, |sample| sample.cpu);
        let mut row = vec![name.to_owned()];
        row.extend([few, some, many].map(|entrant| entrant.spread(|sample| sample.cpu).text()));
        row.push(growth.text());
        table.rows.push(row);
        let (text, spread) = (format!("× {:.2}", growth.median), Some((growth.least, growth.most)));
        bars.push(Bar { label: name.to_owned(), value: growth.median, text, spread });
    }
    entrants.into_iter().try_for_each(|entrant| entrant.server.end())?;
    if counts[2] < COUNTS[2] {
        notes.push(format!(
            "{} connections instead of {}: the system allows no more open files",
            counts[2], COUNTS[2]
        ));
    }
    Ok(Section {
        name: "scaling",
        title: "CPU time a request with many open connections",
        meaning: format!(
            "`GET /` one at a time; {ACTIVE} requests are under way at any moment, and all connections take turns. The server is \
             on core 1 and the load on core 0. `growth` is the ratio of the last column to the first, round by round: \
             what it costs that many connections are open, in the server's tables and in the kernel's, which raw shows."
        ),
        tables: vec![table],
        notes,
        chart: Some(
            Chart {
                title: format!(
                    "growth of CPU time a request from {ACTIVE} to {} connections (less is better)",
                    counts[2]
                ),
                bars,
            }
            .svg(),
        ),
    })
}
