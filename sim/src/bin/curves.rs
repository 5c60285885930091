//! Plays every law against every plant under every load: `cargo run -p pivot-sim --release --bin curves`.
//!
//! Prints the table, and writes it with the figures into `docs/`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use pivot_sim::control::{Score, curve, scores};

fn main() -> std::io::Result<()> {
    let given = std::env::var("PIVOT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = given.map_or(1..=4, |seed: u64| seed..=seed);
    let first = *seeds.start();
    let all: Vec<Score> = seeds.flat_map(scores).collect();
    let scores = &all[..all.iter().position(|score| score.seed != first).unwrap_or(all.len())];
    let table = format!("{}\nSeed {first}:\n\n{}", summary(&all), table(scores));
    std::io::stdout().lock().write_all(table.as_bytes())?;
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::create_dir_all(docs.join("figures"))?;
    let page = docs.join("concurrency.md");
    let text = std::fs::read_to_string(&page)?;
    let head = text.split(MARK).next().unwrap_or_default();
    std::fs::write(&page, format!("{head}{MARK}\n\n{table}"))?;
    let mut plants: Vec<&str> = scores.iter().map(|score| score.plant).collect();
    plants.dedup();
    for plant in plants {
        let of_plant: Vec<&Score> = scores.iter().filter(|score| score.plant == plant).collect();
        std::fs::write(docs.join(format!("figures/concurrency-{plant}.svg")), curve(plant, &of_plant))?;
    }
    Ok(())
}

/// Everything after this line of the page is written by this program.
const MARK: &str = "<!-- from here on: cargo run -p pivot-sim --release --bin curves -->";

fn summary(scores: &[Score]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for score in scores {
        if !names.contains(&score.controller) {
            names.push(score.controller);
        }
    }
    let mut text = String::from(
        "| law | goodput/oracle, mean | worst | p99 of admitted, mean, ms | never settled |\n|---|---|---|---|---|\n",
    );
    for name in names {
        let all: Vec<&Score> = scores.iter().filter(|score| score.controller == name).collect();
        let mean = |of: fn(&Score) -> f64| all.iter().map(|score| of(score)).sum::<f64>() / all.len() as f64;
        let worst = all.iter().map(|score| score.goodput).fold(f64::INFINITY, f64::min);
        let never = all.iter().filter(|score| score.settled_s.is_none()).count();
        let (goodput, p99) = (mean(|score| score.goodput), mean(|score| score.p99_ms));
        let _ =
            writeln!(text, "| {name} | {goodput:.3} | {worst:.3} | {p99:.0} | {never} of {} |", all.len());
    }
    text
}

fn table(scores: &[Score]) -> String {
    let mut text = String::from(
        "| plant | load | law | goodput/oracle | p99, ms | within 10 % after, s | limit | overshoot | band |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for score in scores {
        let Score { plant, load, controller, goodput, p99_ms, limit, overshoot, band, .. } = score;
        let settled = score.settled_s.map_or_else(|| "never".to_owned(), |settled| format!("{settled:.1}"));
        let _ = writeln!(
            text,
            "| {plant} | {load} | {controller} | {goodput:.3} | {p99_ms:.0} | {settled} | {limit:.0} | {overshoot:.2} | {band:.2} |",
        );
    }
    text
}
