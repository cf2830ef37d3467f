use saekit_analysis::{Example, Feature, Histogram, TokenLogit, TokenMean};

use super::firing::Firing;
use super::paint::{Line, Style};
use super::usable;
use crate::number::{alike, count, figure, percent};
use crate::text::alone;
use crate::width::{columns, fit};

/// Columns of a small table, with the gap to the next.
const TABLE: usize = 32;
/// Lines a histogram is high.
const HEIGHT: usize = 4;
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Everything about one feature, on lines of at most `width` columns, and 100.
///
/// With `colour` tokens have a background by the latent's value (256 colours, orange above zero and
/// blue below); without, the firing stands in `«»` and other tokens it fires on in `‹›`. A terminal
/// of fewer than 40 columns gets lines of 40.
pub fn render(feature: &Feature, width: usize, colour: bool) -> String {
    let view = View { feature, width: usable(width), colour };
    let sections = [view.header(), view.histogram(), view.tables(), view.examples()];
    let said: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    said.join("\n")
}

/// Some firings of `feature`, one a line, as [`render`] shows them.
pub fn firings(feature: &Feature, examples: &[Example], width: usize, colour: bool) -> String {
    View { feature, width: usable(width), colour }.firings(examples)
}

#[derive(Clone, Copy)]
struct View<'a> {
    feature: &'a Feature,
    width: usize,
    colour: bool,
}

/// A small table: a title over rows of a name and a number.
struct Table {
    title: String,
    rows: Vec<(String, String)>,
}

impl View<'_> {
    fn line(&self) -> Line {
        Line::new(self.colour)
    }

    /// Number, flags, and how often and how strongly it fires.
    fn header(&self) -> String {
        let Feature { latent, legibility, flags, density, tokens, .. } = self.feature;
        let mut line = self.line().add(Style::Bold, &format!("latent {latent}"));
        line = line.add(Style::Plain, &format!("  legibility {}", figure(*legibility)));
        for flag in flags {
            line = line.add(Style::Plain, "  ").add(Style::Bold, flag.name());
        }
        let rows = count(density.rows);
        if density.fires == 0 {
            return line.end() + &self.plain(&format!("never fired in {rows} rows"));
        }
        let (fires, part) = (count(density.fires), percent(density.density));
        let mut said = vec![format!("fires in {fires} of {rows} rows ({part})")];
        let contextual = tokens.as_ref().and_then(|tokens| tokens.contextual);
        let max = density.max.map(f64::from);
        let figures = [("max", max), ("mean", density.mean), ("contextual", contextual)];
        said.extend(
            figures.iter().filter_map(|(name, v)| v.map(|v| format!("{name} {}", figure(v)))),
        );
        line.end() + &self.wrapped(&said)
    }

    /// `said`, with dots between, on as many lines as it takes.
    fn wrapped(&self, said: &[String]) -> String {
        let (mut lines, mut line) = (String::new(), self.line());
        for piece in said {
            if line.columns() > 0 && line.columns() + 3 + columns(piece) > self.width {
                lines.push_str(&std::mem::replace(&mut line, self.line()).end());
            }
            let gap = if line.columns() > 0 { " · " } else { "" };
            line = line.add(Style::Plain, gap).add(Style::Plain, piece);
        }
        lines + &line.end()
    }

    /// The distribution of its values, a column a bin.
    fn histogram(&self) -> String {
        let bins = merged(&self.feature.histogram, self.width - 2);
        let most = bins.iter().copied().max().unwrap_or(0);
        if most == 0 {
            return String::new();
        }
        let mut drawn = self.title("values", &self.histogram_note(most));
        for row in (0..HEIGHT).rev() {
            let bar: String = bins.iter().map(|n| block(*n, most, row)).collect();
            drawn += &self.line().add(Style::Plain, &format!("  {bar}")).end();
        }
        let Histogram { start, width, counts, .. } = &self.feature.histogram;
        let (from, to) = (f64::from(*start), f64::from(start + width * counts.len() as f32));
        let line = self.line().add(Style::Dim, &format!("  {}", figure(from)));
        let to = figure(to);
        let column = (bins.len() + 2).saturating_sub(to.len()).max(line.columns() + 1);
        drawn + &line.pad(column).add(Style::Dim, &to).end()
    }

    /// How many firings the highest bin has, and how many no bin has.
    fn histogram_note(&self, most: u64) -> String {
        let Histogram { below, above, .. } = self.feature.histogram;
        let highest = format!("highest bin {}", count(most));
        match below + above {
            0 => highest,
            beyond => format!("{highest}, {} beyond the scale", count(beyond)),
        }
    }

    /// Tokens, logits and other latents, side by side where there is room.
    fn tables(&self) -> String {
        let tables: Vec<Table> =
            self.all_tables().into_iter().filter(|table| !table.rows.is_empty()).collect();
        let a_row = (self.width + 2) / TABLE;
        let rows = tables.chunks(a_row.max(1)).map(|row| self.side_by_side(row));
        rows.collect::<Vec<String>>().join("\n")
    }

    fn all_tables(&self) -> [Table; 5] {
        let Feature { tokens, logits, neighbours, cofiring, .. } = self.feature;
        let near = neighbours.iter().flatten();
        let near = near.map(|n| (format!("latent {}", n.latent), format!("{:.2}", n.cosine)));
        let with = cofiring.iter();
        let with = with.map(|c| (format!("latent {}", c.latent), format!("{:.2}", c.jaccard)));
        let tops = tokens.as_ref().map_or(&[][..], |tokens| &tokens.top);
        let (up, down) =
            logits.as_ref().map_or((&[][..], &[][..]), |l| (&l.promoted, &l.suppressed));
        [
            Table::new("tokens by mean value", top_tokens(tops)),
            Table::new("promotes", logit_rows(up)),
            Table::new("suppresses", logit_rows(down)),
            Table::new("neighbours by cosine", near.collect()),
            Table::new("fires with, by Jaccard index", with.collect()),
        ]
    }

    fn side_by_side(&self, tables: &[Table]) -> String {
        let high = tables.iter().map(|table| table.rows.len()).max().unwrap_or(0);
        let mut titles = self.line();
        for (i, table) in tables.iter().enumerate() {
            titles = titles.pad(i * TABLE).add(Style::Bold, &fit(&table.title, TABLE - 2));
        }
        let mut lines = titles.end();
        for row in 0..high {
            let mut line = self.line();
            for (i, table) in tables.iter().enumerate() {
                if let Some((name, number)) = table.rows.get(row) {
                    line = line.pad(i * TABLE + 2);
                    line = line.add(Style::Plain, &fit(name, TABLE - 6 - columns(number)));
                    line = line.pad((i + 1) * TABLE - 2 - columns(number));
                    line = line.add(Style::Plain, number);
                }
            }
            lines += &line.end();
        }
        lines
    }

    /// The strongest firings, then some of every strength.
    fn examples(&self) -> String {
        let examples = &self.feature.examples;
        let mut groups = Vec::new();
        if !examples.top.is_empty() {
            groups.push(self.title("strongest firings", "") + &self.firings(&examples.top));
        }
        for group in examples.quantiles.iter().filter(|group| !group.examples.is_empty()) {
            let range = [group.from, group.to].map(|value| figure(f64::from(value)));
            let drawn = format!("{} of {} firings", group.examples.len(), count(group.fires));
            let title = format!("{} to {}", range[0], range[1]);
            groups.push(self.title(&title, &drawn) + &self.firings(&group.examples));
        }
        groups.join("\n")
    }

    fn firings(&self, examples: &[Example]) -> String {
        let places: Vec<String> = examples.iter().map(place).collect();
        let wide = places.iter().map(String::len).max().unwrap_or(0);
        let mut lines = String::new();
        // the end of the scale decides the decimals of every group
        let largest = f64::from(self.feature.density.scale_end.unwrap_or(0.0));
        for (example, place) in examples.iter().zip(&places) {
            let value = alike(&[f64::from(example.value), largest]).swap_remove(0);
            let line = self.line().add(Style::Plain, &format!("{value:>8}  "));
            let line = line.add(Style::Dim, &format!("{place:<wide$}")).add(Style::Plain, "  ");
            let more = if example.collapsed > 0 {
                format!("  +{}", example.collapsed)
            } else {
                String::new()
            };
            let room = self.width.saturating_sub(line.columns() + more.len());
            let text = self.firing(example).line(room, self.colour);
            lines += &line.join(&text).add(Style::Dim, &more).end();
        }
        lines
    }

    fn firing<'e>(&self, example: &'e Example) -> Firing<'e> {
        let Example { texts, values, at, value, .. } = example;
        let strongest = self.feature.density.scale_end.unwrap_or(*value);
        Firing { texts, values, at: *at as usize, strongest }
    }

    fn title(&self, title: &str, note: &str) -> String {
        let line = self.line().add(Style::Bold, title);
        if note.is_empty() {
            return line.end();
        }
        line.add(Style::Dim, &format!("  {note}")).end()
    }

    fn plain(&self, text: &str) -> String {
        self.line().add(Style::Plain, text).end()
    }
}

impl Table {
    fn new(title: &str, rows: Vec<(String, String)>) -> Self {
        Self { title: title.to_owned(), rows }
    }
}

/// Where a firing is: sequence and position, or the row of a store without tokens.
fn place(example: &Example) -> String {
    if example.texts.is_empty() {
        return format!("row {}", example.sequence);
    }
    format!("{}:{}", example.sequence, example.position)
}

/// How often it fires on a token, and the mean value over all the token's occurrences.
fn top_tokens(tokens: &[TokenMean]) -> Vec<(String, String)> {
    let top: Vec<&TokenMean> = tokens.iter().filter(|top| top.fires > 0).collect();
    let means = alike(&top.iter().map(|top| top.mean).collect::<Vec<f64>>());
    let row = |(top, mean): (&&TokenMean, String)| {
        let hits = format!("{}/{}", count(top.fires), count(top.occurrences));
        (alone(&top.text), format!("{hits:>9} {mean:>7}"))
    };
    top.iter().zip(means).map(row).collect()
}

fn logit_rows(tokens: &[TokenLogit]) -> Vec<(String, String)> {
    let logits = alike(&tokens.iter().map(|of| f64::from(of.logit)).collect::<Vec<f64>>());
    let sign = |text: String| if text.starts_with('-') { text } else { format!("+{text}") };
    tokens.iter().zip(logits).map(|(of, logit)| (alone(&of.text), sign(logit))).collect()
}

/// The bins, neighbours added together until there are at most `most` of them.
fn merged(histogram: &Histogram, most: usize) -> Vec<u64> {
    let together = histogram.counts.len().div_ceil(most).max(1);
    histogram.counts.chunks(together).map(|bins| bins.iter().sum()).collect()
}

/// What of a bar of `n` is seen in line `row`, counted from below. A bin that is not empty is seen.
fn block(n: u64, most: u64, row: usize) -> char {
    let full = HEIGHT * 8;
    let height = (n as f64 / most as f64 * full as f64).round() as usize;
    let height = height.max(usize::from(n > 0));
    EIGHTHS[height.saturating_sub(8 * row).min(8)]
}
