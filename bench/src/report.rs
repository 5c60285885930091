//! What a benchmark found: as text, as Markdown, and as a chart.

use std::fs;
use std::path::PathBuf;

use crate::server::bench_folder;
use crate::{Result, machine};

/// What one benchmark found.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What the figures mean, and how they came about.
    pub(crate) meaning: String,
    pub(crate) tables: Vec<Table>,
    /// What was left out, and what was noisy.
    pub(crate) notes: Vec<String>,
    /// As SVG.
    pub(crate) chart: Option<String>,
}

pub(crate) struct Table {
    /// What it shows, where a section has several.
    pub(crate) caption: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { caption: None, columns, rows: Vec::new() }
    }

    /// With columns of equal width, the first to the left and the others to the right.
    fn text(&self) -> String {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| {
            lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
        };
        let mut text = self.caption.iter().map(|caption| format!("  {caption}\n")).collect::<String>();
        for line in lines() {
            for (column, cell) in line.iter().enumerate() {
                let width = width(column).unwrap_or(0);
                match column {
                    0 => text.push_str(&format!("  {cell:<width$}")),
                    _ => text.push_str(&format!("  {cell:>width$}")),
                }
            }
            text.push('\n');
        }
        text
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|---|{}\n", "--:|".repeat(self.columns.len().saturating_sub(1)));
        let caption: String = self.caption.iter().map(|caption| format!("{caption}\n\n")).collect();
        caption + &line(&self.columns) + &rule + &self.rows.iter().map(|row| line(row)).collect::<String>()
    }
}

impl Section {
    pub(crate) fn print(&self) {
        println!("{}: {}\n{}\n", self.name, self.title, self.meaning);
        self.tables.iter().for_each(|table| println!("{}", table.text()));
        self.notes.iter().for_each(|note| println!("  note: {note}"));
        println!();
    }

    /// Puts it into `results/latest.md` in place of what stood there under its name, and its chart beside it.
    pub(crate) fn write(&self, command: &str) -> Result<PathBuf> {
        let folder = bench_folder().join("results");
        fs::create_dir_all(&folder)?;
        let path = folder.join("latest.md");
        let old = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, replaced(&old, self.name, &self.markdown(command)))?;
        if let Some(chart) = &self.chart {
            fs::write(folder.join(format!("{}.svg", self.name)), chart)?;
        }
        Ok(path)
    }

    fn markdown(&self, command: &str) -> String {
        let mut text = format!("## {}\n\n{}\n\n{}\n\n", self.name, self.title, self.meaning);
        if self.chart.is_some() {
            text.push_str(&format!("![{}]({}.svg)\n\n", self.title, self.name));
        }
        self.tables.iter().for_each(|table| text.push_str(&(table.markdown() + "\n")));
        self.notes.iter().for_each(|note| text.push_str(&format!("- {note}\n")));
        text.push_str(&format!("- made by `{command}`\n"));
        machine::lines().iter().for_each(|line| text.push_str(&format!("- {line}\n")));
        text.push('\n');
        text
    }
}

const HEADING: &str = "# What was measured\n\nOne section for each benchmark, as its last whole run left it. The numbers of one section belong \
together; those of two may come from two machines.\n\n";

/// The sections of a file with one of them put in place of its old self, in the order of the list of benchmarks.
fn replaced(old: &str, name: &str, section: &str) -> String {
    let mut sections: Vec<(&str, &str)> = old
        .match_indices("\n## ")
        .map(|(at, _)| &old[at + 1..])
        .map(|rest| match rest[1..].find("\n## ") {
            Some(end) => &rest[..end + 2],
            None => rest,
        })
        .map(|text| (text[3..].lines().next().unwrap_or_default(), text))
        .filter(|(other, _)| *other != name)
        .collect();
    sections.push((name, section));
    sections.sort_by_key(|(name, _)| crate::benchmarks().position(|known| known.0 == *name));
    HEADING.to_owned() + sections.iter().map(|(_, text)| *text).collect::<String>().trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_section_takes_the_place_of_its_old_self_alone() {
        let one = replaced("", "idle", "## idle\n\nfirst\n\n");
        let two = replaced(&one, "cpu", "## cpu\n\nsecond\n\n");
        assert_eq!(two, format!("{HEADING}## cpu\n\nsecond\n\n## idle\n\nfirst\n"));
        let three = replaced(&two, "cpu", "## cpu\n\nthird\n\n");
        assert_eq!(three, format!("{HEADING}## cpu\n\nthird\n\n## idle\n\nfirst\n"));
        let four = replaced(&three, "idle", "## idle\n\nfourth\n\n");
        assert_eq!(four, format!("{HEADING}## cpu\n\nthird\n\n## idle\n\nfourth\n"));
    }

    #[test]
    fn a_table_is_aligned_as_text_and_ruled_as_markdown() {
        let mut table = Table::new(&["server", "µs"]);
        table.rows.push(vec!["raw".to_owned(), "12.50".to_owned()]);
        assert_eq!(table.text(), "  server     µs\n  raw     12.50\n");
        assert_eq!(table.markdown(), "| server | µs |\n|---|--:|\n| raw | 12.50 |\n");
    }
}
