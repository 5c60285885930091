//! `cargo xtask bench [NAME]`: measures Pivot's server example, with every protection on, beside its peers.
//!
//! What each benchmark measures stands in its module; what a reader of its figures has to know, in its section.

mod chart;
mod configured;
mod cpu;
mod histogram;
mod http;
mod idle;
mod instructions;
mod load;
mod machine;
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

/// All of them, in the order in which they run.
const BENCHMARKS: [(&str, Measure); 7] = [
    ("instructions", instructions::measure),
    ("cpu", cpu::one_at_a_time),
    ("pipelined", cpu::pipelined),
    ("workers", workers::measure),
    ("scaling", scaling::measure),
    ("syscalls", syscalls::measure),
    ("idle", idle::measure),
];

/// Rounds that a median needs to be worth keeping.
const ROUNDS: usize = 7;

/// What the command line asks for.
struct Options {
    names: Vec<String>,
    /// Whether `instructions` counts the peers too.
    peers: bool,
    writes_budget: bool,
    rounds: usize,
    seconds: u64,
    /// Empty: all of them.
    servers: Vec<String>,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            names: Vec::new(),
            peers: false,
            writes_budget: false,
            rounds: ROUNDS,
            seconds: 2,
            servers: Vec::new(),
        };
        let mut rest = arguments;
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--peers" => options.peers = true,
                "--write-budget" => options.writes_budget = true,
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--servers" => options.servers = value()?.split(',').map(str::to_owned).collect(),
                name if BENCHMARKS.iter().any(|known| known.0 == name) => options.names.push(word),
                _ => {
                    let names: Vec<&str> = BENCHMARKS.iter().map(|known| known.0).collect();
                    return Err(format!(
                        "{word}: the benchmarks are {}; the options are --peers, --write-budget, --rounds N, --seconds N \
                         and --servers A,B",
                        names.join(", ")
                    )
                    .into());
                }
            }
        }
        if let Some(unknown) = options.servers.iter().find(|name| !server::SERVERS.contains(&name.as_str())) {
            return Err(format!("--servers {unknown}: the servers are {}", server::SERVERS.join(", ")).into());
        }
        if options.rounds == 0 || options.seconds == 0 {
            return Err("--rounds and --seconds are at least 1".into());
        }
        options.peers |= options.names.is_empty();
        Ok(options)
    }

    fn wants(&self, server: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|name| name == server)
    }

    /// Whether the results are worth keeping: all servers, and rounds enough.
    fn is_whole(&self, benchmark: &str) -> bool {
        let is_full = match benchmark {
            "instructions" => self.peers,
            "syscalls" | "idle" => true,
            _ => self.rounds >= ROUNDS,
        };
        is_full && self.servers.is_empty()
    }

    /// The command that makes this section again.
    fn command(&self, benchmark: &str) -> String {
        let mut command = format!("cargo xtask bench {benchmark}");
        if benchmark == "instructions" && self.peers {
            command += " --peers";
        }
        if self.rounds != ROUNDS {
            command += &format!(" --rounds {}", self.rounds);
        }
        if self.seconds != 2 {
            command += &format!(" --seconds {}", self.seconds);
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
    let is_wanted =
        |name: &str| options.names.is_empty() || options.names.iter().any(|wanted| wanted == name);
    for (name, measure) in BENCHMARKS.iter().filter(|(name, _)| is_wanted(name)) {
        let section = measure(&options).map_err(|error| format!("{name}: {error}"))?;
        clear_progress();
        section.print();
        if options.is_whole(name) {
            println!("  written to {}\n", section.write(&options.command(name))?.display());
        } else {
            println!(
                "  not written to bench/results: that takes all servers, and {ROUNDS} rounds where there are any\n"
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
