//! Plots as small SVG files, to be read on light and on dark backgrounds.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
/// Of the area between the axes.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 680.0;
const HEIGHT: f64 = 260.0;
/// A line of text.
const ROW: f64 = 20.0;
/// Where the first line of names stands.
const NAMES: f64 = 46.0;

/// Neither near white nor near black.
const INK: &str = "#7b8490";
const COLOURS: [&str; 3] = ["#868e96", "#e8710a", "#2f80ed"];
/// Strokes and gaps.
const DASHES: [&str; 4] = ["none", "7 4", "2 4", "12 4 2 4"];

#[derive(Debug)]
pub(crate) struct Plot {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
}

#[derive(Debug)]
pub(crate) struct Axis {
    pub label: String,
    /// Where it has numbers, and what they are called.
    pub ticks: Vec<(f64, String)>,
    pub logarithmic: bool,
}

#[derive(Debug)]
pub(crate) struct Line {
    pub title: String,
    /// Lines of one colour belong together.
    pub colour: usize,
    /// Those of one kind of stroke as well.
    pub dashes: usize,
    pub points: Vec<(f64, f64)>,
}

impl Axis {
    /// Numbers of the decades, or round ones from zero, that span the values.
    pub(crate) fn spanning(label: &str, logarithmic: bool, values: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            (low, high) = (low.min(value), high.max(value));
        }
        let mut ticks = Vec::new();
        if logarithmic {
            let (first, last) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
            let mut decade = first;
            while decade <= last {
                ticks.push(10_f64.powf(decade));
                decade += 1.0;
            }
        } else {
            let step = round_step(high / 5.0);
            let mut tick = 0.0;
            ticks.push(tick);
            while tick < high {
                tick += step;
                ticks.push(tick);
            }
        }
        let ticks = ticks.into_iter().map(|tick| (tick, number(tick))).collect();
        Self { label: label.to_owned(), ticks, logarithmic }
    }

    /// Where between its first number (0) and its last (1).
    fn part(&self, value: f64) -> f64 {
        let on = |value: f64| if self.logarithmic { value.log10() } else { value };
        let ends = self.ticks.first().zip(self.ticks.last());
        ends.map_or(0.5, |(first, last)| (on(value) - on(first.0)) / (on(last.0) - on(first.0)))
    }
}

/// One, two or five of some power of ten, at least.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|step| *step >= least).unwrap_or(power)
}

pub(crate) fn number(value: f64) -> String {
    if value >= 1e6 {
        format!("{} million", value / 1e6)
    } else if value >= 1e3 {
        format!("{},{:03}", (value / 1e3).floor(), value % 1e3)
    } else {
        // Sums of tenths are not quite tenths.
        format!("{}", (value * 1e6).round() / 1e6)
    }
}

impl Plot {
    pub(crate) fn svg(&self) -> String {
        let (height, title) = (self.bottom() + 3.0 * ROW, escaped(&self.title));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"{INK}\">\n\
             <title>{title}</title>\n<text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{title}</text>\n",
        );
        self.names(&mut svg);
        self.grid(&mut svg);
        for line in &self.lines {
            self.line(&mut svg, line);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// In columns: as many as the longest name leaves room for.
    fn columns(&self) -> usize {
        let longest = self.lines.iter().map(|line| line.title.len()).max().unwrap_or(0);
        if longest > 22 { 2 } else { 3 }
    }

    fn top(&self) -> f64 {
        NAMES + self.lines.len().div_ceil(self.columns()) as f64 * ROW
    }

    fn bottom(&self) -> f64 {
        self.top() + HEIGHT
    }

    fn names(&self, svg: &mut String) {
        let rows = self.lines.len().div_ceil(self.columns()).max(1);
        let width = (WIDTH - LEFT) / self.columns() as f64;
        for (at, line) in self.lines.iter().enumerate() {
            let (x, y) = (LEFT + (at / rows) as f64 * width, NAMES + (at % rows) as f64 * ROW);
            writeln!(svg, "<path d=\"M{x:.0} {:.0}h28\" {}/>", y - 4.0, stroke(line)).ok();
            writeln!(svg, "<text x=\"{:.0}\" y=\"{y:.0}\">{}</text>", x + 34.0, escaped(&line.title)).ok();
        }
    }

    fn grid(&self, svg: &mut String) {
        let (top, bottom) = (self.top(), self.bottom());
        let (mut lines, mut numbers) = (String::new(), String::new());
        for (value, name) in &self.x.ticks {
            let (x, y) = (self.x_of(*value), bottom + ROW);
            write!(lines, "M{x:.1} {top}V{bottom}").ok();
            writeln!(numbers, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>").ok();
        }
        for (value, name) in &self.y.ticks {
            let y = self.y_of(*value);
            write!(lines, "M{LEFT} {y:.1}H{RIGHT}").ok();
            let (x, y) = (LEFT - 8.0, y + 4.0);
            writeln!(numbers, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{name}</text>").ok();
        }
        writeln!(svg, "<path d=\"{lines}\" stroke=\"{INK}\" stroke-opacity=\"0.3\" fill=\"none\"/>").ok();
        svg.push_str(&numbers);
        let (x, y) = (f64::midpoint(LEFT, RIGHT), bottom + 2.0 * ROW + 4.0);
        let label = escaped(&self.x.label);
        writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>").ok();
        let (y, label) = (f64::midpoint(top, bottom), escaped(&self.y.label));
        let place = format!("translate(16 {y})rotate(-90)");
        writeln!(svg, "<text transform=\"{place}\" text-anchor=\"middle\">{label}</text>").ok();
    }

    fn line(&self, svg: &mut String, line: &Line) {
        let places: Vec<_> = line.points.iter().map(|(x, y)| (self.x_of(*x), self.y_of(*y))).collect();
        let way: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        writeln!(svg, "<path d=\"M{}\" {}/>", way.join("L"), stroke(line)).ok();
        for (x, y) in places {
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{}\"/>", colour(line)).ok();
        }
    }

    fn x_of(&self, value: f64) -> f64 {
        LEFT + self.x.part(value) * (RIGHT - LEFT)
    }

    fn y_of(&self, value: f64) -> f64 {
        self.bottom() - self.y.part(value) * HEIGHT
    }
}

fn colour(line: &Line) -> &'static str {
    COLOURS[line.colour % COLOURS.len()]
}

fn stroke(line: &Line) -> String {
    let dashes = DASHES[line.dashes % DASHES.len()];
    format!("stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\" fill=\"none\"", colour(line))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_span_their_values() {
        let ticks = |axis: Axis| axis.ticks.into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(ticks(Axis::spanning("", false, [0.3, 9.0])), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(ticks(Axis::spanning("", true, [3.0, 900.0])), ["1", "10", "100", "1,000"]);
        assert_eq!(ticks(Axis::spanning("", true, [3.0])), ["1", "10"]);
        assert_eq!(number(20_500.0), "20,500");
    }

    #[test]
    fn a_line_runs_from_corner_to_corner() {
        let axis = || Axis::spanning("a < b", true, [1.0, 10.0]);
        let middle = 10_f64.sqrt();
        let points = vec![(1.0, 1.0), (middle, middle), (10.0, 10.0)];
        let line = Line { title: "one".to_owned(), colour: 0, dashes: 0, points };
        let svg = Plot { title: "T".to_owned(), x: axis(), y: axis(), lines: vec![line] }.svg();
        assert!(svg.contains("M72.0 326.0L376.0 196.0L680.0 66.0"), "{svg}");
        assert!(svg.contains("a &lt; b"), "{svg}");
        // Rustdoc and others end such a block at an empty line.
        assert!(!svg.contains("\n\n"), "{svg}");
    }
}
