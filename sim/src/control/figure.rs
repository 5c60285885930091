//! Curves of goodput over load, as SVG that is readable on light and dark.

use std::fmt::Write as _;

use super::score::{LOADS, Score};

/// Goodput over the oracle's, for each law at each load of one plant.
pub fn curve(plant: &str, scores: &[&Score]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<style>text{{fill:#777}}.axis{{stroke:#888;stroke-width:1}}\
         .curve{{fill:none;stroke-width:2}}</style>\n\
         <text x=\"{LEFT}\" y=\"18\">{plant}: goodput / oracle over offered load / capacity</text>\n"
    );
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = y_of(share);
        let _ = writeln!(
            svg,
            "<line class=\"axis\" stroke-opacity=\"0.4\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{share}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    for (index, load) in LOADS.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{load}</text>",
            x_of(index),
            y_of(0.0) + 18.0
        );
    }
    let mut names: Vec<&str> = Vec::new();
    for score in scores {
        if !names.contains(&score.controller) {
            names.push(score.controller);
        }
    }
    for (index, name) in names.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points: Vec<String> = scores
            .iter()
            .filter(|score| score.controller == *name)
            .enumerate()
            .map(|(at, score)| format!("{:.1},{:.1}", x_of(at), y_of(score.goodput.min(1.05))))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline class=\"curve\" stroke=\"{colour}\" points=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{colour}\">{name}</text>",
            points.join(" "),
            RIGHT + 12.0,
            50.0 + 20.0 * index as f64
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn x_of(index: usize) -> f64 {
    LEFT + 10.0 + (RIGHT - LEFT - 20.0) * index as f64 / (LOADS.len() - 1) as f64
}

fn y_of(share: f64) -> f64 {
    HEIGHT - 40.0 - (HEIGHT - 80.0) * share
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 480.0;
/// Of middling lightness, so that they stand out on white and on black.
const COLOURS: [&str; 6] = ["#888888", "#b07d48", "#d64550", "#3b8ed0", "#8f6fd0", "#2f9e5f"];
