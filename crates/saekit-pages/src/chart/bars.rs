use super::SERIES;
use super::axis::Axis;
use super::canvas::{ACROSS, BOTTOM, Canvas};
use crate::number::{count, figure};
use crate::text::escape;

/// A histogram: bars over bins of equal width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bars<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What the bins are of.
    pub x: &'a str,
    /// What is counted.
    pub y: &'a str,
    /// Where the first bin begins.
    pub start: f64,
    /// Width of a bin.
    pub width: f64,
    /// What is in each bin.
    pub counts: &'a [u64],
    /// Whether the vertical axis is logarithmic.
    pub log: bool,
    /// Whether bins are of decimal logarithms, and written as powers of ten.
    pub decades: bool,
}

impl Default for Bars<'_> {
    fn default() -> Self {
        let (title, x, y, counts) = ("", "", "", &[][..]);
        Self { title, x, y, start: 0.0, width: 1.0, counts, log: false, decades: false }
    }
}

impl Bars<'_> {
    /// The chart.
    pub fn svg(&self) -> String {
        let mut canvas = Canvas::new(self.title, self.y, &self.describe());
        let most = self.counts.iter().copied().max().unwrap_or(0);
        let end = self.start + self.width * self.counts.len() as f64;
        if most == 0 || !(self.start.is_finite() && end.is_finite() && self.width > 0.0) {
            canvas.nothing();
            return canvas.finish();
        }
        let axis = if self.decades { Axis::decades } else { Axis::tight };
        let x = axis(self.start, end, ACROSS);
        let drawn = (BOTTOM, 42.0);
        // a bin of one still shows
        let y = if self.log {
            Axis::log(0.5, most as f64, drawn)
        } else {
            Axis::round(0.0, most as f64, drawn)
        };
        canvas.y_axis(&y);
        for (i, n) in self.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            self.bar(&mut canvas, (x.at(self.edge(i)), x.at(self.edge(i + 1))), y.at(*n as f64), i);
        }
        canvas.x_axis(&x, self.x);
        canvas.finish()
    }

    fn bar(&self, canvas: &mut Canvas, (from, to): (f64, f64), top: f64, i: usize) {
        let gap = if to - from > 4.0 { 1.0 } else { 0.0 };
        let top = top.min(BOTTOM - 1.0);
        canvas.add(format_args!(
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             fill=\"{}\"><title>{}</title></rect>\n",
            from + gap / 2.0,
            to - from - gap,
            BOTTOM - top,
            SERIES[0],
            escape(&format!("{}: {} {}", self.range(i), count(self.counts[i]), self.y))
        ));
    }

    /// Where bin `i` begins.
    fn edge(&self, i: usize) -> f64 {
        self.start + self.width * i as f64
    }

    /// What is in bin `i`.
    fn range(&self, i: usize) -> String {
        let edge = |i| if self.decades { 10_f64.powf(self.edge(i)) } else { self.edge(i) };
        format!("{} to {}", figure(edge(i)), figure(edge(i + 1)))
    }

    /// The chart in words.
    fn describe(&self) -> String {
        let most = self.counts.iter().copied().max().unwrap_or(0);
        let total = count(self.counts.iter().sum());
        let Some(i) = self.counts.iter().position(|n| *n == most && most > 0) else {
            return format!("Histogram of {} by {}, empty.", self.y, self.x);
        };
        let (most, range) = (count(most), self.range(i));
        format!("Histogram of {total} {} by {}; most, {most}, at {range}.", self.y, self.x)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    fn chart(bars: &Bars<'_>) -> String {
        let svg = bars.svg();
        check(&svg);
        svg
    }

    #[test]
    fn bars_stand_on_their_bins() {
        let counts = [12, 0, 30, 1];
        let svg = chart(&Bars {
            x: "value",
            y: "firings",
            width: 0.25,
            counts: &counts,
            ..Bars::default()
        });
        assert_eq!(svg.matches("class=\"bar\"").count(), 3);
        assert!(svg.contains("<title>0.5 to 0.75: 30 firings</title>"), "{svg}");
        assert!(svg.contains("x=\"261.5\" y=\"42.0\" width=\"100.5\" height=\"164.0\""), "{svg}");
        assert!(
            svg.contains("Histogram of 43 firings by value; most, 30, at 0.5 to 0.75."),
            "{svg}"
        );
    }

    #[test]
    fn logarithmic_bars_show_a_single_one() {
        let counts = [1, 100_000];
        let bars =
            Bars { counts: &counts, log: true, decades: true, start: -2.0, ..Bars::default() };
        let svg = chart(&bars);
        assert_eq!(svg.matches("class=\"bar\"").count(), 2);
        assert!(svg.contains("10<tspan dy=\"-5\" font-size=\"9\">-2</tspan>"), "{svg}");
        assert!(svg.contains("<title>0.01 to 0.1: 1 "), "{svg}");
    }

    #[test]
    fn no_bins_empty_bins_and_broken_edges() {
        assert!(chart(&Bars::default()).contains("nothing to show"));
        assert!(chart(&Bars { counts: &[0, 0], ..Bars::default() }).contains("nothing to show"));
        for (start, width) in [(f64::NAN, 1.0), (0.0, 0.0), (0.0, f64::INFINITY), (0.0, -1.0)] {
            let svg = chart(&Bars { start, width, counts: &[1], ..Bars::default() });
            assert!(svg.contains("nothing to show"), "{svg}");
        }
        chart(&Bars { start: 3.0, width: 1e-9, counts: &[5], ..Bars::default() });
    }
}
