//! Servers that take turns under the same load, in rounds that nobody disturbs.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::load::{Load, Plan, pin};
use crate::server::{Server, thread_cpu};
use crate::{Options, Result, progress};

/// Rounds that a median needs to be worth keeping.
pub(crate) const ROUNDS: usize = 7;
/// How long each turn takes.
pub(crate) const SECONDS: u64 = 2;
/// Cores that others may keep busy during a turn; above it the turn is repeated.
const OTHERS_MAX: f64 = 0.2;
/// How often a turn is repeated at most; then the quietest counts, and the report says so.
const REPEATS_MAX: usize = 5;

/// What one turn of a server showed; times are in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// CPU time a request, and the two parts of it.
    pub(crate) cpu: f64,
    pub(crate) user: f64,
    pub(crate) system: f64,
    pub(crate) requests_per_s: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Cores that were busy with something else.
    others: f64,
}

/// One server under one load, and a sample of each round.
pub(crate) struct Entrant {
    pub(crate) label: String,
    pub(crate) server: Server,
    pub(crate) plan: Plan,
    pub(crate) samples: Vec<Sample>,
    /// Why its samples do not count.
    void: Option<String>,
}

/// How the load runs.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// The connections are shared out among so many threads.
    pub(crate) threads: usize,
    pub(crate) cores: &'a [usize],
}

/// One thread on core 0; the server is on core 1.
pub(crate) const APART: Setting<'static> = Setting { threads: 1, cores: &[0] };

impl Entrant {
    pub(crate) fn new(label: &str, server: Server, plan: Plan) -> Self {
        Self { label: label.to_owned(), server, plan, samples: Vec::new(), void: None }
    }

    /// Median, least and most of something over all rounds.
    pub(crate) fn spread(&self, what: fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(what).collect())
    }

    /// The same of a ratio, each round against the other's sample of the same round.
    pub(crate) fn ratio(&self, other: &Self, what: fn(&Sample) -> f64) -> Spread {
        Spread::of(
            self.samples.iter().zip(&other.samples).map(|(one, other)| what(one) / what(other)).collect(),
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { least: values[0], median: values[values.len() / 2], most: values[values.len() - 1] }
    }

    /// As `1.23 (1.20–1.30)`.
    pub(crate) fn text(&self) -> String {
        format!("{:.2} ({:.2}–{:.2})", self.median, self.least, self.most)
    }
}

/// Runs all rounds. Those whose run is void are taken out, and notes say why, and how quiet it was.
///
/// # Errors
///
/// Pivot's run is void, or that of the limit that all are compared with.
pub(crate) fn run(
    benchmark: &str,
    entrants: &mut Vec<Entrant>,
    setting: Setting<'_>,
    options: &Options,
) -> Result<Vec<String>> {
    let duration = Duration::from_secs(options.seconds(SECONDS));
    let (rounds, mut repeats) = (options.rounds(ROUNDS), 0);
    for round in 1..=rounds {
        for entrant in entrants.iter_mut().filter(|entrant| entrant.void.is_none()) {
            progress(&format!("{benchmark}: round {round} of {rounds}, {}", entrant.label));
            match quiet_turn(entrant, setting, duration) {
                Ok((sample, repeated)) => {
                    entrant.samples.push(sample);
                    repeats += repeated;
                }
                Err(error) if matches!(entrant.server.name.as_str(), "pivot" | "raw") => {
                    return Err(format!("{}: {error}", entrant.label).into());
                }
                Err(error) => entrant.void = Some(error.to_string()),
            }
        }
    }
    let mut notes: Vec<String> = entrants
        .iter()
        .filter_map(|entrant| Some(format!("{} is left out: {}", entrant.label, entrant.void.as_ref()?)))
        .collect();
    entrants.retain(|entrant| entrant.void.is_none());
    let samples = || entrants.iter().flat_map(|entrant| &entrant.samples);
    let noisy = samples().filter(|sample| sample.others > OTHERS_MAX).count();
    let worst = samples().map(|sample| sample.others).fold(0.0, f64::max);
    notes.push(format!(
        "rounds: {rounds}, {} s for each server, in turns; {repeats} turns were repeated because others used more than \
         {OTHERS_MAX} cores; {noisy} of {} that count were still not quiet (others used up to {worst:.2} cores)",
        options.seconds(SECONDS),
        samples().count(),
    ));
    Ok(notes)
}

/// A turn that nobody disturbs, or else the quietest of several, and how many were repeated.
fn quiet_turn(entrant: &Entrant, setting: Setting<'_>, duration: Duration) -> Result<(Sample, usize)> {
    let mut best = turn(entrant, setting, duration)?;
    for repeats in 0..REPEATS_MAX {
        if best.others <= OTHERS_MAX {
            return Ok((best, repeats));
        }
        let next = turn(entrant, setting, duration)?;
        if next.others < best.others {
            best = next;
        }
    }
    Ok((best, REPEATS_MAX))
}

fn turn(entrant: &Entrant, setting: Setting<'_>, duration: Duration) -> Result<Sample> {
    let Entrant { server, plan, .. } = entrant;
    let (connections, active) = (plan.connections / setting.threads, plan.active / setting.threads);
    let share = Plan { connections, active, ..*plan };
    let mut loads =
        (0..setting.threads).map(|_| Load::open(share, server.address)).collect::<Result<Vec<_>>>()?;
    let (busy, cpu, start) = (busy_ticks()?, server.cpu()?, Instant::now());
    let run_one = |load: &mut Load| -> Result<_> {
        pin(setting.cores)?;
        let outcome = load.run(duration)?;
        Ok((outcome, thread_cpu(Path::new("/proc/thread-self"))?.total_ns))
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = loads
            .iter_mut()
            .map(|load| scope.spawn(|| run_one(load).map_err(|error| error.to_string())))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|result| result.unwrap_or_else(|_| Err("the load panicked".to_owned()))).collect()
    });
    let (elapsed, after, busy_after) = (start.elapsed().as_secs_f64(), server.cpu()?, busy_ticks()?);
    let (mut requests, mut requests_per_s, mut load_ns) = (0, 0.0, 0);
    let mut latency_ns = crate::histogram::Histogram::new();
    for outcome in outcomes {
        let (outcome, cpu_ns) = outcome?;
        requests += outcome.requests;
        requests_per_s += outcome.requests as f64 / outcome.elapsed.as_secs_f64();
        latency_ns.merge(&outcome.latency_ns);
        load_ns += cpu_ns;
    }
    let tick_us = 1e6 / rustix::param::clock_ticks_per_second() as f64;
    let each = |sum: f64| sum / requests.max(1) as f64;
    let server_us = (after.total_ns - cpu.total_ns) as f64 / 1e3;
    let all_us = (busy_after - busy) as f64 * tick_us;
    Ok(Sample {
        cpu: each(server_us),
        user: each((after.user_ticks - cpu.user_ticks) as f64 * tick_us),
        system: each((after.system_ticks - cpu.system_ticks) as f64 * tick_us),
        requests_per_s,
        p50: latency_ns.percentile(50) as f64 / 1e3,
        p99: latency_ns.percentile(99) as f64 / 1e3,
        others: ((all_us - server_us - load_ns as f64 / 1e3) / 1e6 / elapsed).max(0.0),
    })
}

/// Ticks in which any core did something, interrupts and time taken by other machines included.
pub(crate) fn busy_ticks() -> Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks = fields.map(str::parse).collect::<std::result::Result<Vec<u64>, _>>()?;
    // user nice system idle iowait irq softirq steal; guests are in user already.
    Ok(ticks.iter().take(8).sum::<u64>() - ticks.iter().skip(3).take(2).sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_between_the_least_and_the_most() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(spread, Spread { least: 1.0, median: 2.0, most: 3.0 });
        assert_eq!(spread.text(), "2.00 (1.00–3.00)");
    }
}
