//! What all charts have: a frame, axes, titles.

use std::fmt::Write as _;

use super::axis::{Axis, Label, Tick};
use crate::text::escape;

/// Width of a chart.
pub(super) const WIDTH: f64 = 480.0;
/// Height of a chart.
pub(super) const HEIGHT: f64 = 250.0;
/// Left and right border of what is drawn.
pub(super) const ACROSS: (f64, f64) = (58.0, WIDTH - 16.0);
/// Bottom border of what is drawn.
pub(super) const BOTTOM: f64 = HEIGHT - 44.0;

const FONT: &str = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";

/// A chart being drawn.
#[derive(Debug)]
pub(super) struct Canvas(String);

impl Canvas {
    /// An empty chart that `desc` describes to those who do not see it. `unit` is what the vertical
    /// axis counts.
    pub(super) fn new(title: &str, unit: &str, desc: &str) -> Self {
        let (title, desc) = (escape(title), escape(desc));
        let mut canvas = Self(String::new());
        canvas.add(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"{FONT}\" \
             font-size=\"12\">\n<title>{title}</title>\n<desc>{desc}</desc>\n\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
             <text x=\"12\" y=\"20\" font-size=\"14\" font-weight=\"600\" fill=\"#1d1d1f\">{title}\
             <tspan class=\"soft\" dx=\"8\" font-size=\"12\" font-weight=\"400\" fill=\"#6b6b70\">{}\
             </tspan></text>\n",
            escape(unit)
        ));
        canvas
    }

    /// Adds elements.
    pub(super) fn add(&mut self, elements: std::fmt::Arguments<'_>) {
        self.0.write_fmt(elements).expect("writing to a string does not fail");
    }

    /// The horizontal axis with its name, at the bottom.
    pub(super) fn x_axis(&mut self, axis: &Axis, name: &str) {
        let (from, to) = axis.drawn;
        self.add(format_args!(
            "<path class=\"axis\" d=\"M{from:.1} {BOTTOM:.1}H{to:.1}\" stroke=\"#6b6b70\" fill=\"none\"/>\n"
        ));
        for tick in &axis.ticks {
            let x = axis.at(tick.value);
            self.add(format_args!(
                "<path class=\"axis\" d=\"M{x:.1} {BOTTOM:.1}v4\" stroke=\"#6b6b70\" fill=\"none\"/>\n"
            ));
            self.label(x, BOTTOM + 17.0, "middle", tick);
        }
        self.text(from.midpoint(to), HEIGHT - 9.0, "middle", name);
    }

    /// The vertical axis, at the left, with a line across the chart at each value.
    pub(super) fn y_axis(&mut self, axis: &Axis) {
        let (from, to) = ACROSS;
        for tick in &axis.ticks {
            let y = axis.at(tick.value);
            self.add(format_args!(
                "<path class=\"rule\" d=\"M{from:.1} {y:.1}H{to:.1}\" stroke=\"#e4e2dd\" fill=\"none\"/>\n"
            ));
            self.label(from - 7.0, y + 4.0, "end", tick);
        }
    }

    /// A soft text at a point; `anchor` is which part of it lies there.
    pub(super) fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = escape(text);
        self.add(format_args!(
            "<text class=\"soft\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" \
             fill=\"#6b6b70\">{text}</text>\n"
        ));
    }

    /// Says, in the middle, that there is nothing to draw.
    pub(super) fn nothing(&mut self) {
        let ((from, to), y) = (ACROSS, BOTTOM / 2.0 + 20.0);
        self.text(from.midpoint(to), y, "middle", "nothing to show");
    }

    fn label(&mut self, x: f64, y: f64, anchor: &str, tick: &Tick) {
        match &tick.label {
            Label::Plain(text) => self.text(x, y, anchor, text),
            Label::Power(p) => self.add(format_args!(
                "<text class=\"soft\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" \
                 fill=\"#6b6b70\">10<tspan dy=\"-5\" font-size=\"9\">{p}</tspan></text>\n"
            )),
        }
    }

    /// The finished chart.
    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}
