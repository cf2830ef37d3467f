use super::*;
use crate::fixtures::{self, HOSTILE};
use crate::{facts, warnings};

fn full() -> Report {
    let features: Vec<FeatureLine> = fixtures::all().iter().map(FeatureLine::of).collect();
    let summary = fixtures::summary(4);
    Report {
        title: "demo".to_owned(),
        lead: "A TopK dictionary of 4 latents.".to_owned(),
        warnings: warnings(&summary),
        figures: vec![figure("FVU", "0.1365")],
        facts: facts(&summary),
        over: "rows seen".to_owned(),
        curves: vec![Curve::one("FVU", "fraction", vec![(0.0, 1.0), (1.0, 0.5)])],
        density: Some(DensityHistogram::of(&[0.0, 0.1, 0.01, 0.5])),
        rule: "by eye".to_owned(),
        best: features.clone(),
        worst: features,
        site: Some("index.html".to_owned()),
        commands: vec!["saekit train plan.toml".to_owned()],
        hashes: vec![("weights".to_owned(), "05f1".to_owned())],
        cite: "Name the weights' hash and the latent.".to_owned(),
    }
}

fn figure(name: &str, value: &str) -> Figure {
    Figure { name: name.to_owned(), value: value.to_owned(), meaning: "share left".to_owned() }
}

/// A report in which every text is `text`.
fn of_nothing_but(text: &str) -> Report {
    let text = || text.to_owned();
    let pair = || vec![(text(), text())];
    Report {
        title: text(),
        lead: text(),
        warnings: vec![text()],
        figures: vec![Figure { name: text(), value: text(), meaning: text() }],
        facts: pair(),
        over: text(),
        curves: vec![Curve::one(&text(), &text(), vec![(0.0, 1.0)])],
        rule: text(),
        best: vec![FeatureLine::of(&fixtures::hostile())],
        site: Some(text()),
        commands: vec![text()],
        hashes: pair(),
        cite: text(),
        ..Report::default()
    }
}

/// The page without what only charts and the style may have.
fn tags(html: &str) -> Vec<String> {
    let tag = |rest: &str| {
        rest.split(|c: char| !(c.is_alphanumeric() || c == '/' || c == '!'))
            .next()
            .unwrap_or("")
            .to_owned()
    };
    html.split('<').skip(1).map(tag).collect()
}

#[test]
fn a_report_says_everything_and_loads_nothing() {
    let html = full().html();
    for said in [
        "<title>demo · report</title>",
        "A TopK dictionary of 4 latents.",
        "<b>0.1365</b> <span>share left</span>",
        "<dt>hook point</dt><dd>blocks.1.hook_resid_post</dd>",
        "<title>FVU</title>",
        "<title>Density</title>",
        "(1 never fired)",
        "<a href=\"index.html#/3\">3</a>",
        " <mark class=\"positive\" style=\"--strength:1.00\" title=\"12.25\">sea</mark>",
        "No logits: no model was given.",
        "saekit train plan.toml",
        "runs/&lt;a&gt;",
    ] {
        assert!(html.contains(said), "{said} is not in {html}");
    }
    assert!(!tags(&html).iter().any(|tag| tag == "script" || tag == "img"), "{html}");
    assert!(
        !html.contains("http://")
            || html.matches("http://").count()
                == html.matches("http://www.w3.org/2000/svg").count()
    );
    assert!(
        !html.contains("https://") && !html.contains("url(") && !html.contains("@import"),
        "{html}"
    );
}

#[test]
fn hostile_text_adds_no_tag_and_no_attribute() {
    let expected = tags(&of_nothing_but("x").html());
    for text in HOSTILE {
        let html = of_nothing_but(text).html();
        assert_eq!(tags(&html), expected, "{text:?}");
        assert!(!html.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
        assert_eq!(html.matches('"').count() % 2, 0, "{text:?}");
    }
}

#[test]
fn an_empty_report_is_a_page() {
    let html = Report::default().html();
    assert!(html.contains("<main>\n</main>"), "{html}");
}

#[test]
fn it_is_written_with_its_charts() {
    let dir = tempfile::tempdir().unwrap();
    let path = full().write(dir.path()).unwrap();
    assert_eq!(path, dir.path().join("report.html"));
    for chart in ["fvu.svg", "density.svg"] {
        let svg = fs::read_to_string(dir.path().join("charts").join(chart)).unwrap();
        assert!(svg.starts_with("<svg xmlns="), "{svg}");
    }
    assert_eq!(fs::read_dir(dir.path().join("charts")).unwrap().count(), 2);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn names_of_charts_are_names_of_files() {
    assert_eq!(file_name("Dead latents (%)", 0), "dead-latents");
    assert_eq!(["../..", "", "密度", "Density"].map(|name| file_name(name, 3)), ["curve-3"; 4]);
    assert_eq!(file_name(&"x".repeat(500), 0).len(), 40);
}

#[test]
fn densities_are_shown_from_the_first_bin_to_the_last() {
    let svg = density_chart(&DensityHistogram::of(&[0.01, 0.011, 0.1]));
    assert!(svg.contains("<title>0.01 to 0.01778: 2 latents</title>"), "{svg}");
    assert!(!svg.contains(">-6</tspan>"), "{svg}");
    assert!(density_chart(&DensityHistogram::of(&[0.0])).contains("nothing to show"));
    let none = DensityHistogram { never: 0, counts: Vec::new() };
    assert!(density_chart(&none).contains("nothing to show"));
}

#[test]
fn a_value_beyond_the_scale_is_marked() {
    let mut report = full();
    for line in &mut report.best {
        line.scale_end = Some(2.0);
    }
    let html = report.html();
    let marked =
        "<mark class=\"positive beyond\" style=\"--strength:1.00\" title=\"12.25\">sea</mark>";
    assert!(html.contains(marked), "{html}");
}
