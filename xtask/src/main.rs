//! The project's chores: `cargo xtask test`, `loom`, `size`, `bench`, `fuzz`.
#![allow(clippy::print_stdout, reason = "a program that people run to see what it prints")]

mod bare;
mod bench;
mod elf;
mod loom;
mod run;
mod steps;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  test [--skip STEP]... [--only STEP]... [--list]   every check, step by step
  loom                                              the model checker's part of it
  size                                              text, static RAM and the largest symbols of the bare-metal image
  fuzz [SECONDS]                                    each fuzz target for so long [20]
  bench [NAME]...                                   Pivot beside its peers; see bench/README.md; all if none is named
  bench micro [NAME]...                             single operations beside their peers
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [] | ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["test", options @ ..] => return steps::test(options),
        ["loom"] => loom::check(),
        ["size"] => bare::size(),
        ["fuzz"] => steps::fuzz(20),
        ["fuzz", seconds] => match seconds.parse() {
            Ok(seconds) => steps::fuzz(seconds),
            Err(_) => return usage(&format!("fuzz {seconds}: not a number of seconds")),
        },
        ["bench", "micro", names @ ..] => bench::micro(names),
        ["bench", rest @ ..] => bench::measure(rest),
        [other, ..] => {
            return usage(&format!(
                "unknown command {other}; the commands are test, loom, size, fuzz and bench"
            ));
        }
    };
    match result {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("xtask: {error}");
    ExitCode::from(2)
}
