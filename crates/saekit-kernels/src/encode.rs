//! Rows to sparse codes: which [`Select`] wants which passes over the rows, and how products are computed.
//!
//! What a pass does is in [`pass`](crate::pass).

use crate::codes::SparseRows;
use crate::pass::{Floor, Pass, Rule};
use crate::product::{Exact, Screened};
use crate::rounded::RoundedWeights;
use crate::select::{Select, index_of, keep_largest, key};
use crate::simd::{Isa, Screen};

/// How the encoder's products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// In f32.
    F32(Isa),
    /// Screened in bf16, computed again in f32 where it matters: the same bits.
    Mixed(Isa, Screen),
}

/// The encoder's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'a> {
    /// `[d_sae, d_in]`, latent-major.
    pub w_enc: &'a [f32],
    /// `[d_sae]`.
    pub b_enc: &'a [f32],
}

/// What screening did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screening {
    /// Rows that were screened; once for each pass over the batch.
    pub screened: u64,
    /// Products computed again in f32, those of rows done in f32 from the start included.
    pub rescored: u64,
    /// Rows done in f32 from the start, because nothing could be said of their error; counted once for
    /// each range of latents that a thread was given.
    pub redone: u64,
}

impl std::ops::AddAssign for Screening {
    fn add_assign(&mut self, other: Self) {
        self.screened += other.screened;
        self.rescored += other.rescored;
        self.redone += other.redone;
    }
}

/// The active latents of the rows `x`, `[rows, d_in]`, from which `b_dec` was subtracted.
///
/// Values that are not numbers are never selected; check the rows and the loss.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn encode(
    x: &[f32],
    encoder: Encoder<'_>,
    select: Select<'_>,
    precision: Precision,
) -> (SparseRows, Screening) {
    match precision {
        Precision::F32(isa) => selected(x, encoder, select, Products::F32(isa), None),
        Precision::Mixed(isa, screen) => {
            let d = encoder.w_enc.len().checked_div(encoder.b_enc.len()).unwrap_or(0);
            let rounded = RoundedWeights::new(isa, screen, encoder.w_enc, d);
            encode_screened(isa, x, encoder, &rounded, select)
        }
    }
}

/// As [`encode()`] in [`Precision::Mixed`], with weights rounded before: those of `encoder`.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn encode_screened(
    isa: Isa,
    x: &[f32],
    encoder: Encoder<'_>,
    rounded: &RoundedWeights,
    select: Select<'_>,
) -> (SparseRows, Screening) {
    selected(x, encoder, select, Products::Screened(isa, rounded), None)
}

/// How products are computed.
#[derive(Clone, Copy)]
pub(crate) enum Products<'a> {
    F32(Isa),
    Screened(Isa, &'a RoundedWeights),
}

/// The codes; for TopK with `bars` that the rows' values probably exceed.
pub(crate) fn selected(
    x: &[f32],
    encoder: Encoder<'_>,
    select: Select<'_>,
    products: Products<'_>,
    bars: Option<&[f32]>,
) -> (SparseRows, Screening) {
    let all = |floor: f32, k: usize| Rule { floor: Floor::All(floor), k, bars: None };
    match select {
        Select::TopK { k } => per_row(x, encoder, Rule { bars, ..all(0.0, k) }, products),
        Select::Positive => per_row(x, encoder, all(0.0, usize::MAX), products),
        Select::Threshold { thresholds, window } => {
            let floors: Vec<f32> = thresholds.iter().map(|t| t - window / 2.0).collect();
            let rule = Rule { floor: Floor::Each(&floors), k: usize::MAX, bars: None };
            let (mut codes, screening) = per_row(x, encoder, rule, products);
            codes.ids.iter().zip(&mut codes.values).for_each(|(id, value)| {
                *value *= f32::from(u8::from(*value > thresholds[*id as usize]));
            });
            (codes, screening)
        }
        Select::BatchTopK { k, hint } => batch_top_k(x, encoder, k, hint, products),
    }
}

/// The part below a known threshold is left out at once; where too little is left, the part below a
/// guessed one; where that was too much as well, nothing.
fn batch_top_k(
    x: &[f32],
    encoder: Encoder<'_>,
    k: usize,
    hint: Option<f32>,
    products: Products<'_>,
) -> (SparseRows, Screening) {
    let d = x.len() / rows_of(x, encoder).max(1);
    let places = k.saturating_mul(rows_of(x, encoder));
    let guess = || guess(x, d, encoder, k, products);
    let hint = hint.filter(|hint| hint.is_finite()).map(|hint| 0.9 * hint);
    let mut screening = Screening::default();
    for floor in hint.into_iter().chain(std::iter::once_with(guess)).chain([0.0]) {
        let rule = Rule { floor: Floor::All(floor.max(0.0)), k: usize::MAX, bars: None };
        let (mut codes, done) = per_row(x, encoder, rule, products);
        screening += done;
        if codes.len() >= places || floor <= 0.0 {
            keep_largest_of_batch(&mut codes, places);
            return (codes, screening);
        }
    }
    unreachable!("nothing is required of a floor of zero")
}

/// A value that rather more than `k` a row exceed, from the first rows.
fn guess(x: &[f32], d: usize, encoder: Encoder<'_>, k: usize, products: Products<'_>) -> f32 {
    let sample = &x[..x.len().min(64 * d)];
    let rule = Rule { floor: Floor::All(0.0), k: k.saturating_mul(2), bars: None };
    let (codes, _) = per_row(sample, encoder, rule, products);
    let mut keys: Vec<u64> = codes.values.iter().map(|value| key(*value, 0)).collect();
    let places = k.saturating_mul(codes.rows());
    keep_largest(&mut keys, places).map_or(0.0, |smallest| 0.8 * smallest)
}

/// Keeps the `places` largest values; among equal ones the lower row, then the lower latent.
fn keep_largest_of_batch(codes: &mut SparseRows, places: usize) {
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
    assert_eq!(encoder.w_enc.len(), d_sae * d, "`w_enc` has a row a latent");
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
) -> (SparseRows, Screening) {
    let rows = rows_of(x, encoder);
    if rows == 0 || rule.k == 0 {
        return (
            SparseRows::fill(std::iter::repeat_n(0, rows), |_, _, _| ()),
            Screening::default(),
        );
    }
    let d = x.len() / rows;
    match products {
        Products::F32(isa) => {
            let product = Exact::new(isa, encoder.w_enc, d);
            Pass { x, d, encoder, rule, isa, product: &product }.run(rows)
        }
        Products::Screened(isa, rounded) => {
            assert!(rounded.fit(encoder.b_enc.len(), d), "they are the encoder's weights, rounded");
            let product = Screened::new(isa, rounded, d);
            Pass { x, d, encoder, rule, isa, product: &product }.run(rows)
        }
    }
}
