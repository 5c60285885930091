//! What was counted, as text: Prometheus, OpenMetrics, JSON, StatsD.
//!
//! An export is written line by line, so that an answer of any length goes through a buffer of fixed size.

use core::fmt::{self, Write};

use super::histogram::{Histogram, bucket_of};
use super::outcome::{CloseReason, Outcome};
use super::stats::{Totals, WorkerStats};
use crate::admission::Refusal;

/// What is not counted but looked up when somebody asks. Each method calls `each` with a label (or two) and a value.
pub trait Gauges {
    /// Pools and the states of their objects.
    fn pools(&self, each: &mut dyn FnMut(&str, &str, u64) -> fmt::Result) -> fmt::Result;
    /// Routes and the states of their breakers: 0 closed, 1 half open, 2 open.
    fn breakers(&self, each: &mut dyn FnMut(&dyn fmt::Display, u64) -> fmt::Result) -> fmt::Result;
    /// Limits by name, whether they only count, and how many requests were over each.
    fn limits(&self, each: &mut dyn FnMut(&str, bool, u64) -> fmt::Result) -> fmt::Result;
    /// How many requests may run at once.
    fn concurrency_limit(&self) -> u64;
    /// The share of requests that the shedder admits, in millionths.
    fn admitted_ppm(&self) -> u64;
    /// The states of the jobs of blocking routes.
    fn jobs(&self, each: &mut dyn FnMut(&str, u64) -> fmt::Result) -> fmt::Result;
    /// Jobs so far whose request ended while a thread ran them.
    fn abandoned_jobs(&self) -> u64;
    /// What memory is spent on.
    fn memory(&self, each: &mut dyn FnMut(&str, u64) -> fmt::Result) -> fmt::Result;
}

/// A format of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, version 0.0.4.
    Prometheus,
    /// OpenMetrics text, version 1.0.
    OpenMetrics,
    /// One JSON object.
    Json,
    /// StatsD lines; counters as gauges of their totals, for a collector that subtracts.
    StatsD,
}

impl Format {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Json => "application/json",
            Self::StatsD => "text/plain; charset=utf-8",
        }
    }
}

/// An export under way.
#[derive(Debug)]
pub struct Export<'s> {
    format: Format,
    workers: &'s [WorkerStats],
    totals: Totals,
    family: usize,
}

impl<'s> Export<'s> {
    /// An export of what `workers` have counted by now.
    pub fn new(format: Format, workers: &'s [WorkerStats]) -> Self {
        Self { format, workers, totals: Totals::of(workers), family: 0 }
    }

    /// Writes the next family of metrics; `Ok(false)` when there was none left.
    ///
    /// # Errors
    /// Those of `into`; the family is then written again by the next call.
    pub fn write_next(&mut self, into: &mut dyn Write, gauges: &dyn Gauges) -> Result<bool, fmt::Error> {
        let mut out = Lines { format: self.format, into, is_first: self.family == 0 };
        match self.family {
            0 => {
                out.family("pivot_requests", "counter", "Requests by how they ended.")?;
                for &outcome in Outcome::ALL {
                    out.counter(
                        "pivot_requests",
                        &[("outcome", &outcome.label())],
                        self.totals.outcome(outcome),
                    )?;
                }
            }
            1 => {
                out.family("pivot_refusals", "counter", "Refused requests by reason.")?;
                for (reason, &count) in Refusal::REASONS.iter().zip(&self.totals.refusals) {
                    out.counter("pivot_refusals", &[("reason", reason)], count)?;
                }
            }
            2 => {
                out.family("pivot_requests_in_flight", "gauge", "Requests that have begun and not ended.")?;
                out.gauge("pivot_requests_in_flight", &[], self.totals.in_flight())?;
                out.family("pivot_connections", "gauge", "Open connections.")?;
                out.gauge("pivot_connections", &[], self.totals.connections)?;
                out.family("pivot_connections_accepted", "counter", "Accepted connections.")?;
                out.counter("pivot_connections_accepted", &[], self.totals.accepted)?;
                out.family("pivot_accept_errors", "counter", "Errors of accepting connections.")?;
                out.counter("pivot_accept_errors", &[], self.totals.accept_errors)?;
                out.family("pivot_received_bytes", "counter", "Bytes read from clients.")?;
                out.counter("pivot_received_bytes", &[], self.totals.received_bytes)?;
                out.family("pivot_sent_bytes", "counter", "Bytes written to clients.")?;
                out.counter("pivot_sent_bytes", &[], self.totals.sent_bytes)?;
            }
            3 => {
                out.family("pivot_connections_closed", "counter", "Closed connections by reason.")?;
                for &reason in CloseReason::ALL {
                    out.counter(
                        "pivot_connections_closed",
                        &[("reason", &reason.label())],
                        self.totals.closed(reason),
                    )?;
                }
            }
            4 => out.histogram(
                "pivot_request_duration_seconds",
                "From the complete head to the complete answer.",
                self.workers.iter().map(|stats| &stats.request_duration),
            )?,
            5 => out.histogram(
                "pivot_queue_wait_seconds",
                "From the complete head to the start of the handler.",
                self.workers.iter().map(|stats| &stats.queue_wait),
            )?,
            6 => {
                out.family("pivot_pool_objects", "gauge", "Objects of each pool by state.")?;
                gauges.pools(&mut |pool, state, count| {
                    out.gauge("pivot_pool_objects", &[("pool", &pool), ("state", &state)], count)
                })?;
            }
            7 => {
                out.family("pivot_breaker_state", "gauge", "0 closed, 1 half open, 2 open.")?;
                gauges.breakers(&mut |route, state| {
                    out.gauge("pivot_breaker_state", &[("route", route)], state)
                })?;
            }
            8 => {
                out.family(
                    "pivot_rate_limit_over",
                    "counter",
                    "Requests over each limit; shadows only count.",
                )?;
                gauges.limits(&mut |limit, is_shadow, count| {
                    let labels: Labels<'_> = &[("limit", &limit), ("shadow", &is_shadow)];
                    out.counter("pivot_rate_limit_over", labels, count)
                })?;
                out.family("pivot_concurrency_limit", "gauge", "Requests that may run at once.")?;
                out.gauge("pivot_concurrency_limit", &[], gauges.concurrency_limit())?;
                out.family("pivot_shed_admitted_ratio", "gauge", "The share of requests that is admitted.")?;
                out.ratio("pivot_shed_admitted_ratio", &[], gauges.admitted_ppm())?;
                out.family("pivot_shed_wait_seconds", "gauge", "What a newcomer would wait, by worker.")?;
                for (worker, stats) in self.workers.iter().enumerate() {
                    out.ratio("pivot_shed_wait_seconds", &[("worker", &worker)], stats.shed_wait_us.get())?;
                }
            }
            9 => {
                // Whoever has no model has nothing to tell of it.
                let has_model = |stats: &&WorkerStats| stats.model_brier_ppm.get() > 0;
                if self.workers.iter().any(|stats| has_model(&stats)) {
                    let name = "pivot_deadline_model_ratio";
                    out.family(name, "gauge", "How the model of missed deadlines does, by worker.")?;
                    for (worker, stats) in self.workers.iter().enumerate() {
                        let figures = [
                            ("brier", stats.model_brier_ppm.get()),
                            ("error", stats.model_error_ppm.get()),
                            ("missed", stats.model_missed_ppm.get()),
                            ("trusted", stats.model_trusted.get() * 1_000_000),
                        ];
                        for (figure, ppm) in figures {
                            out.ratio(name, &[("worker", &worker), ("figure", &figure)], ppm)?;
                        }
                    }
                }
            }
            10 => {
                out.family("pivot_blocking_jobs", "gauge", "Handlers of blocking routes by state.")?;
                gauges.jobs(&mut |state, count| {
                    out.gauge("pivot_blocking_jobs", &[("state", &state)], count)
                })?;
                out.family(
                    "pivot_blocking_abandoned",
                    "counter",
                    "Blocking handlers given up while they ran.",
                )?;
                out.counter("pivot_blocking_abandoned", &[], gauges.abandoned_jobs())?;
            }
            11 => {
                out.family("pivot_memory_bytes", "gauge", "Bytes reserved at start, by part.")?;
                gauges
                    .memory(&mut |part, bytes| out.gauge("pivot_memory_bytes", &[("part", &part)], bytes))?;
            }
            12 => match self.format {
                Format::OpenMetrics => into.write_str("# EOF\n")?,
                Format::Json => into.write_str("\n]}\n")?,
                Format::Prometheus | Format::StatsD => {}
            },
            _ => return Ok(false),
        }
        self.family += 1;
        Ok(true)
    }
}

/// Upper bounds of the exported buckets. What is counted finer than that is summed up to the bound's own bucket, so a
/// bound is exact to the width of a bucket of the histogram.
const BOUNDS_US: [(u64, &str); 14] = [
    (50, "0.00005"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (30_000_000, "30"),
];
const QUANTILES: [(f64, &str); 5] =
    [(0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99_9")];

struct Lines<'w> {
    format: Format,
    into: &'w mut dyn Write,
    is_first: bool,
}

type Labels<'l> = &'l [(&'l str, &'l dyn fmt::Display)];

impl Lines<'_> {
    fn family(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        match self.format {
            Format::Prometheus => {
                let total = if kind == "counter" { "_total" } else { "" };
                writeln!(self.into, "# HELP {name}{total} {help}\n# TYPE {name}{total} {kind}")
            }
            Format::OpenMetrics => writeln!(self.into, "# TYPE {name} {kind}\n# HELP {name} {help}"),
            Format::Json | Format::StatsD => Ok(()),
        }
    }

    fn counter(&mut self, name: &str, labels: Labels<'_>, value: u64) -> fmt::Result {
        self.line(name, "_total", labels, &value)
    }

    fn gauge(&mut self, name: &str, labels: Labels<'_>, value: u64) -> fmt::Result {
        self.line(name, "", labels, &value)
    }

    /// A gauge of millionths.
    fn ratio(&mut self, name: &str, labels: Labels<'_>, ppm: u64) -> fmt::Result {
        self.line(name, "", labels, &Seconds(ppm))
    }

    fn histogram<'h>(
        &mut self,
        name: &str,
        help: &str,
        all: impl Iterator<Item = &'h Histogram> + Clone,
    ) -> fmt::Result {
        if matches!(self.format, Format::Json | Format::StatsD) {
            for (quantile, label) in QUANTILES {
                let value = Histogram::quantile_us(all.clone(), quantile).unwrap_or(0);
                self.line(name, "", &[("quantile", &label)], &Seconds(value))?;
            }
            return Ok(());
        }
        self.family(name, "histogram", help)?;
        let (mut count, mut next) = (0, 0);
        for (bound_us, label) in BOUNDS_US {
            while next <= bucket_of(bound_us) {
                count += all.clone().map(|histogram| histogram.bucket(next)).sum::<u64>();
                next += 1;
            }
            self.line(name, "_bucket", &[("le", &label)], &count)?;
        }
        while next < super::histogram::BUCKETS {
            count += all.clone().map(|histogram| histogram.bucket(next)).sum::<u64>();
            next += 1;
        }
        self.line(name, "_bucket", &[("le", &"+Inf")], &count)?;
        self.line(name, "_sum", &[], &Seconds(all.map(Histogram::sum_us).sum()))?;
        self.line(name, "_count", &[], &count)
    }

    fn line(
        &mut self,
        name: &str,
        suffix: &str,
        labels: Labels<'_>,
        value: &dyn fmt::Display,
    ) -> fmt::Result {
        match self.format {
            Format::Prometheus | Format::OpenMetrics => {
                write!(self.into, "{name}{suffix}")?;
                for (index, (label, text)) in labels.iter().enumerate() {
                    let before = if index == 0 { '{' } else { ',' };
                    write!(self.into, "{before}{label}=\"{}\"", Escaped(*text))?;
                }
                let after = if labels.is_empty() { "" } else { "}" };
                writeln!(self.into, "{after} {value}")
            }
            Format::Json => {
                let before = if core::mem::take(&mut self.is_first) { "{\"metrics\": [\n" } else { ",\n" };
                write!(self.into, "{before}  {{\"name\": \"{name}{suffix}\"")?;
                for (label, text) in labels {
                    write!(self.into, ", \"{label}\": \"{}\"", Escaped(*text))?;
                }
                write!(self.into, ", \"value\": {value}}}")
            }
            Format::StatsD => {
                write!(self.into, "{name}{suffix}")?;
                for (_, text) in labels {
                    write!(self.into, ".{}", Dotless(*text))?;
                }
                writeln!(self.into, ":{value}|g")
            }
        }
    }
}

/// Microseconds, printed in seconds without floating point.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A label's text with quotes, backslashes and line ends escaped: the same rules in all three formats that quote.
struct Escaped<'t>(&'t dyn fmt::Display);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        replacing(f, self.0, |c| match c {
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '\n' => Some("\\n"),
            _ => None,
        })
    }
}

/// A label's text as a part of a StatsD name.
struct Dotless<'t>(&'t dyn fmt::Display);

impl fmt::Display for Dotless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        replacing(f, self.0, |c| (!c.is_ascii_alphanumeric() && c != '_').then_some("_"))
    }
}

fn replacing(
    f: &mut fmt::Formatter<'_>,
    text: &dyn fmt::Display,
    replace: fn(char) -> Option<&'static str>,
) -> fmt::Result {
    struct Through<'a, 'f>(&'a mut fmt::Formatter<'f>, fn(char) -> Option<&'static str>);
    impl Write for Through<'_, '_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.chars().try_for_each(|c| match (self.1)(c) {
                Some(other) => self.0.write_str(other),
                None => self.0.write_char(c),
            })
        }
    }
    write!(Through(f, replace), "{text}")
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    struct Fixed;
    impl Gauges for Fixed {
        fn pools(&self, each: &mut dyn FnMut(&str, &str, u64) -> fmt::Result) -> fmt::Result {
            each("request", "free", 3)
        }
        fn breakers(&self, each: &mut dyn FnMut(&dyn fmt::Display, u64) -> fmt::Result) -> fmt::Result {
            each(&"/a\"b", 2)
        }
        fn limits(&self, each: &mut dyn FnMut(&str, bool, u64) -> fmt::Result) -> fmt::Result {
            each("client", true, 7)
        }
        fn concurrency_limit(&self) -> u64 {
            8
        }
        fn admitted_ppm(&self) -> u64 {
            250_000
        }
        fn jobs(&self, each: &mut dyn FnMut(&str, u64) -> fmt::Result) -> fmt::Result {
            each("queued", 5)
        }
        fn abandoned_jobs(&self) -> u64 {
            6
        }
        fn memory(&self, each: &mut dyn FnMut(&str, u64) -> fmt::Result) -> fmt::Result {
            each("heads", 4_096)
        }
    }

    fn export(format: Format) -> String {
        let workers = [WorkerStats::new(), WorkerStats::new()];
        for stats in &workers {
            stats.requests.add(2);
            stats.end_request(Outcome::Success);
            stats.request_duration.record(700);
            stats.shed_wait_us.set(1_500);
            stats.model_brier_ppm.set(90_000);
        }
        let mut text = String::new();
        let mut export = Export::new(format, &workers);
        while export.write_next(&mut text, &Fixed).unwrap() {}
        text
    }

    #[test]
    fn prometheus_text_has_every_family_once_and_cumulative_buckets() {
        let text = export(Format::Prometheus);
        for line in [
            "# TYPE pivot_requests_total counter",
            "pivot_requests_total{outcome=\"success\"} 2",
            "pivot_requests_in_flight 2",
            "pivot_request_duration_seconds_bucket{le=\"0.0005\"} 0",
            "pivot_request_duration_seconds_bucket{le=\"0.001\"} 2",
            "pivot_request_duration_seconds_bucket{le=\"+Inf\"} 2",
            "pivot_request_duration_seconds_sum 0.001400",
            "pivot_pool_objects{pool=\"request\",state=\"free\"} 3",
            "pivot_breaker_state{route=\"/a\\\"b\"} 2",
            "pivot_rate_limit_over_total{limit=\"client\",shadow=\"true\"} 7",
            "pivot_concurrency_limit 8",
            "pivot_shed_admitted_ratio 0.250000",
            "pivot_shed_wait_seconds{worker=\"1\"} 0.001500",
            "pivot_deadline_model_ratio{worker=\"0\",figure=\"brier\"} 0.090000",
            "pivot_blocking_jobs{state=\"queued\"} 5",
            "pivot_blocking_abandoned_total 6",
            "pivot_memory_bytes{part=\"heads\"} 4096",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nnot in\n{text}");
        }
        let mut types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let count = types.len();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), count);
    }

    #[test]
    fn open_metrics_names_families_without_total_and_ends_with_a_mark() {
        let text = export(Format::OpenMetrics);
        assert!(text.contains("# TYPE pivot_requests counter\n") && text.ends_with("# EOF\n"));
        assert!(text.contains("pivot_requests_total{outcome=\"success\"} 2\n"));
    }

    #[test]
    fn json_is_one_object_and_statsd_one_value_a_line() {
        let json = export(Format::Json);
        assert!(json.starts_with("{\"metrics\": [\n") && json.ends_with("\n]}\n"));
        assert_eq!(json.matches('{').count(), json.matches('}').count());
        let statsd = export(Format::StatsD);
        assert!(statsd.contains("pivot_requests_total.success:2|g\n"));
        assert!(statsd.lines().all(|line| line.ends_with("|g")));
    }
}
