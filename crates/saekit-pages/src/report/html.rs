//! The page, section by section.

use super::elements::{each, paragraph, section};
use super::{Figure, Report, features};
use crate::chart;
use crate::text::escape;

const BASE: &str = include_str!("../../assets/base.css");
const STYLE: &str = include_str!("report.css");

/// Loads nothing and runs no script, even if a text were taken for markup.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

pub(super) fn page(report: &Report) -> String {
    let title = escape(&report.title);
    let head = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} · report</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{BASE}{STYLE}{}</style>\n</head>\n<body>\n",
        chart::STYLE
    );
    let parts = [
        header(report),
        "<main>\n".to_owned(),
        warnings(&report.warnings),
        figures(&report.figures),
        charts(report),
        features::section(report),
        section("provenance", "Provenance", &pairs("facts", &report.facts)),
        again(report),
        "</main>\n</body>\n</html>\n".to_owned(),
    ];
    head + &parts.concat()
}

fn header(report: &Report) -> String {
    let link = |site: &String| {
        format!("<nav aria-label=\"Site\"><a href=\"{}\">All features</a></nav>\n", escape(site))
    };
    let nav = report.site.as_ref().map_or_else(String::new, link);
    let (title, lead) = (escape(&report.title), paragraph("lead", &report.lead));
    format!("<header>\n{nav}<h1>{title}</h1>\n{lead}</header>\n")
}

fn warnings(warnings: &[String]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let items = each(warnings, |warning| format!("<li>{}</li>\n", escape(warning)));
    format!("<aside class=\"warnings\" aria-label=\"Warnings\">\n<ul>\n{items}</ul>\n</aside>\n")
}

fn figures(figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let cards = each(figures, |figure| {
        let Figure { name, value, meaning } = figure;
        format!(
            "<div><dt>{}</dt>\n<dd><b>{}</b> <span>{}</span></dd></div>\n",
            escape(name),
            escape(value),
            escape(meaning)
        )
    });
    section("figures", "Figures", &format!("<dl class=\"figures\">\n{cards}</dl>\n"))
}

/// The curves of the training, and the densities of the latents.
fn charts(report: &Report) -> String {
    let charts = each(&report.charts(), |(_, svg)| format!("<figure>\n{svg}</figure>\n"));
    if charts.is_empty() {
        return String::new();
    }
    let heading = match (report.curves.is_empty(), &report.density) {
        (true, _) => "Density",
        (_, None) => "Training",
        _ => "Training and density",
    };
    section("charts", heading, &format!("<div class=\"charts\">\n{charts}</div>\n"))
}

/// Names and values.
fn pairs(class: &str, pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let rows = each(pairs, |(name, value)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value))
    });
    format!("<dl class=\"pairs {class}\">\n{rows}</dl>\n")
}

/// How to make it again, and how to cite it.
fn again(report: &Report) -> String {
    let commands = escape(&report.commands.join("\n"));
    let commands = if commands.is_empty() {
        String::new()
    } else {
        format!("<pre tabindex=\"0\"><code>{commands}</code></pre>\n")
    };
    let content = [paragraph("", &report.cite), commands, pairs("hashes", &report.hashes)].concat();
    section("again", "To cite and to repeat", &content)
}
