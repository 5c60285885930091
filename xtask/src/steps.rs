//! `cargo xtask test`: every check there is, in the order in which failures show soonest.

use std::process::ExitCode;
use std::time::Instant;

use crate::{bare, bench, loom, run};

type Check = fn() -> Result<String, String>;

const STEPS: &[(&str, &str, Check)] = &[
    ("format", "rustfmt", format),
    ("words", "nothing half done in the code", words),
    ("clippy", "clippy, warnings as errors", clippy),
    ("tests", "unit, integration and property tests", tests),
    ("docs", "documentation, and the examples in it", docs),
    ("release", "tests that need an optimised server", release),
    ("budget", "instructions a request, against bench/instructions.budget", bench::budget),
    ("loom", "the model checker, and its mutants", loom::check),
    ("bare", "libraries for four bare-metal targets", bare::libraries),
    ("size", "the bare-metal image", bare::size),
    ("fuzz", "20 s for each fuzz target", || fuzz(20)),
];
const FUZZ_TARGETS: [&str; 6] = ["decode", "chunked", "conn", "router", "pool", "admission"];
const FORBIDDEN: [&str; 4] =
    [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!("), concat!("#[ign", "ore")];

/// Runs the steps and prints a table; fails if one of them does.
pub(crate) fn test(options: &[&str]) -> ExitCode {
    let (mut skipped, mut only) = (Vec::new(), Vec::new());
    let mut rest = options.iter();
    while let Some(&option) = rest.next() {
        let list = match option {
            "--list" => {
                STEPS.iter().for_each(|(name, what, _)| println!("{name:<10} {what}"));
                return ExitCode::SUCCESS;
            }
            "--skip" => &mut skipped,
            "--only" => &mut only,
            _ => {
                eprintln!(
                    "xtask: unknown option {option}; the options are --skip STEP, --only STEP and --list"
                );
                return ExitCode::from(2);
            }
        };
        match rest.next() {
            Some(&name) if STEPS.iter().any(|step| step.0 == name) => list.push(name),
            other => {
                let names: Vec<&str> = STEPS.iter().map(|step| step.0).collect();
                eprintln!("xtask: {option} {}: the steps are {}", other.unwrap_or(&""), names.join(", "));
                return ExitCode::from(2);
            }
        }
    }
    let start = Instant::now();
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), 0);
    for (index, (name, what, check)) in STEPS.iter().enumerate() {
        if skipped.contains(name) || !only.is_empty() && !only.contains(name) {
            left_out += 1;
            continue;
        }
        println!("[{}/{}] {name}: {what}", index + 1, STEPS.len());
        let begun = Instant::now();
        match check() {
            Ok(said) => {
                passed += 1;
                println!(
                    "      passed in {:.0} s. {}",
                    begun.elapsed().as_secs_f64(),
                    said.replace('\n', "\n      ")
                );
            }
            Err(error) => {
                println!("{error}\n      FAILED after {:.0} s", begun.elapsed().as_secs_f64());
                failed.push(*name);
            }
        }
    }
    println!("{:.0} s in all", start.elapsed().as_secs_f64());
    if !failed.is_empty() {
        println!("failed: {}; run one alone with: cargo xtask test --only STEP", failed.join(", "));
    }
    println!("{passed} passed, {} failed, {left_out} skipped", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn format() -> Result<String, String> {
    run::logged("format", run::cargo().args(["fmt", "--all", "--check"]))?;
    for package in ["fuzz", "bench", "examples/link"] {
        let manifest = run::root().join(package).join("Cargo.toml");
        if manifest.exists() {
            run::logged(
                "format",
                run::cargo().args(["fmt", "--all", "--check", "--manifest-path"]).arg(manifest),
            )?;
        }
    }
    Ok(String::new())
}

fn words() -> Result<String, String> {
    for word in FORBIDDEN {
        if let Ok(found) = run::logged("words", run::plain("git").args(["grep", "-nF", word, "--", "*.rs"])) {
            return Err(found);
        }
    }
    Ok(String::new())
}

fn clippy() -> Result<String, String> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run::logged("clippy", run::cargo().args(arguments))?;
    // Features that no crate of the workspace switches on.
    let arguments = ["clippy", "-p", "pivot-core", "--all-features", "--", "-D", "warnings"];
    run::logged("clippy-features", run::cargo().args(arguments)).map(|_| String::new())
}

fn tests() -> Result<String, String> {
    let missing: Vec<&str> =
        ["curl", "python3", "wrk"].into_iter().filter(|program| !run::exists(program)).collect();
    if !missing.is_empty() {
        run::install(&missing).map_err(|error| format!("{}: {error}", missing.join(", ")))?;
    }
    let log = run::logged("tests", run::cargo().args(["test", "--workspace", "--all-targets"]))?;
    let layers = ["test", "-p", "pivot-tower", "--all-features", "--all-targets"];
    let layers = run::logged("tests-tower", run::cargo().args(layers))?;
    Ok(counted(&(log + &layers)))
}

fn docs() -> Result<String, String> {
    run::logged(
        "docs",
        run::cargo()
            .args(["doc", "--workspace", "--no-deps", "--features", "pivot-std/tokio"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    run::logged("doc-tests", run::cargo().args(["test", "--workspace", "--doc"])).map(|log| counted(&log))
}

fn release() -> Result<String, String> {
    run::logged("server", run::cargo().args(["build", "--release", "--example", "server"]))?;
    run::logged(
        "release",
        run::cargo().args([
            "test",
            "--release",
            "-p",
            "pivot-std",
            "-p",
            "pivot-sim",
            "--features",
            "pivot-std/tokio",
        ]),
    )
    .map(|log| counted(&log))
}

/// Runs each fuzz target for so long, two at a time.
pub(crate) fn fuzz(seconds: u32) -> Result<String, String> {
    if !run::exists("cargo-fuzz") {
        run::logged("install-fuzz", run::plain("cargo").args(["install", "cargo-fuzz", "--locked"]))
            .map_err(|error| {
                format!("{error}\ncargo-fuzz is missing; install with: cargo install cargo-fuzz --locked")
            })?;
    }
    let folder = run::root().join("fuzz");
    run::logged("fuzz-build", run::plain("cargo").args(["+nightly", "fuzz", "build"]).current_dir(&folder))?;
    let mut said = Vec::new();
    for pair in FUZZ_TARGETS.chunks(2) {
        let limit = format!("-max_total_time={seconds}");
        let run_one = |target: &&str| {
            let arguments = ["+nightly", "fuzz", "run", target, "--", &limit];
            let mut command = run::plain("cargo");
            run::logged(&format!("fuzz-{target}"), command.args(arguments).current_dir(&folder))
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = pair.iter().map(|target| scope.spawn(move || run_one(target))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
                .collect()
        });
        for (target, result) in pair.iter().zip(results) {
            let log = result?;
            let runs = log.lines().rev().find_map(|line| line.strip_prefix("Done ")).unwrap_or("?");
            said.push(format!("{target}: {runs}"));
        }
    }
    Ok(said.join("\n"))
}

/// The sums over the lines with which test programs end.
fn counted(log: &str) -> String {
    let sum = |what: &str| -> u64 {
        log.lines()
            .filter(|line| line.starts_with("test result:"))
            .filter_map(|line| {
                line.split([';', '.'])
                    .find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<u64>().ok())
            })
            .sum()
    };
    format!("{} tests", sum("passed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_several_programs_are_added_up() {
        let log = "test result: ok. 3 passed; 0 failed; 0 ignored\nnoise\ntest result: ok. 4 passed; 0 failed; 1 ignored\n";
        assert_eq!(counted(log), "7 tests");
    }
}
