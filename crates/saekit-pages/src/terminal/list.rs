use super::firing::Firing;
use super::paint::{Line, Style};
use super::usable;
use crate::FeatureLine;
use crate::number::{alike, percent};
use crate::text::alone;
use crate::width::fit;

/// Names of the columns before the text, and where each ends.
const COLUMNS: [(&str, usize); 5] =
    [("latent", 7), ("legibility", 19), ("density", 29), ("max", 39), ("contextual", 51)];

/// Features on a line each, on lines of at most `width` columns, and 100: number, figures and the
/// strongest firing. See [`render`](crate::terminal::render) for `colour`. A narrow terminal has
/// fewer figures.
pub fn list(features: &[FeatureLine], width: usize, colour: bool) -> String {
    let width = usable(width);
    let shown = match width {
        0..56 => 1,
        56..72 => 3,
        _ => COLUMNS.len(),
    };
    let maxima: Vec<f64> = features.iter().map(|f| f.max.map_or(f64::NAN, f64::from)).collect();
    let mut line = Line::new(colour);
    for (name, end) in &COLUMNS[..shown] {
        line = line.pad(end - name.len()).add(Style::Bold, name);
    }
    let mut lines = line.add(Style::Bold, "  strongest firing").end();
    for (feature, max) in features.iter().zip(alike(&maxima)) {
        let figures = [
            feature.latent.to_string(),
            format!("{:.2}", feature.legibility),
            percent(feature.density),
            max,
            feature.contextual.map_or_else(|| "-".to_owned(), |part| format!("{part:.2}")),
        ];
        lines += &row(feature, &figures[..shown], width, colour);
    }
    lines
}

fn row(feature: &FeatureLine, figures: &[String], width: usize, colour: bool) -> String {
    let mut line = Line::new(colour);
    for (text, (_, end)) in figures.iter().zip(&COLUMNS) {
        line = line.pad(end.saturating_sub(text.len())).add(Style::Plain, text);
    }
    line = line.add(Style::Plain, "  ");
    let room = width.saturating_sub(line.columns());
    match &feature.snippet {
        Some(cut) => {
            let strongest = feature.scale_end.unwrap_or_default();
            let firing = Firing { texts: &cut.texts, values: &cut.values, at: cut.at, strongest };
            line.join(&firing.line(room, colour)).end()
        }
        None => line.add(Style::Dim, &fit(&instead(feature), room)).end(),
    }
}

/// What is said of a feature without a snippet.
fn instead(feature: &FeatureLine) -> String {
    let names = feature.flags.iter().map(|flag| flag.name().to_owned());
    let tokens = feature.tokens.iter().map(|token| alone(token));
    names.chain(tokens).collect::<Vec<String>>().join(" ")
}
