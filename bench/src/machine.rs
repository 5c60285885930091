//! Where and with what something was measured.

use std::fs;
use std::process::Command;

use crate::server::bench_folder;

/// What a reader has to know about a result, a line each.
pub(crate) fn lines() -> Vec<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("?", |pair| pair.1);
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let commit =
        said("git", &["-C", &bench_folder().display().to_string(), "describe", "--always", "--dirty"]);
    vec![
        format!("{model}, {cores} cores; Linux {}; {}", kernel.trim(), said("rustc", &["--version"])),
        format!("Pivot at commit {commit}; {}", versions().join(", ")),
    ]
}

/// The peers and the versions that are locked or installed.
fn versions() -> Vec<String> {
    let lock = fs::read_to_string(bench_folder().join("Cargo.lock")).unwrap_or_default();
    let mut versions: Vec<String> = [
        "hyper",
        "tokio",
        "axum",
        "tower",
        "tower_governor",
        "actix-web",
        "ntex",
        "xitca-web",
        "may",
        "may_minihttp",
    ]
    .iter()
    .map(|name| format!("{name} {}", locked(&lock, name).join(" and ")))
    .collect();
    versions.push(said("nginx", &["-v"]).replace("nginx version: ", "").replace('/', " "));
    versions.push(said("h2o", &["--version"]).replace(" version ", " "));
    versions
}

/// The versions of a package in a lock file.
fn locked<'a>(lock: &'a str, name: &str) -> Vec<&'a str> {
    lock.split("[[package]]")
        .filter(|package| package.contains(&format!("\nname = \"{name}\"\n")))
        .filter_map(|package| package.lines().find_map(|line| line.strip_prefix("version = \"")))
        .map(|version| version.trim_end_matches('"'))
        .collect()
}

/// The first line that a program says.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return format!("{program}: not installed");
    };
    let bytes = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_says_the_version_of_one_package_and_not_of_its_namesakes() {
        let lock = "[[package]]\nname = \"ntex-io\"\nversion = \"9\"\n\n[[package]]\nname = \"ntex\"\nversion = \"3.1\"\n";
        assert_eq!(locked(lock, "ntex"), ["3.1"]);
        assert!(locked(lock, "io").is_empty());
    }
}
