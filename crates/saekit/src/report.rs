//! A run on one page: what its folder says, put together for `saekit_pages::Report`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use saekit_analysis::{LEGIBILITY_RULE, Summary};
use saekit_core::files::{read_json, sha256_file};
use saekit_core::metrics::{DensityHistogram, MassiveMetrics};
use saekit_core::{Error as CoreError, number};
use saekit_eval::Evaluation;
use saekit_pages::{Curve, FeatureLine, Figure, Report, facts, warnings};
use saekit_train::FirstRowsSummary;
use serde_json::Value;

use crate::massive;

/// Features shown from either end of the order.
const SHOWN: usize = 12;

/// The report of `run`, whose analysis `summary` sums up and whose features are `lines`.
pub(crate) fn of(
    title: String,
    run: &Path,
    summary: &Summary,
    mut lines: Vec<FeatureLine>,
) -> Result<Report> {
    let path = run.join(saekit_train::EVALUATION);
    let evaluation: Option<Evaluation> =
        path.is_file().then(|| read_json(&path, "evaluation")).transpose()?;
    // figures of another dictionary that lay here are none of this one's
    let evaluation =
        evaluation.filter(|of| of.codec_sha256.as_ref() == Some(&summary.codec_sha256));
    let massive = massive_warning(run, evaluation.as_ref())?;
    let densities: Vec<f64> = lines.iter().map(|line| line.density).collect();
    lines.sort_by(FeatureLine::by_legibility);
    let worst = lines.iter().rev().take(SHOWN).rev().cloned().collect();
    lines.truncate(SHOWN);
    Ok(Report {
        title,
        lead: lead(summary),
        warnings: problems(run)?.into_iter().chain(massive).chain(warnings(summary)).collect(),
        figures: evaluation.as_ref().map_or_else(Vec::new, figures),
        facts: facts(summary).into_iter().chain(settings(run)?).collect(),
        over: "rows seen".to_owned(),
        curves: curves(&run.join(saekit_train::METRICS))?,
        density: Some(DensityHistogram::of(&densities)),
        rule: LEGIBILITY_RULE.to_owned(),
        best: lines,
        worst,
        site: Some("index.html".to_owned()),
        commands: Vec::new(),
        hashes: hashes(run, summary)?,
        cite: cite(summary),
    })
}

/// Why the run means nothing, as its summary says; empty where it may mean something.
fn problems(run: &Path) -> Result<Vec<String>> {
    let path = run.join(saekit_train::SUMMARY);
    let summary: saekit_train::Summary = read_json(&path, "summary of a run")?;
    Ok(summary.problems)
}

fn lead(summary: &Summary) -> String {
    let from = &summary.provenance;
    let rows = from
        .rows
        .map_or_else(String::new, |rows| format!(" trained on {} rows", number::count(rows)));
    format!(
        "A dictionary of {} latents{rows} of {} in {}, analysed on {} rows of {}.",
        number::count(summary.shape.d_code as u64),
        summary.column,
        from.model.as_deref().unwrap_or("a model that is not named"),
        number::count(summary.rows),
        summary.dataset.as_deref().unwrap_or(&summary.store)
    )
}

/// What massive rows decide, by the evaluation, or else by the first rows of the training.
fn massive_warning(run: &Path, evaluation: Option<&Evaluation>) -> Result<Option<String>> {
    let path = run.join(saekit_train::SUMMARY);
    let evaluated = evaluation.and_then(|of| of.reconstruction.as_ref());
    let figures = match evaluated.map(|report| &report.metrics) {
        Some(metrics) => metrics.massive.clone().map(|massive| FirstRowsSummary {
            massive,
            fvu: metrics.fvu,
            fvu_without_massive: metrics.fvu_without_massive,
        }),
        None if path.is_file() => {
            read_json::<saekit_train::Summary>(&path, "summary of a run")?.first_rows
        }
        None => None,
    };
    let Some(figures) = figures.filter(|figures| figures.massive.is_considerable()) else {
        return Ok(None);
    };
    let four = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
    Ok(Some(format!(
        "{}: it is {} with these rows and {} without them.",
        massive::decide(&figures.massive),
        four(figures.fvu),
        four(figures.fvu_without_massive)
    )))
}

/// The figures of `evaluation` that there are.
fn figures(evaluation: &Evaluation) -> Vec<Figure> {
    let four = |value: Option<f64>| value.map(|v| format!("{v:.4}"));
    let two = |value: Option<f64>| value.map(|v| format!("{v:.2}"));
    let percent = |value: Option<f64>| value.map(|v| number::percent(Some(v)));
    let rows = evaluation.reconstruction.as_ref();
    let losses = evaluation.cross_entropy.as_ref();
    let has_massive = |of: &&MassiveMetrics| of.massive_rows > 0;
    let massive = rows.map(|r| &r.metrics);
    let massive = massive.filter(|m| m.massive.as_ref().as_ref().is_some_and(has_massive));
    let figures = [
        (
            "FVU",
            four(rows.and_then(|r| r.metrics.fvu)),
            "fraction of the rows' variance that the reconstruction leaves out",
        ),
        (
            "FVU without massive rows",
            four(massive.and_then(|metrics| metrics.fvu_without_massive)),
            "the same for the rows whose norm is at most 5 times the median",
        ),
        (
            "CE recovered, zero ablation",
            percent(losses.and_then(|l| l.ce_recovered_zero)),
            "of the loss that zeros in place of the activations cost, won back by the reconstruction",
        ),
        (
            "CE recovered, mean ablation",
            percent(losses.and_then(|l| l.ce_recovered_mean)),
            "the same against the mean row, a harder baseline",
        ),
        ("CE, clean", four(losses.map(|l| l.ce_clean)), "nats per token, the model by itself"),
        ("CE, spliced", four(losses.map(|l| l.ce_sae)), "nats per token, with the reconstruction"),
        ("L0", two(rows.and_then(|r| r.codes.l0)), "active latents per row, on average"),
        (
            "dead latents",
            percent(rows.and_then(|r| r.codes.dead_fraction)),
            "fired in none of the rows evaluated",
        ),
    ];
    let known = figures.into_iter().filter_map(|(name, value, meaning)| {
        Some(Figure { name: name.to_owned(), value: value?, meaning: meaning.to_owned() })
    });
    known.collect()
}

/// The curves of `metrics.jsonl`.
fn curves(path: &Path) -> Result<Vec<Curve>> {
    let text = fs::read_to_string(path).map_err(CoreError::io("read", path))?;
    let mut lines: Vec<Value> = Vec::new();
    for line in text.lines() {
        let json = |source| CoreError::Json { what: "log of metrics", path: path.into(), source };
        lines.push(serde_json::from_str(line).map_err(json)?);
    }
    let curve = |name: &str, unit: &str, key: &str, log: bool| {
        let point = |line: &Value| Some((line["rows"].as_f64()?, line[key].as_f64()?));
        let points: Vec<_> = lines.iter().filter_map(point).collect();
        (!points.is_empty()).then(|| Curve { log, ..Curve::one(name, unit, points) })
    };
    let curves = [
        curve("Loss", "", "loss", true),
        curve("FVU", "fraction of variance unexplained", "fvu", true),
        curve("L0", "active latents per row", "l0", false),
        curve("Dead latents", "fraction", "dead_fraction", false),
        curve("Learning rate", "of its largest", "lr_scale", false),
    ];
    Ok(curves.into_iter().flatten().collect())
}

/// Every setting of the run, by its name in `plan.toml`.
fn settings(run: &Path) -> Result<Vec<(String, String)>> {
    let path = run.join(saekit_train::PLAN);
    let text = fs::read_to_string(&path).map_err(CoreError::io("read", &path))?;
    let plan: toml::Table =
        toml::from_str(&text).with_context(|| format!("{} is no plan", path.display()))?;
    let mut settings = Vec::new();
    for (name, value) in &plan {
        flatten(name, value, &mut settings);
    }
    Ok(settings)
}

/// Adds `value` under `name`, and what is in it under `name.key`.
fn flatten(name: &str, value: &toml::Value, settings: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) => {
            table
                .iter()
                .for_each(|(key, value)| flatten(&format!("{name}.{key}"), value, settings));
        }
        toml::Value::String(text) => settings.push((name.to_owned(), text.clone())),
        value => settings.push((name.to_owned(), value.to_string())),
    }
}

fn hashes(run: &Path, summary: &Summary) -> Result<Vec<(String, String)>> {
    let plan = sha256_file(&run.join(saekit_train::PLAN))?;
    let from = &summary.provenance;
    let known = [
        ("dictionary", Some(summary.codec_sha256.clone())),
        ("plan", Some(plan)),
        ("store analysed", Some(summary.store_sha256.clone())),
        ("store trained on", from.store_sha256.clone()),
        ("model", from.model_sha256.clone()),
        ("tokenizer", from.tokenizer_sha256.clone()),
    ];
    let known = known.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash?)));
    Ok(known.collect())
}

fn cite(summary: &Summary) -> String {
    format!(
        "Refer to a feature as latent N of dictionary {} ({}).",
        summary.codec_sha256.get(..12).unwrap_or(&summary.codec_sha256),
        summary.column
    )
}
