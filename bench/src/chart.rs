//! Bar charts as SVG, readable on a light and on a dark page.

/// Horizontal bars, the longest as wide as the chart.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
}

pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    /// The value as it is written beside the bar, with its unit.
    pub(crate) text: String,
    /// The least and the most, drawn as a line across the end of the bar.
    pub(crate) spread: Option<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
/// Where bars begin: the labels stand before it.
const LEFT: f64 = 130.0;
/// The longest bar; the values stand behind it.
const LONGEST: f64 = 420.0;
const TOP: f64 = 48.0;
const STEP: f64 = 28.0;
const THICKNESS: f64 = 16.0;
const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #24292f; } .title { font-weight: 600; }
.bar { fill: #8c959f; } .pivot { fill: #0969da; } .spread { stroke: #24292f; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .bar { fill: #6e7681; } .pivot { fill: #4493f8; } .spread { stroke: #e6edf3; } }";

/// The start of a picture: its size, its style, and its title above everything else.
pub(crate) fn opening(title: &str, width: f64, height: f64, style: &str) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>{title}</title>\n<style>\n{style}\n</style>\n<text class=\"title\" x=\"8\" y=\"24\">{title}</text>\n"
    )
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let height = TOP + STEP * self.bars.len() as f64 + 8.0;
        let longest = |bar: &Bar| bar.spread.map_or(bar.value, |(_, most)| most.max(bar.value));
        let scale = LONGEST / self.bars.iter().map(longest).fold(f64::MIN_POSITIVE, f64::max);
        let mut svg = opening(&self.title, WIDTH, height, STYLE);
        for (index, bar) in self.bars.iter().enumerate() {
            let y = TOP + STEP * index as f64;
            let (text_y, middle, width) = (y + 13.0, y + THICKNESS / 2.0, bar.value.max(0.0) * scale);
            let class = if bar.label.starts_with("pivot") { "bar pivot" } else { "bar" };
            svg.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{text_y:.1}\" text-anchor=\"end\">{}</text>\n\
                 <rect class=\"{class}\" x=\"{LEFT:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{THICKNESS:.1}\"/>\n",
                LEFT - 8.0,
                escaped(&bar.label),
            ));
            let mut end = width;
            if let Some((least, most)) = bar.spread {
                end = end.max(most * scale);
                svg.push_str(&format!(
                    "<line class=\"spread\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>\n",
                    LEFT + least * scale,
                    LEFT + end,
                ));
            }
            let text = escaped(&bar.text);
            svg.push_str(&format!("<text x=\"{:.1}\" y=\"{text_y:.1}\">{text}</text>\n", LEFT + end + 8.0));
        }
        svg + "</svg>\n"
    }
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_value_reaches_the_full_width_and_text_is_escaped() {
        let bar = |label: &str, value, spread| Bar {
            label: label.to_owned(),
            value,
            text: "1 < 2".to_owned(),
            spread,
        };
        let bars = vec![bar("raw", 1.0, None), bar("pivot", 2.0, Some((1.5, 4.0)))];
        let svg = Chart { title: "a & b".to_owned(), bars }.svg();
        assert!(svg.contains("a &amp; b") && svg.contains("1 &lt; 2"));
        assert!(svg.contains("class=\"bar\" x=\"130.0\" y=\"48.0\" width=\"105.0\""), "{svg}");
        assert!(svg.contains("class=\"bar pivot\" x=\"130.0\" y=\"76.0\" width=\"210.0\""), "{svg}");
        assert!(svg.contains("x1=\"287.5\" x2=\"550.0\""), "{svg}");
    }
}
