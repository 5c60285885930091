//! A second worker.

use crate::chart::{Bar, Chart};
use crate::http::PLAINTEXT;
use crate::load::Plan;
use crate::report::{Section, Table};
use crate::rounds::{Entrant, Setting, run};
use crate::server::{Launch, SERVERS, Server, installed};
use crate::{Options, Result};

const CONNECTIONS: usize = 256;
const CORES: &str = "0,1";

pub(crate) fn measure(options: &Options) -> Result<Section> {
    let wanted: Vec<&'static str> =
        SERVERS.into_iter().filter(|name| *name == "raw" || options.wants(name)).collect();
    let (names, mut notes) = installed(&wanted);
    let plan = Plan { shape: PLAINTEXT, connections: CONNECTIONS, active: CONNECTIONS, depth: 1 };
    let mut entrants = Vec::new();
    for name in names {
        for workers in [1, 2] {
            let launch = Launch { name, through: &["taskset", "-c", CORES], workers, options: &[] };
            entrants.push(Entrant::new(&format!("{name}, {workers}"), Server::start(launch)?, plan));
        }
    }
    notes.extend(run("workers", &mut entrants, Setting { threads: 2, cores: &[0, 1] }, options)?);
    let find = |name: &str, workers: usize| {
        entrants.iter().find(|entrant| entrant.label == format!("{name}, {workers}"))
    };
    let mut table = Table::new(&[
        "server",
        "CPU µs, one worker",
        "CPU µs, two",
        "of raw, two",
        "requests/s, one",
        "requests/s, two",
        "gain",
    ]);
    let mut bars = Vec::new();
    let limit = find("raw", 2).ok_or("raw is missing")?;
    for name in SERVERS {
        let (Some(one), Some(two)) = (find(name, 1), find(name, 2)) else { continue };
        let ratio = two.ratio(limit, |sample| sample.cpu);
        table.rows.push(vec![
            name.to_owned(),
            one.spread(|sample| sample.cpu).text(),
            two.spread(|sample| sample.cpu).text(),
            ratio.text(),
            format!("{:.0}", one.spread(|sample| sample.requests_per_s).median),
            format!("{:.0}", two.spread(|sample| sample.requests_per_s).median),
            two.ratio(one, |sample| sample.requests_per_s).text(),
        ]);
        let (text, spread) = (format!("× {:.2}", ratio.median), Some((ratio.least, ratio.most)));
        bars.push(Bar { label: name.to_owned(), value: ratio.median, text, spread });
    }
    entrants.into_iter().try_for_each(|entrant| entrant.server.end())?;
    Ok(Section {
        name: "workers",
        title: "two workers",
        meaning: format!(
            "`GET /` one at a time on {CONNECTIONS} connections. The server may use cores 0 and 1, and so may the two threads of \
             the load: on a machine of two cores they share them, and the gain is what is left for a second worker when \
             the load has taken its part, not what it would be with cores of its own. CPU time a request shows what two \
             workers cost beside one; `of raw` is the ratio to raw with two threads in the same round."
        ),
        tables: vec![table],
        notes,
        chart: Some(
            Chart {
                title: "CPU time a request with two workers, as a multiple of raw (less is better)"
                    .to_owned(),
                bars,
            }
            .svg(),
        ),
    })
}
