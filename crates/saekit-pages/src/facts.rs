//! What a summary says, in words.

use saekit_analysis::Summary;

use crate::number::{count, figure, percent, share};

/// What was analysed, as names and values for people: from where the rows come to what came out.
pub fn facts(summary: &Summary) -> Vec<(String, String)> {
    let from = &summary.provenance;
    let d_code = summary.shape.d_code as u64;
    let known = [
        ("hook point", from.hook_point.clone().or_else(|| Some(summary.column.clone()))),
        ("writes to", from.target_hook_point.clone()),
        ("model", summary.model.clone().or_else(|| from.model.clone())),
        ("dataset", summary.dataset.clone()),
        ("rows analysed", Some(count(summary.rows))),
        ("rows chosen", summary.chosen.as_ref().map(|chosen| chosen.counts.to_string())),
        ("latents", Some(latents(summary))),
        ("method", from.learner.clone()),
        ("trained on", from.rows.map(|rows| format!("{} rows", count(rows)))),
        ("mean L0", Some(figure(summary.l0))),
        ("dead", Some(share(summary.dead, d_code))),
        ("dense", Some(share(summary.dense, d_code))),
        ("duplicates", Some(share(summary.duplicates, d_code))),
        ("codec", Some(summary.codec.clone())),
        ("weights", Some(format!("sha256 {}", short(&summary.codec_sha256)))),
        ("seed", Some(summary.settings.seed.to_string())),
        ("saekit", Some(summary.saekit_version.clone())),
    ];
    let said = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    said.collect()
}

/// What a reader of the figures should know first; empty where nothing stands out.
pub fn warnings(summary: &Summary) -> Vec<String> {
    let d_code = (summary.shape.d_code as f64).max(1.0);
    let rows = count(summary.rows);
    let mut warnings = Vec::new();
    let mut warn = |n: u64, above: f64, said: &str| {
        let part = n as f64 / d_code;
        if part > above {
            warnings.push(format!("{} of the latents {said}", percent(part)));
        }
    };
    warn(summary.dead, 0.1, &format!("never fired in the {rows} rows analysed."));
    warn(
        summary.dense,
        0.01,
        "fire in more than a tenth of the rows: such latents rarely stand for one thing.",
    );
    warn(
        summary.duplicates,
        0.02,
        "have a decoder row close to another latent's: the dictionary says some things twice.",
    );
    let missing = summary.missing.iter();
    warnings.extend(missing.map(|part| format!("No {}: {}.", part.section, part.why)));
    warnings
}

fn latents(summary: &Summary) -> String {
    let shape = summary.shape;
    format!("{} of width {}", count(shape.d_code as u64), count(shape.d_out as u64))
}

/// The first digits of a hash: enough to tell it from others.
fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
