mod elements;
mod features;
mod html;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use saekit_core::Error as CoreError;
use saekit_core::files::write_atomic;
use saekit_core::metrics::DensityHistogram;

use crate::chart::{Bars, Lines, Series};
use crate::number::count;
use crate::{FeatureLine, Result};

/// A run on one page.
///
/// Every part may be empty and is then left out. All texts are plain; the page escapes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Name of the run.
    pub title: String,
    /// What was trained on what, in a sentence.
    pub lead: String,
    /// What a reader should know first, a sentence each.
    pub warnings: Vec<String>,
    /// The figures of the evaluation.
    pub figures: Vec<Figure>,
    /// Where everything comes from: names and values.
    pub facts: Vec<(String, String)>,
    /// What the curves are over, such as "rows seen".
    pub over: String,
    /// Training curves.
    pub curves: Vec<Curve>,
    /// Latents by how often they fire.
    pub density: Option<DensityHistogram>,
    /// How features are ordered.
    pub rule: String,
    /// The first features in that order.
    pub best: Vec<FeatureLine>,
    /// The last ones.
    pub worst: Vec<FeatureLine>,
    /// The site's page, relative to the report, where there is a site.
    pub site: Option<String>,
    /// The commands that make all this again, in order.
    pub commands: Vec<String>,
    /// Names and hashes of what went in and came out.
    pub hashes: Vec<(String, String)>,
    /// How to refer to the dictionary and its features, in a sentence.
    pub cite: String,
}

/// A figure of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// Its name, such as `FVU`.
    pub name: String,
    /// Its value, as it is shown.
    pub value: String,
    /// What it means, in a few words.
    pub meaning: String,
}

/// A chart of what was measured while training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// What was measured.
    pub name: String,
    /// In which unit.
    pub unit: String,
    /// Whether the axis is logarithmic.
    pub log: bool,
    /// One line, or several to compare.
    pub lines: Vec<Series>,
}

impl Curve {
    /// A chart of one line.
    pub fn one(name: &str, unit: &str, points: Vec<(f64, f64)>) -> Self {
        let (name, unit) = (name.to_owned(), unit.to_owned());
        Self { lines: vec![Series::new(&*name, points)], name, unit, log: false }
    }
}

impl Report {
    /// What [`write`](Self::write) leaves in its folder.
    pub const ENTRIES: &[&str] = &["report.html", "charts"];

    /// The charts: a name fit for a file, and the SVG.
    pub fn charts(&self) -> Vec<(String, String)> {
        let mut charts: Vec<(String, String)> = Vec::new();
        for curve in &self.curves {
            let Curve { name, unit, log, lines } = curve;
            let svg = Lines { title: name, unit, x: &self.over, log: *log, series: lines }.svg();
            charts.push((file_name(name, charts.len()), svg));
        }
        charts.extend(
            self.density.as_ref().map(|density| ("density".to_owned(), density_chart(density))),
        );
        charts
    }

    /// The page: it loads nothing, and runs no script.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Writes `charts/*.svg` and then `report.html` into the folder `dir`; the path of the latter.
    pub fn write(&self, dir: &Path) -> Result<PathBuf> {
        let charts = dir.join("charts");
        fs::create_dir_all(&charts).map_err(CoreError::io("create", &charts))?;
        for (name, svg) in self.charts() {
            let path = charts.join(format!("{name}.svg"));
            write_atomic(&path, |file| file.write_all(svg.as_bytes()))?;
        }
        let path = dir.join("report.html");
        write_atomic(&path, |file| file.write_all(self.html().as_bytes()))?;
        Ok(path)
    }
}

/// `name` in letters, digits and hyphens; with its place `i` among the charts where that says nothing
/// or is the density's name.
fn file_name(name: &str, i: usize) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name: String = words.collect::<Vec<&str>>().join("-").chars().take(40).collect();
    if name.is_empty() || name == "density" { format!("curve-{i}") } else { name }
}

/// Bins from the first that is not empty to the last, with one more at either end.
fn density_chart(density: &DensityHistogram) -> String {
    let used = |n: &usize| *n > 0;
    let first = density.counts.iter().position(used).unwrap_or(0).saturating_sub(1);
    let end = density.counts.iter().rposition(used).map_or(0, |last| last + 2);
    let shown = density.counts.get(first..end.min(density.counts.len())).unwrap_or(&[]);
    let counts: Vec<u64> = shown.iter().map(|n| *n as u64).collect();
    let never = count(density.never as u64);
    let x = format!("fraction of rows a latent fires in ({never} never fired)");
    Bars {
        title: "Density",
        x: &x,
        y: "latents",
        start: DensityHistogram::edge(first),
        width: DensityHistogram::BIN_WIDTH,
        counts: &counts,
        log: false,
        decades: true,
    }
    .svg()
}

#[cfg(test)]
mod tests;
