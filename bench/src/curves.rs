//! Line charts as SVG, readable on a light and on a dark page.

use crate::chart::{escaped, opening};

/// Lines over one axis, each with its name in the legend.
pub(crate) struct Curves {
    pub(crate) title: String,
    pub(crate) x: String,
    pub(crate) y: String,
    /// Where the horizontal axis has marks; the first and the last are its ends.
    pub(crate) x_ticks: Vec<f64>,
    /// Whether equal steps along it are equal ratios.
    pub(crate) is_log: bool,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 340.0;
/// Marks on the vertical axis.
const STEPS: u32 = 5;
/// The first line is Pivot's. Colours that people with any eyesight can tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 7] = ["#0969da", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c959f"];
const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #24292f; } .title { font-weight: 600; }
.axis { stroke: #8c959f; stroke-width: 1; } .grid { stroke: #8c959f; stroke-width: 0.3; }
polyline { fill: none; stroke-width: 1.6; } .first { stroke-width: 3; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }";

impl Curves {
    pub(crate) fn svg(&self) -> String {
        let mut svg = opening(&self.title, WIDTH, HEIGHT, STYLE);
        let most = self.lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(0.0, f64::max);
        let top = ceiling(most);
        let y_of = |value: f64| BOTTOM - (BOTTOM - TOP) * value / top;
        for step in 0..=STEPS {
            let value = top * f64::from(step) / f64::from(STEPS);
            let (y, class) = (y_of(value), if step == 0 { "axis" } else { "grid" });
            svg.push_str(&format!(
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                LEFT - 8.0,
                y + 4.0,
                number(value),
            ));
        }
        for &tick in &self.x_ticks {
            svg.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                self.x_of(tick),
                BOTTOM + 18.0,
                number(tick),
            ));
        }
        let (middle_x, middle_y) = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
        svg.push_str(&format!(
            "<text x=\"{middle_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(16 {middle_y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
            BOTTOM + 42.0,
            escaped(&self.x),
            escaped(&self.y),
        ));
        for (index, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let class = if index == 0 { " class=\"first\"" } else { "" };
            let points: Vec<String> =
                line.points.iter().map(|&(x, y)| format!("{:.1},{:.1}", self.x_of(x), y_of(y))).collect();
            let y = TOP + 24.0 * index as f64 + 8.0;
            svg.push_str(&format!(
                "<polyline{class} stroke=\"{colour}\" points=\"{}\"/>\n\
                 <line{class} stroke=\"{colour}\" stroke-width=\"2\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                points.join(" "),
                RIGHT + 16.0,
                RIGHT + 36.0,
                RIGHT + 42.0,
                y + 4.0,
                escaped(&line.label),
            ));
        }
        svg + "</svg>\n"
    }

    fn x_of(&self, value: f64) -> f64 {
        let place = |value: f64| if self.is_log { value.ln() } else { value };
        let (Some(&first), Some(&last)) = (self.x_ticks.first(), self.x_ticks.last()) else { return LEFT };
        LEFT + (RIGHT - LEFT) * (place(value) - place(first)) / (place(last) - place(first))
    }
}

/// The least of 1, 2, 2.5, 5 and 10 times a power of ten that is not below a value.
fn ceiling(value: f64) -> f64 {
    let value = value.max(1e-9);
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|step| step * power).find(|top| *top >= value).unwrap_or(value)
}

/// Without zeros at its end.
fn number(value: f64) -> String {
    format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_end_to_end_and_equal_ratios_are_equal_steps() {
        let line = |label: &str, points| Line { label: label.to_owned(), points };
        let curves = Curves {
            title: "a & b".to_owned(),
            x: "x".to_owned(),
            y: "y".to_owned(),
            x_ticks: vec![1.0, 10.0, 100.0],
            is_log: true,
            lines: vec![
                line("pivot", vec![(1.0, 0.0), (10.0, 500.0), (100.0, 1_000.0)]),
                line("<other>", vec![]),
            ],
        };
        let svg = curves.svg();
        assert!(svg.contains("points=\"70.0,340.0 315.0,194.0 560.0,48.0\""), "{svg}");
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;other&gt;"));
        assert!(svg.contains(">1000</text>") && svg.contains(">10</text>"));
        assert_eq!(Curves { is_log: false, ..curves }.x_of(50.5), 315.0);
    }

    #[test]
    fn the_vertical_axis_ends_at_a_round_number() {
        for (value, top) in [(0.4, 0.5), (1.0, 1.0), (990.0, 1_000.0), (1_001.0, 2_000.0), (2_100.0, 2_500.0)]
        {
            assert_eq!(ceiling(value), top, "{value}");
        }
        assert_eq!((number(0.5), number(10.0), number(2.25)), ("0.5".into(), "10".into(), "2.25".into()));
    }
}
