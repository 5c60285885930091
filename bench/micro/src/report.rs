//! The table, and what it was measured with.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{ROUNDS, Spread, Times};

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) peer: Option<&'static str>,
    pub(crate) instructions: f64,
    pub(crate) peer_instructions: Option<f64>,
    pub(crate) times: Times,
}

/// Where the table is kept.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/micro.md")
}

/// The table as Markdown, whose columns line up as plain text too.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut cells = vec![
        [
            "operation",
            "instructions",
            "peer",
            "peer's instructions",
            "ratio",
            "ns",
            "peer's ns",
            "ratio of times (least–most)",
        ]
        .map(String::from),
        ["---", "--:", "---", "--:", "--:", "--:", "--:", "--:"].map(String::from),
    ];
    for row in rows {
        let none = String::new;
        cells.push([
            row.name.to_owned(),
            format!("{:.0}", row.instructions),
            row.peer.map_or_else(none, String::from),
            row.peer_instructions.map_or_else(none, |count| format!("{count:.0}")),
            row.peer_instructions.map_or_else(none, |count| format!("{:.2}", row.instructions / count)),
            format!("{:.1}", row.times.pivot.median),
            row.times.peer.map_or_else(none, |Spread { median, .. }| format!("{median:.1}")),
            row.times.ratio.map_or_else(none, |Spread { median, least, most }| {
                format!("{median:.2} ({least:.2}–{most:.2})")
            }),
        ]);
    }
    let widths: Vec<usize> = (0..cells[0].len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::from("# Single operations\n\n");
    for row in &cells {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
    }
    let _ = write!(
        text,
        "\nInstructions of one operation by callgrind; nanoseconds of one operation, and the ratio of the two \
         sides round by round,\nas the median of {ROUNDS} rounds in which they take turns. Below 1 Pivot is the \
         cheaper.\n\
         `route-*`: 130 patterns, every path as it comes from the client; `decode-small`: {} bytes, \
         `decode-browser`: {} bytes\nand 14 fields.\n\n{}",
        crate::heads::SMALL.len(),
        crate::heads::BROWSER.len(),
        setting()
    );
    text
}

/// Machine, versions, command.
fn setting() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        output.map_or_else(
            |_| "unknown".into(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    format!(
        "- CPU: {}, {cores} cores\n- kernel: {}\n- {}; {}\n- httparse {}, matchit {}\n\
         - command: `cargo xtask bench micro`\n",
        cpu.trim_start_matches(['\t', ' ', ':']),
        kernel.trim(),
        version("rustc"),
        version("valgrind"),
        locked("httparse"),
        locked("matchit"),
    )
}

/// The version of a package that was compiled in.
fn locked(name: &str) -> &'static str {
    let wanted = format!("name = \"{name}\"");
    let mut lines = include_str!("../../Cargo.lock").lines().skip_while(|line| *line != wanted);
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = "));
    version.unwrap_or("unknown").trim_matches('"')
}
