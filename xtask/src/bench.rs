//! `cargo xtask bench`: builds what is measured, and hands over to the program in `bench/` that measures.

use crate::run;

/// Measures what the arguments name, or everything.
pub(crate) fn measure(arguments: &[&str]) -> Result<String, String> {
    let names: Vec<&str> = arguments.iter().copied().filter(|word| NAMES.contains(word)).collect();
    // The lab runs only if it is named.
    let lab: Vec<&str> = arguments.iter().copied().filter(|word| word.starts_with("overload")).collect();
    let is_all = names.is_empty() && lab.is_empty();
    let runs =
        |name: &&str| lab.contains(name) || names.contains(name) || is_all && !name.starts_with("overload");
    let needs_peers = !lab.is_empty() || names != ["instructions"] || arguments.contains(&"--peers");
    let needed =
        [("valgrind", &["instructions", "overload", "overload-refusal"][..]), ("strace", &["syscalls"])];
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(program, benchmarks)| benchmarks.iter().any(runs) && !run::exists(program))
        .map(|(program, _)| *program)
        .collect();
    if !missing.is_empty() {
        run::install(&missing).map_err(|error| format!("{}: {error}", missing.join(", ")))?;
    }
    build(needs_peers)?;
    let mut command = run::cargo();
    command.args(["run", "--quiet", "--release", "--manifest-path"]).arg(manifest());
    run::shown(command.arg("--").args(arguments))
}

/// Pivot's instructions against `bench/instructions.budget`, and the tests of what measures. No peer is built for it.
pub(crate) fn budget() -> Result<String, String> {
    if !run::exists("valgrind") {
        run::install(&["valgrind"]).map_err(|error| format!("valgrind: {error}"))?;
    }
    run::logged(
        "bench-tests",
        run::cargo().args(["test", "--package", "pivot-bench", "--manifest-path"]).arg(manifest()),
    )?;
    build(false)?;
    let mut command = run::cargo();
    command.args(["run", "--quiet", "--release", "--manifest-path"]).arg(manifest());
    let log = run::logged("budget", command.args(["--", "instructions"]))?;
    let said =
        |start: &str| log.lines().map(str::trim).filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    Ok([said("server "), said("pivot "), said("note: Pivot keeps")].concat().join("\n"))
}

/// Builds and runs the benchmarks of single operations.
pub(crate) fn micro(names: &[&str]) -> Result<String, String> {
    if !run::exists("valgrind") {
        run::install(&["valgrind"])?;
    }
    let mut command = run::cargo();
    command.args(["run", "--quiet", "--release", "-p", "pivot-bench-micro", "--manifest-path"]);
    run::shown(command.arg(manifest()).arg("--").args(names))
}

/// The names that need more than what every measurement needs; the program itself knows the others.
const NAMES: [&str; 7] = ["instructions", "cpu", "pipelined", "workers", "scaling", "syscalls", "idle"];

fn build(with_peers: bool) -> Result<(), String> {
    run::logged("server", run::cargo().args(["build", "--release", "--example", "server"]))?;
    let mut command = run::cargo();
    command
        .args(["build", "--release", "--bins", "--package", "pivot-bench", "--manifest-path"])
        .arg(manifest());
    if with_peers {
        eprintln!("building the peers; the first time takes minutes");
        command.args(["--package", "pivot-bench-peers"]);
    }
    run::logged("bench", &mut command).map(|_| ())
}

fn manifest() -> std::path::PathBuf {
    run::root().join("bench/Cargo.toml")
}
