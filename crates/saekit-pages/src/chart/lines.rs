use super::axis::{Axis, drawable};
use super::canvas::{ACROSS, BOTTOM, Canvas};
use super::{DASHES, SERIES};
use crate::number::figure;
use crate::text::escape;
use crate::width::columns;

/// A line chart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lines<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What the vertical axis counts.
    pub unit: &'a str,
    /// What the horizontal axis counts.
    pub x: &'a str,
    /// Whether the vertical axis is logarithmic. Values that are not positive are then gaps.
    pub log: bool,
    /// The lines. Where there are several, a legend names them.
    pub series: &'a [Series],
}

/// A line of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, from left to right. One that is not finite interrupts the line.
    pub points: Vec<(f64, f64)>,
}

/// A point, or a gap.
type Step = Option<(f64, f64)>;

impl Series {
    /// A line through `points`.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points }
    }

    fn steps(&self, log: bool) -> Vec<Step> {
        let step =
            |&(x, y): &(f64, f64)| (drawable(x, false) && drawable(y, log)).then_some((x, y));
        self.points.iter().map(step).collect()
    }
}

impl Lines<'_> {
    /// The chart.
    pub fn svg(&self) -> String {
        let lines: Vec<Vec<Step>> = self.series.iter().map(|s| s.steps(self.log)).collect();
        let mut canvas = Canvas::new(self.title, self.unit, &self.describe(&lines));
        let top = self.legend(&mut canvas);
        let points: Vec<(f64, f64)> = lines.iter().flatten().copied().flatten().collect();
        let (Some(xs), Some(ys)) =
            (extent(points.iter().map(|p| p.0)), extent(points.iter().map(|p| p.1)))
        else {
            canvas.nothing();
            return canvas.finish();
        };
        let x = Axis::tight(xs.0, xs.1, ACROSS);
        let axis = if self.log { Axis::log } else { Axis::round };
        let y = axis(ys.0, ys.1, (BOTTOM, top));
        canvas.y_axis(&y);
        canvas.x_axis(&x, self.x);
        for (i, line) in lines.iter().enumerate() {
            let drawn: Vec<Step> =
                line.iter().map(|p| p.map(|(a, b)| (x.at(a), y.at(b)))).collect();
            draw(&mut canvas, i, &drawn);
        }
        canvas.finish()
    }

    /// Names the lines, where there are several; where the chart may begin below.
    fn legend(&self, canvas: &mut Canvas) -> f64 {
        let (mut x, mut y) = (ACROSS.0, 42.0);
        if self.series.len() < 2 {
            return y;
        }
        for (i, series) in self.series.iter().enumerate() {
            let width = 34.0 + 7.0 * columns(&series.name) as f64;
            if x + width > ACROSS.1 && x > ACROSS.0 {
                (x, y) = (ACROSS.0, y + 18.0);
            }
            let (class, stroke, dash) = look(i);
            canvas.add(format_args!(
                "<path class=\"{class}\" d=\"M{x:.1} {:.1}h22\" stroke=\"{stroke}\" \
                 stroke-dasharray=\"{dash}\" stroke-width=\"2\" fill=\"none\"/>\n",
                y - 4.0
            ));
            canvas.text(x + 28.0, y, "start", &series.name);
            x += width + 12.0;
        }
        y + 16.0
    }

    /// The chart in words.
    fn describe(&self, lines: &[Vec<Step>]) -> String {
        let mut said: Vec<String> = Vec::new();
        for (series, line) in self.series.iter().zip(lines) {
            let points: Vec<(f64, f64)> = line.iter().copied().flatten().collect();
            said.push(match (points.first(), points.last()) {
                (Some(first), Some(last)) => format!(
                    "{}: from {} at {} to {} at {}.",
                    series.name,
                    figure(first.1),
                    figure(first.0),
                    figure(last.1),
                    figure(last.0)
                ),
                _ => format!("{}: no values.", series.name),
            });
        }
        format!("Line chart over {}. {}", self.x, said.join(" "))
    }
}

/// Class, colour and dash of line `i`.
fn look(i: usize) -> (String, &'static str, &'static str) {
    let n = i % SERIES.len();
    (format!("s{n}"), SERIES[n], DASHES[n])
}

/// Draws line `i`, whose points are coordinates.
fn draw(canvas: &mut Canvas, i: usize, line: &[Step]) {
    let (class, stroke, dash) = look(i);
    for piece in line.split(Option::is_none) {
        let piece: Vec<(f64, f64)> = piece.iter().copied().flatten().collect();
        if let [(x, y)] = piece[..] {
            canvas.add(format_args!(
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\" fill=\"none\" \
                 stroke=\"{stroke}\" stroke-width=\"2\"/>\n"
            ));
        } else if !piece.is_empty() {
            let points: Vec<String> =
                thinned(&piece).iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            canvas.add(format_args!(
                "<polyline class=\"{class}\" points=\"{}\" fill=\"none\" stroke=\"{stroke}\" \
                 stroke-dasharray=\"{dash}\" stroke-width=\"1.6\" stroke-linejoin=\"round\"/>\n",
                escape(&points.join(" "))
            ));
        }
    }
}

/// At most four points of each unit of width: first, last, lowest and highest. Nothing is lost to
/// the eye, and a long run's chart stays small.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 1200 {
        return points.to_vec();
    }
    let mut kept = Vec::new();
    for column in points.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        let by_height = |a: &usize, b: &usize| column[*a].1.total_cmp(&column[*b].1);
        let lowest = (0..column.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..column.len()).max_by(by_height).unwrap_or(0);
        let mut chosen = [0, lowest, highest, column.len() - 1];
        chosen.sort_unstable();
        let mut chosen = chosen.to_vec();
        chosen.dedup();
        kept.extend(chosen.into_iter().map(|i| column[i]));
    }
    kept
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, v| {
        let (lo, hi) = extent.unwrap_or((v, v));
        Some((f64::min(lo, v), f64::max(hi, v)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    fn chart(log: bool, series: &[Series]) -> String {
        let svg = Lines { title: "FVU", unit: "fraction", x: "rows", log, series }.svg();
        check(&svg);
        svg
    }

    #[test]
    fn a_line_of_a_training_run() {
        let svg = chart(false, &[Series::new("fvu", vec![(0.0, 0.8), (10.0, 0.4), (20.0, 0.2)])]);
        assert!(svg.contains("points=\"58.0,42.0 261.0,124.0 464.0,165.0\""), "{svg}");
        assert!(svg.contains("fvu: from 0.8 at 0 to 0.2 at 20."), "{svg}");
        assert_eq!(svg.matches("class=\"s0\"").count(), 1, "one line has no legend: {svg}");
    }

    #[test]
    fn several_lines_have_a_legend() {
        let one = |name: &str| Series::new(name, vec![(0.0, 1.0), (1.0, 2.0)]);
        let names: Vec<String> = (0..9).map(|i| format!("a rather long name {i}")).collect();
        let svg = chart(false, &names.iter().map(|name| one(name)).collect::<Vec<_>>());
        for name in &names {
            assert!(svg.contains(&format!(">{name}</text>")), "{svg}");
        }
    }

    #[test]
    fn gaps_interrupt_a_line() {
        let points =
            vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, f64::INFINITY), (4.0, 1.0)];
        let svg = chart(false, &[Series::new("loss", points)]);
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (1, 1));
        let points = vec![(0.0, 1.0), (1.0, 0.1), (2.0, 0.0), (3.0, 10.0), (4.0, 1.0)];
        assert_eq!(chart(true, &[Series::new("loss", points)]).matches("<polyline").count(), 2);
    }

    #[test]
    fn nothing_one_point_and_a_constant() {
        assert!(chart(false, &[]).contains("nothing to show"));
        assert!(
            chart(true, &[Series::new("a", vec![(0.0, f64::NAN)])]).contains("nothing to show")
        );
        assert!(chart(false, &[Series::new("a", vec![(5.0, 3.0)])]).contains("<circle"));
        let svg = chart(false, &[Series::new("l0", vec![(0.0, 16.0), (1.0, 16.0)])]);
        assert!(svg.contains("points=\"58.0,124.0 464.0,124.0\""), "{svg}");
    }

    #[test]
    fn a_long_line_is_thinned_but_keeps_its_peaks() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i), 1.0)).collect();
        points[77_777].1 = 9.0;
        let svg = chart(false, &[Series::new("loss", points)]);
        assert!(svg.len() < 60_000, "{} bytes", svg.len());
        assert!(svg.contains(",58.4 "), "the peak is gone");
    }
}
