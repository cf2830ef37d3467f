//! Hand-made features for the tests: one of each kind.

use saekit_analysis::{
    Cofiring, Density, Example, Examples, Feature, Flag, Histogram, Logits, Missing, Neighbour,
    Quantile, Settings, Summary, TokenLogit, TokenMean, Tokens,
};
use saekit_core::{CodecShape, Provenance};

/// Everything that a token may try.
pub(crate) const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "</script>",
    "]]>",
    "<!--",
    "\"'&",
    "\u{1b}[31m\u{1b}]0;title\u{7}",
    "\u{2028}\u{2029}\u{202e}",
    "\n\r\t\0\u{7f}\u{9b}",
    "${x}`\\",
];

/// The features of [`summary`]'s four latents.
pub(crate) fn all() -> [Feature; 4] {
    // not in order: a writer may not rely on it
    [dense(), legible(), dead(), hostile()]
}

pub(crate) fn summary(d_code: usize) -> Summary {
    Summary {
        format: Summary::FORMAT.to_owned(),
        version: Summary::VERSION,
        saekit_version: "0.1.0".to_owned(),
        codec: "runs/<a>".to_owned(),
        codec_sha256: "05f1679620e0fee139eb61d9593d8f28".to_owned(),
        shape: CodecShape { d_in: 192, d_out: 192, d_code },
        provenance: Provenance {
            learner: Some("topk".to_owned()),
            hook_point: Some("blocks.1.hook_resid_post".to_owned()),
            rows: Some(2_000_896),
            ..Provenance::default()
        },
        store: "store".to_owned(),
        store_sha256: "13".to_owned(),
        column: "blocks.1.hook_resid_post".to_owned(),
        dataset: Some("text/heldout.parquet".to_owned()),
        model: None,
        rows: 100_000,
        chosen: None,
        l0: 16.0,
        dead: 1,
        dense: 1,
        duplicates: 1,
        settings: Settings::default(),
        missing: vec![Missing {
            section: "logits".to_owned(),
            why: "no model was given".to_owned(),
        }],
    }
}

/// Latent 0, about the sea.
pub(crate) fn legible() -> Feature {
    let token = |text: &str| TokenLogit { token: 1, text: text.to_owned(), logit: 1.25 };
    let low = TokenLogit { token: 11, text: ",".to_owned(), logit: -0.75 };
    Feature {
        latent: 0,
        legibility: 0.93,
        flags: vec![Flag::Duplicate],
        density: Density {
            rows: 100_000,
            fires: 312,
            density: 0.003_12,
            max: Some(12.25),
            scale_end: Some(12.25),
            mean: Some(4.5),
        },
        histogram: Histogram {
            start: 0.0,
            width: 1.5,
            counts: vec![40, 120, 80, 40, 20, 0, 8, 4],
            below: 0,
            above: 0,
        },
        tokens: Some(Tokens {
            contextual: Some(0.71),
            top: vec![
                top(" sea", 6.5, 300, 412),
                top("海", 1.5, 12, 20),
                top(" the", 0.0, 0, 9000),
            ],
        }),
        logits: Some(Logits {
            promoted: vec![token(" shore"), token(" salt")],
            suppressed: vec![low],
        }),
        neighbours: Some(vec![Neighbour { latent: 3, cosine: 0.93 }]),
        cofiring: vec![Cofiring { latent: 1, rows: 120, jaccard: 0.33 }],
        examples: Examples {
            top: vec![
                example(&[" in", " the", " sea"], &[0.0, 0.0, 12.25], 2, 2),
                example(&["\n", "海", " and", " sea", " of"], &[0.0, 1.5, 0.0, 8.0, 0.0], 3, 0),
            ],
            quantiles: vec![Quantile {
                from: 8.0,
                to: 12.25,
                fires: 62,
                examples: vec![example(&["a", " sea", "."], &[0.0, 9.0, 0.0], 1, 0)],
            }],
        },
    }
}

/// Latent 1, whose tokens are hostile.
pub(crate) fn hostile() -> Feature {
    let mut feature = legible();
    (feature.latent, feature.legibility, feature.flags) = (1, 0.5, Vec::new());
    feature.density.max = Some(3.0);
    let tops = HOSTILE.map(|text| top(text, 1.0, 3, 3)).to_vec();
    feature.tokens = Some(Tokens { contextual: Some(0.2), top: tops });
    let logits: Vec<TokenLogit> =
        HOSTILE.map(|text| TokenLogit { token: 1, text: text.to_owned(), logit: 1.0 }).to_vec();
    feature.logits = Some(Logits { promoted: logits.clone(), suppressed: logits });
    feature.examples.top = vec![example(&HOSTILE, &[3.0; 9], 4, 0)];
    feature.examples.quantiles[0].examples = feature.examples.top.clone();
    feature
}

/// Latent 2, which never fired.
pub(crate) fn dead() -> Feature {
    Feature {
        latent: 2,
        legibility: 0.9,
        flags: vec![Flag::Dead],
        density: Density {
            rows: 100_000,
            fires: 0,
            density: 0.0,
            max: None,
            scale_end: None,
            mean: None,
        },
        histogram: Histogram { start: 0.0, width: 0.0, counts: Vec::new(), below: 0, above: 0 },
        tokens: Some(Tokens { contextual: None, top: Vec::new() }),
        logits: None,
        neighbours: Some(Vec::new()),
        cofiring: Vec::new(),
        examples: Examples { top: Vec::new(), quantiles: Vec::new() },
    }
}

/// Latent 3, dense, of a store without tokens, without a model and without decoder rows.
pub(crate) fn dense() -> Feature {
    let mut firing = example(&[], &[], 0, 0);
    (firing.sequence, firing.position, firing.value) = (77, 0, 2.0);
    Feature {
        latent: 3,
        legibility: 0.5,
        flags: vec![Flag::Dense],
        density: Density {
            rows: 100_000,
            fires: 30_000,
            density: 0.3,
            max: Some(2.0),
            scale_end: Some(2.0),
            mean: Some(1.0),
        },
        histogram: Histogram {
            start: 0.0,
            width: 1.0,
            counts: vec![20_000, 10_000],
            below: 0,
            above: 0,
        },
        tokens: None,
        logits: None,
        neighbours: None,
        cofiring: Vec::new(),
        examples: Examples { top: vec![firing], quantiles: Vec::new() },
    }
}

fn top(text: &str, mean: f64, fires: u64, occurrences: u64) -> TokenMean {
    TokenMean { token: 1, text: text.to_owned(), mean, fires, occurrences }
}

fn example(texts: &[&str], values: &[f32], at: u32, collapsed: u32) -> Example {
    Example {
        sequence: 12,
        position: 33,
        value: values.get(at as usize).copied().unwrap_or(0.0),
        collapsed,
        start: 33 - at,
        at,
        tokens: vec![1; texts.len()],
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        values: values.to_vec(),
    }
}
