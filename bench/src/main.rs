//! `cargo xtask bench [NAME]`: measures Pivot's server example, with every protection on, beside its peers.
//!
//! What each benchmark measures stands in its module; what a reader of its figures has to know, in its section.

mod chart;
mod configured;
mod cpu;
mod curves;
mod histogram;
mod http;
mod idle;
mod instructions;
mod load;
mod machine;
mod overload;
mod report;
mod rounds;
mod scaling;
mod server;
mod syscalls;
mod workers;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use report::Section;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Measure = fn(&Options) -> Result<Section>;

/// What runs if nothing is named, in this order.
const BENCHMARKS: [(&str, Measure); 7] = [
    ("instructions", instructions::measure),
    ("cpu", cpu::one_at_a_time),
    ("pipelined", cpu::pipelined),
    ("workers", workers::measure),
    ("scaling", scaling::measure),
    ("syscalls", syscalls::measure),
    ("idle", idle::measure),
];

/// All of them.
fn benchmarks() -> impl Iterator<Item = &'static (&'static str, Measure)> {
    BENCHMARKS.iter().chain(&overload::PARTS)
}

/// What the command line asks for.
struct Options {
    names: Vec<String>,
    /// Whether `instructions` counts the peers too.
    peers: bool,
    writes_budget: bool,
    /// Whether turns are few and short: for those who develop a benchmark.
    is_quick: bool,
    /// Whether clients under overload wait on after their deadline.
    is_patient: bool,
    rounds: Option<usize>,
    seconds: Option<u64>,
    /// Empty: all of them.
    servers: Vec<String>,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            names: Vec::new(),
            peers: false,
            writes_budget: false,
            is_quick: false,
            is_patient: false,
            rounds: None,
            seconds: None,
            servers: Vec::new(),
        };
        let mut rest = arguments;
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--peers" => options.peers = true,
                "--write-budget" => options.writes_budget = true,
                "--quick" => options.is_quick = true,
                "--patient" => options.is_patient = true,
                "--rounds" => options.rounds = Some(value()?.parse()?),
                "--seconds" => options.seconds = Some(value()?.parse()?),
                "--servers" => options.servers = value()?.split(',').map(str::to_owned).collect(),
                "overload" => {
                    options.names.extend(overload::PARTS.iter().map(|part| part.0.to_owned()));
                }
                name if benchmarks().any(|known| known.0 == name) => options.names.push(word),
                _ => {
                    let names: Vec<&str> = benchmarks().map(|known| known.0).collect();
                    return Err(format!(
                        "{word}: the benchmarks are {}, and overload for all that begin with it; the options are --peers, \
                         --write-budget, --rounds N, --seconds N, --servers A,B, --quick and --patient",
                        names.join(", ")
                    )
                    .into());
                }
            }
        }
        let known = [&server::SERVERS[..], &overload::SERVERS].concat();
        if let Some(unknown) = options.servers.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("--servers {unknown}: the servers are {}", known.join(", ")).into());
        }
        if options.rounds == Some(0) || options.seconds == Some(0) {
            return Err("--rounds and --seconds are at least 1".into());
        }
        options.peers |= options.names.is_empty();
        Ok(options)
    }

    fn wants(&self, server: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|name| name == server)
    }

    /// Rounds, where so many are usual.
    fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.is_quick { 1 } else { usual })
    }

    /// Seconds of a turn, where so many are usual.
    fn seconds(&self, usual: u64) -> u64 {
        self.seconds.unwrap_or(if self.is_quick { usual.div_ceil(7) } else { usual })
    }

    /// Whether the results are worth keeping: all servers, and rounds enough.
    fn is_whole(&self, benchmark: &str) -> bool {
        let is_full = match benchmark {
            "instructions" => self.peers,
            "syscalls" | "idle" => true,
            name if name.starts_with("overload") => {
                let (rounds, seconds) = (overload::ROUNDS, overload::SECONDS);
                self.rounds(rounds) >= rounds && self.seconds(seconds) >= seconds && !self.is_patient
            }
            _ => self.rounds(rounds::ROUNDS) >= rounds::ROUNDS,
        };
        is_full && self.servers.is_empty()
    }

    /// The command that makes this section again.
    fn command(&self, benchmark: &str) -> String {
        let mut command = format!("cargo xtask bench {benchmark}");
        if benchmark == "instructions" && self.peers {
            command += " --peers";
        }
        if let Some(rounds) = self.rounds {
            command += &format!(" --rounds {rounds}");
        }
        if let Some(seconds) = self.seconds {
            command += &format!(" --seconds {seconds}");
        }
        command
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            clear_progress();
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    load::raise_connections_max()?;
    let is_wanted = |name: &str| match options.names.as_slice() {
        [] => BENCHMARKS.iter().any(|known| known.0 == name),
        names => names.iter().any(|wanted| wanted == name),
    };
    for (name, measure) in benchmarks().filter(|(name, _)| is_wanted(name)) {
        let section = measure(&options).map_err(|error| format!("{name}: {error}"))?;
        clear_progress();
        section.print();
        if options.is_whole(name) {
            println!("  written to {}\n", section.write(&options.command(name))?.display());
        } else {
            println!(
                "  not written to bench/results: that takes all servers, and as many rounds as are usual\n"
            );
        }
    }
    Ok(())
}

/// Says what is going on: on one line of a terminal, or on a line each.
fn progress(what: &str) {
    let mut out = std::io::stderr();
    // Nobody reads it, then.
    let _ =
        if out.is_terminal() { write!(out, "\r\x1b[K  {what} ...") } else { writeln!(out, "  {what} ...") };
}

fn clear_progress() {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[K");
    }
}
