//! Tables of features: number, figures, and the strongest firing with its tokens coloured.

use super::Report;
use super::elements::{self, each, paragraph};
use crate::number::{alike, figure, percent};
use crate::text::{alone, escape, within};
use crate::{FeatureLine, Snippet};

fn table(report: &Report, id: &str, heading: &str, lines: &[FeatureLine]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let site = report.site.as_deref();
    let maxima: Vec<f64> = lines.iter().map(|line| line.max.map_or(f64::NAN, f64::from)).collect();
    let rows: Vec<(&FeatureLine, String)> = lines.iter().zip(alike(&maxima)).collect();
    let rows = each(&rows, |(line, max)| row(line, max, site));
    format!(
        "<h3 id=\"{id}\">{}</h3>\n<div class=\"scroll\">\n<table class=\"features\" \
         aria-labelledby=\"{id}\">\n<thead><tr><th scope=\"col\">feature</th>\
         <th scope=\"col\" class=\"text\"><span class=\"split\">\
         <span>strongest firing</span></span></th><th scope=\"col\">density</th>\
         <th scope=\"col\">max</th><th scope=\"col\">contextual</th><th scope=\"col\">legibility</th>\
         </tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n",
        escape(heading)
    )
}

pub(super) fn section(report: &Report) -> String {
    let best = table(report, "best", "Most legible", &report.best);
    let worst = table(report, "worst", "Least legible", &report.worst);
    if best.is_empty() && worst.is_empty() {
        return String::new();
    }
    elements::section(
        "features",
        "Features",
        &[paragraph("quiet", &report.rule), best, worst].concat(),
    )
}

fn row(line: &FeatureLine, max: &str, site: Option<&str>) -> String {
    let latent = line.latent;
    let number = site.map_or_else(
        || latent.to_string(),
        |site| format!("<a href=\"{}#/{latent}\">{latent}</a>", escape(site)),
    );
    let flags = each(&line.flags, |flag| format!(" <span class=\"flag\">{}</span>", flag.name()));
    let scale_end = line.scale_end.unwrap_or_default();
    let text = line.snippet.as_ref().map_or_else(|| without(line), |cut| snippet(cut, scale_end));
    let contextual = line.contextual.map_or_else(|| "-".to_owned(), |part| format!("{part:.2}"));
    let figures =
        [percent(line.density), max.to_owned(), contextual, format!("{:.2}", line.legibility)];
    let figures = each(&figures, |figure| format!("<td>{figure}</td>"));
    format!(
        "<tr><th scope=\"row\">{number}{flags}</th><td class=\"text\">{text}</td>{figures}</tr>\n"
    )
}

/// The tokens it fires on, where there is no firing to show.
fn without(line: &FeatureLine) -> String {
    let tokens: Vec<String> = line.tokens.iter().map(|token| escape(&alone(token))).collect();
    tokens.join(" ")
}

/// The firing in the middle, what is before it to its left.
fn snippet(cut: &Snippet, scale_end: f32) -> String {
    let tokens: Vec<String> = (0..cut.texts.len()).map(|i| token(cut, i, scale_end)).collect();
    let (before, after) = tokens.split_at(cut.at.min(tokens.len()));
    format!(
        "<span class=\"split snippet\"><span class=\"before\"><span>{}</span></span>\
         <span class=\"after\">{}</span></span>",
        before.concat(),
        after.concat()
    )
}

/// Token `i`, coloured by the latent's value on it, but for the space before a word. Colour is full at
/// `scale_end`, and values beyond are marked.
fn token(cut: &Snippet, i: usize, scale_end: f32) -> String {
    let value = cut.values.get(i).copied().unwrap_or(0.0);
    let marked = value != 0.0 || i == cut.at;
    let text = escape(&within(&cut.texts[i], marked));
    if !marked {
        return text;
    }
    let word = Some(text.trim_start_matches(' ')).filter(|word| !word.is_empty()).unwrap_or(&text);
    let space = &text[..text.len() - word.len()];
    let tag = if i == cut.at { "mark" } else { "i" };
    let side = if value < 0.0 { "negative" } else { "positive" };
    let beyond = if value.abs() > scale_end { " beyond" } else { "" };
    let strength = (value.abs() / scale_end.max(f32::MIN_POSITIVE)).min(1.0);
    let value = figure(f64::from(value));
    format!(
        "{space}<{tag} class=\"{side}{beyond}\" style=\"--strength:{strength:.2}\" title=\"{value}\">{word}</{tag}>"
    )
}
