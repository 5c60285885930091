//! The model checker: every model passes, and fails for each mutant that it has to catch.

use std::process::Command;

use crate::run;

/// Checks all models, then that each mutant is caught.
pub(crate) fn check() -> Result<String, String> {
    run::logged("loom", &mut cargo(&[]))?;
    let path = run::root().join("loom-tests/mutants.txt");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mutants = parse(&text)?;
    for (mutant, test) in &mutants {
        let mut command = cargo(&["--test", test]);
        if run::logged(&format!("loom-{mutant}"), command.env("PIVOT_MUTANT", mutant)).is_ok() {
            return Err(format!("the mutant {mutant} passes {test}: the model proves nothing about it"));
        }
    }
    Ok(format!("all models hold, {} mutants are caught", mutants.len()))
}

fn cargo(tests: &[&str]) -> Command {
    let mut command = run::cargo();
    command.args(["test", "-p", "pivot-loom-tests", "--release"]).args(tests);
    command.env("RUSTFLAGS", "--cfg pivot_loom").env("CARGO_TARGET_DIR", run::root().join("target/loom"));
    command.env(
        "LOOM_MAX_PREEMPTIONS",
        std::env::var("LOOM_MAX_PREEMPTIONS").unwrap_or_else(|_| "3".to_owned()),
    );
    command
}

/// A line for each mutant: its name, and the test file that has to fail.
fn parse(text: &str) -> Result<Vec<(&str, &str)>, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some(mutant), Some(test), None) => Ok((mutant, test)),
                _ => Err(format!("mutants.txt: `{line}` has to be a mutant and a test file")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_read_line_by_line() {
        assert_eq!(parse("# why\n\nno_tag free_list\n").unwrap(), [("no_tag", "free_list")]);
        assert!(parse("no_tag").is_err() && parse("a b c").is_err());
    }
}
