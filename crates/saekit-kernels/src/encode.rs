//! Rows to sparse codes: the passes over the rows that each [`Sparsity`] needs.
//!
//! The module [`pass`](crate::pass) holds one pass.

use crate::codes::CsrCodes;
use crate::encoder::{Encoder, Screening};
use crate::pass::{LatentThreshold, Pass, Rule};
use crate::product::{Exact, Screened};
use crate::rounded::RoundedWeights;
use crate::select::{Sparsity, index_of, keep_largest, key};
use crate::simd::{Isa, Screen};

/// How the encoder computes its products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// In f32.
    F32(Isa),
    /// Screened in bf16; the candidates are computed again in f32. The result has the same bits.
    Mixed(Isa, Screen),
}

/// Returns the active latents of the rows `x`, `[rows, d_in]`, which are already centred by `b_dec`.
///
/// NaN is never selected, so a NaN in the input does not show in the codes: check the rows and the loss.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn encode(
    x: &[f32],
    encoder: Encoder<'_>,
    sparsity: Sparsity<'_>,
    precision: Precision,
) -> (CsrCodes, Screening) {
    match precision {
        Precision::F32(isa) => selected(x, encoder, sparsity, Products::F32(isa), None),
        Precision::Mixed(isa, screen) => {
            let d = encoder.w_enc.len().checked_div(encoder.b_enc.len()).unwrap_or(0);
            let rounded = RoundedWeights::new(isa, screen, encoder.w_enc, d);
            encode_screened(isa, x, encoder, &rounded, sparsity)
        }
    }
}

/// [`encode()`] in [`Precision::Mixed`] with `rounded`, the weights of `encoder` in bf16.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn encode_screened(
    isa: Isa,
    x: &[f32],
    encoder: Encoder<'_>,
    rounded: &RoundedWeights,
    sparsity: Sparsity<'_>,
) -> (CsrCodes, Screening) {
    selected(x, encoder, sparsity, Products::Screened(isa, rounded), None)
}

/// The product of one call: exact, or screened with rounded weights.
#[derive(Clone, Copy)]
pub(crate) enum Products<'a> {
    F32(Isa),
    Screened(Isa, &'a RoundedWeights),
}

/// [`encode()`] with `products`. `row_thresholds` warm-start TopK: one value per row that its `k`-th largest
/// value probably exceeds.
pub(crate) fn selected(
    x: &[f32],
    encoder: Encoder<'_>,
    sparsity: Sparsity<'_>,
    products: Products<'_>,
    row_thresholds: Option<&[f32]>,
) -> (CsrCodes, Screening) {
    let all = |threshold: f32, k: usize| Rule::above(LatentThreshold::All(threshold), k);
    match sparsity {
        Sparsity::TopK { k } => {
            per_row(x, encoder, Rule { row_thresholds, ..all(0.0, k) }, products)
        }
        Sparsity::Positive => per_row(x, encoder, all(0.0, usize::MAX), products),
        Sparsity::Threshold { thresholds, window } => {
            let lower: Vec<f32> = thresholds.iter().map(|t| t - window / 2.0).collect();
            let rule = Rule::above(LatentThreshold::Each(&lower), usize::MAX);
            let (mut codes, screening) = per_row(x, encoder, rule, products);
            codes.ids.iter().zip(&mut codes.values).for_each(|(id, value)| {
                *value *= f32::from(u8::from(*value > thresholds[*id as usize]));
            });
            (codes, screening)
        }
        Sparsity::BatchTopK { k, hint } => batch_top_k(x, encoder, k, hint, products),
    }
}

/// Tries three thresholds, from fast to safe: 0.9 times the hint, then a guess from the first rows, then
/// zero. The first that leaves enough values wins; a higher threshold leaves fewer candidates to sort.
/// The threshold of the last batch moves little, so that 0.9 of it is almost always low enough.
fn batch_top_k(
    x: &[f32],
    encoder: Encoder<'_>,
    k: usize,
    hint: Option<f32>,
    products: Products<'_>,
) -> (CsrCodes, Screening) {
    let d = x.len() / rows_of(x, encoder).max(1);
    let places = k.saturating_mul(rows_of(x, encoder));
    let guess = || guess(x, d, encoder, k, products);
    let hint = hint.filter(|hint| hint.is_finite()).map(|hint| 0.9 * hint);
    let mut screening = Screening::default();
    for threshold in hint.into_iter().chain(std::iter::once_with(guess)).chain([0.0]) {
        let rule = Rule::above(LatentThreshold::All(threshold.max(0.0)), usize::MAX);
        let (mut codes, done) = per_row(x, encoder, rule, products);
        screening += done;
        if codes.len() >= places || threshold <= 0.0 {
            keep_largest_of_batch(&mut codes, places);
            return (codes, screening);
        }
    }
    unreachable!("a threshold of zero is always accepted")
}

/// Guesses a value that somewhat more than `k` values per row exceed, from the first 64 rows: enough to
/// average over, few beside a batch. The factor 0.8 allows for rows that differ from these; a guess that
/// is too high costs a pass more.
fn guess(x: &[f32], d: usize, encoder: Encoder<'_>, k: usize, products: Products<'_>) -> f32 {
    let sample = &x[..x.len().min(64 * d)];
    let rule = Rule::above(LatentThreshold::All(0.0), k.saturating_mul(2));
    let (codes, _) = per_row(sample, encoder, rule, products);
    let mut keys: Vec<u64> = codes.values.iter().map(|value| key(*value, 0)).collect();
    let places = k.saturating_mul(codes.rows());
    keep_largest(&mut keys, places).map_or(0.0, |smallest| 0.8 * smallest)
}

/// Keeps the `places` largest values of the batch; among equal values the lower row wins, then the lower
/// latent.
fn keep_largest_of_batch(codes: &mut CsrCodes, places: usize) {
    if codes.len() <= places {
        return;
    }
    let mut keys: Vec<u64> = (0_u32..).zip(&codes.values).map(|(at, v)| key(*v, at)).collect();
    keep_largest(&mut keys, places);
    let mut kept: Vec<usize> = keys.into_iter().map(|key| index_of(key) as usize).collect();
    kept.sort_unstable();
    codes.ids = kept.iter().map(|at| codes.ids[*at]).collect();
    codes.values = kept.iter().map(|at| codes.values[*at]).collect();
    for offset in &mut codes.offsets {
        *offset = kept.partition_point(|at| at < offset);
    }
}

fn rows_of(x: &[f32], encoder: Encoder<'_>) -> usize {
    let d_sae = encoder.b_enc.len();
    let d = encoder.w_enc.len() / d_sae.max(1);
    assert_eq!(encoder.w_enc.len(), d_sae * d, "`w_enc` has a row per latent");
    if d == 0 {
        return 0;
    }
    assert!(x.len().is_multiple_of(d), "rows are {d} wide");
    x.len() / d
}

fn per_row(
    x: &[f32],
    encoder: Encoder<'_>,
    rule: Rule<'_>,
    products: Products<'_>,
) -> (CsrCodes, Screening) {
    let rows = rows_of(x, encoder);
    if rows == 0 || rule.k == 0 {
        return (CsrCodes::fill(std::iter::repeat_n(0, rows), |_, _, _| ()), Screening::default());
    }
    let d = x.len() / rows;
    match products {
        Products::F32(isa) => {
            let product = Exact::new(isa, encoder.w_enc, d);
            Pass { x, d, encoder, rule, isa, product: &product }.run(rows)
        }
        Products::Screened(isa, rounded) => {
            assert!(
                rounded.fit(encoder.b_enc.len(), d),
                "the rounded weights have the encoder's shape"
            );
            let product = Screened::new(isa, rounded, d);
            Pass { x, d, encoder, rule, isa, product: &product }.run(rows)
        }
    }
}
