//! How an operation is measured: instructions by callgrind, time by rounds that take turns.

use std::process::Command;
use std::time::Instant;

use crate::Result;
use crate::operations::{CYCLE, Operation, Run};

/// Nanoseconds an operation of all rounds, in order.
pub(crate) struct Times {
    pub(crate) pivot: Spread,
    pub(crate) peer: Option<Spread>,
    /// Pivot's time by the peer's, round by round.
    pub(crate) ratio: Option<Spread>,
}

/// Median, least and most of a figure.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

pub(crate) const ROUNDS: usize = 101;
/// A round takes about this long for each side: less than a turn of the scheduler, so that most rounds are undisturbed.
const ROUND_NS: f64 = 1_000_000.0;

/// Instructions of one operation: what `CYCLE` more of them add to a whole program under callgrind, by `CYCLE`.
///
/// The loop around the operation is a part of it, with about ten instructions on both sides.
pub(crate) fn instructions(name: &str, side: &str) -> Result<f64> {
    let (few, many) = (total(name, side, CYCLE)?, total(name, side, 2 * CYCLE)?);
    Ok((many - few) as f64 / CYCLE as f64)
}

/// Instructions of this program from its start to its end, with so many operations in it.
fn total(name: &str, side: &str, count: u64) -> Result<u64> {
    let file = std::env::temp_dir().join(format!("pivot-micro-{}-{name}-{side}", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", file.display())])
        .arg(std::env::current_exe()?)
        .args([name, side, &count.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}; install it: apt-get install valgrind"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = std::fs::read_to_string(&file)?;
    std::fs::remove_file(&file)?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(total.ok_or("callgrind wrote no total")?.trim().parse()?)
}

/// Measures both sides of an operation in rounds that take turns.
pub(crate) fn times(operation: &Operation) -> Times {
    let mut pivot = Side::new((operation.pivot)());
    let mut peer = operation.peer.map(|peer| Side::new((peer.run)()));
    for round in 0..ROUNDS {
        // Neither side always comes first.
        if round % 2 == 0 {
            pivot.round();
        }
        if let Some(peer) = &mut peer {
            peer.round();
        }
        if round % 2 == 1 {
            pivot.round();
        }
    }
    let ratio = peer.as_ref().map(|peer| {
        Spread::of(pivot.figures_ns.iter().zip(&peer.figures_ns).map(|(one, other)| one / other).collect())
    });
    Times { pivot: Spread::of(pivot.figures_ns), peer: peer.map(|peer| Spread::of(peer.figures_ns)), ratio }
}

struct Side {
    run: Run,
    count: u64,
    figures_ns: Vec<f64>,
}

impl Side {
    /// Warms up, and finds how many operations fill a round.
    fn new(mut run: Run) -> Self {
        let mut count = CYCLE;
        loop {
            let start = Instant::now();
            run(count);
            let taken_ns = start.elapsed().as_nanos() as f64;
            if taken_ns >= ROUND_NS / 2.0 {
                let count = ((count as f64 * ROUND_NS / taken_ns) as u64).next_multiple_of(CYCLE);
                return Self { run, count, figures_ns: Vec::new() };
            }
            count *= 2;
        }
    }

    fn round(&mut self) {
        let start = Instant::now();
        (self.run)(self.count);
        self.figures_ns.push(start.elapsed().as_nanos() as f64 / self.count as f64);
    }
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self { median: figures[figures.len() / 2], least: figures[0], most: figures[figures.len() - 1] }
    }
}
