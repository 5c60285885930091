//! `cargo xtask bench micro`: what single operations of Pivot cost, beside peers where there are any.
//!
//! Instructions are counted by callgrind and come out the same on every run; they are what one compares by. Times
//! say what the same work costs on the machine at hand: a ratio is that of two sides which take turns in one
//! process, so what else the machine does meets both. Operations are called through a function that is not inlined,
//! and the compiler knows neither their inputs nor what becomes of their results.

mod heads;
mod measure;
mod operations;
mod parts;
mod report;
mod routes;
mod stack;

use std::process::ExitCode;

use operations::OPERATIONS;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "\
Usage: micro                      measures everything, prints a table, writes bench/results/micro.md
       micro NAME...              measures these operations, prints a table
       micro NAME pivot|peer COUNT   runs an operation so many times: what callgrind looks at
       micro --list               the names";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["--list"] => {
            OPERATIONS.iter().for_each(|operation| println!("{}", operation.name));
            Ok(())
        }
        [name, side @ ("pivot" | "peer"), count] => run(name, side, count),
        names => measure_all(names),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("micro: {error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn find(name: &str) -> Result<&'static operations::Operation> {
    let known = OPERATIONS.iter().find(|operation| operation.name == name);
    Ok(known.ok_or_else(|| format!("no operation is named {name}"))?)
}

fn run(name: &str, side: &str, count: &str) -> Result<()> {
    let operation = find(name)?;
    let make = match (side, operation.peer) {
        ("pivot", _) => operation.pivot,
        (_, Some(peer)) => peer.run,
        _ => return Err(format!("{name} has no peer").into()),
    };
    make()(count.parse()?);
    Ok(())
}

fn measure_all(names: &[&str]) -> Result<()> {
    let chosen = if names.is_empty() {
        OPERATIONS.iter().collect()
    } else {
        names.iter().map(|name| find(name)).collect::<Result<Vec<_>>>()?
    };
    let mut rows = Vec::new();
    for operation in chosen {
        eprintln!("  {} ...", operation.name);
        rows.push(report::Row {
            name: operation.name,
            peer: operation.peer.map(|peer| peer.name),
            instructions: measure::instructions(operation.name, "pivot")?,
            peer_instructions: match operation.peer {
                Some(_) => Some(measure::instructions(operation.name, "peer")?),
                None => None,
            },
            times: measure::times(operation),
        });
    }
    let text = report::markdown(&rows);
    println!("{text}");
    if names.is_empty() {
        let path = report::path();
        std::fs::create_dir_all(path.parent().ok_or("the results have no folder")?)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}
