//! Gradients a latent at a time, and Adam (Kingma and Ba, 2015) at once.
//!
//! ```text
//! for each latent j:                                               in parallel, 64 a task
//!     g_dec = Σ factor value error[row]      over the latent's entries, rows ascending
//!     g_enc = Σ grad x[row];  g_b = Σ grad
//!     b_dec's gradient -= g_b w_enc[j]                             x was centred by b_dec
//!     g_dec -= (g_dec · w_dec[j]) w_dec[j]                         the norm is kept
//!     Adam on both rows;  w_dec[j] /= ‖w_dec[j]‖
//! ```
//! Gradients live in the first cache and are never stored: a step reads and writes parameters and
//! moments once, 24 bytes a parameter. Rows without entries get a gradient of zero, as in dense Adam.
//! Where more than [`DENSE`] of the values of a task's latents are active, its sums over entries are two
//! dense products instead, unless several things pull or the latents are in several groups.
//!
//! Every sum has one order, whatever the number of threads: a latent's entries ascend, and `b_dec`'s
//! parts are added by number of task.

use rayon::prelude::*;

use crate::codes::{ByLatent, DENSE, Entry};
use crate::residual::Prefix;
use crate::simd::{Isa, Kernel, Lanes, Simd, Strided, Threads, matmul};

/// Latents a task.
const TASK_LATENTS: usize = 64;

/// Rows a task, in sums over rows.
const TASK_ROWS: usize = 64;

/// Decoder rows shorter than this are divided by this.
const MIN_NORM: f32 = 1e-8;

/// First moments closer to zero are zero: whatever the second is, such a step moves nothing.
const NEGLIGIBLE: f32 = 1e-30;

/// A value for each parameter of a sparse autoencoder: the parameters themselves, their gradients,
/// or a moment of these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// `[d_sae, d_in]`.
    pub w_enc: Vec<f32>,
    /// `[d_sae]`.
    pub b_enc: Vec<f32>,
    /// `[d_sae, d_out]`.
    pub w_dec: Vec<f32>,
    /// `[d_out]`.
    pub b_dec: Vec<f32>,
}

/// What pulls on the weights: codes, and the error that they left.
#[derive(Clone, Copy, Debug)]
pub struct Pull<'a> {
    /// The codes with the loss's derivative by each value.
    pub codes: &'a ByLatent,
    /// The errors of each group, `[groups, rows, d_out]`.
    pub errors: &'a [f32],
    /// Where the groups end.
    pub prefixes: &'a [Prefix],
    /// The loss holds the squared errors times this.
    pub scale: f32,
    /// Whether `b_dec` took part.
    pub bias: bool,
}

/// One update's scalars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// `1 - beta1`, not rounded twice.
    pub gain1: f32,
    /// `1 - beta2`.
    pub gain2: f32,
    /// Keeps the division finite.
    pub eps: f32,
    /// `1 / (1 - beta1^t)`.
    pub correction1: f32,
    /// `1 / (1 - beta2^t)`.
    pub correction2: f32,
}

/// Adam's moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Running mean of the gradients.
    pub first: Weights,
    /// Running mean of their squares.
    pub second: Weights,
}

/// Everything an update reads besides the weights.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The rows, centred by `b_dec`, `[rows, d_in]`.
    pub x: &'a [f32],
    /// What pulls.
    pub pulls: &'a [Pull<'a>],
}

impl Weights {
    /// Zeros for `d_sae` latents.
    pub fn zeros(d_sae: usize, d_in: usize, d_out: usize) -> Self {
        Self {
            w_enc: vec![0.0; d_sae * d_in],
            b_enc: vec![0.0; d_sae],
            w_dec: vec![0.0; d_sae * d_out],
            b_dec: vec![0.0; d_out],
        }
    }

    /// Zeros like these.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let d_sae = self.b_enc.len();
        Self::zeros(d_sae, self.w_enc.len() / d_sae.max(1), self.b_dec.len())
    }

    /// Euclidean norm of all values together.
    pub fn norm(&self, isa: Isa) -> f64 {
        let squares = |values: &[f32]| -> f64 {
            let parts: Vec<f64> =
                values.par_chunks(1 << 14).map(|v| f64::from(isa.run(Squares(v)))).collect();
            parts.iter().sum()
        };
        [&self.w_enc, &self.b_enc, &self.w_dec, &self.b_dec]
            .map(|v| squares(v))
            .iter()
            .sum::<f64>()
            .sqrt()
    }

    fn tasks(&mut self) -> impl Iterator<Item = Part<'_>> {
        let (d_in, d_out) = (self.d_in(), self.b_dec.len());
        let encoder = self.w_enc.chunks_mut((TASK_LATENTS * d_in).max(1));
        let decoder = self.w_dec.chunks_mut((TASK_LATENTS * d_out).max(1));
        let biases = self.b_enc.chunks_mut(TASK_LATENTS);
        let parts = biases.zip(encoder).zip(decoder);
        parts.map(|((b_enc, w_enc), w_dec)| Part { w_enc, b_enc, w_dec })
    }

    fn sizes(&self) -> [usize; 4] {
        [&self.w_enc, &self.b_enc, &self.w_dec, &self.b_dec].map(Vec::len)
    }

    fn d_in(&self) -> usize {
        self.w_enc.len() / self.b_enc.len().max(1)
    }
}

impl Moments {
    /// Zero moments of `weights`.
    pub fn new(weights: &Weights) -> Self {
        Self { first: weights.zeros_like(), second: weights.zeros_like() }
    }

    fn fit(&self, weights: &Weights) -> bool {
        [&self.first, &self.second].iter().all(|moment| moment.sizes() == weights.sizes())
    }
}

/// Some latents' values.
struct Part<'a> {
    w_enc: &'a mut [f32],
    b_enc: &'a mut [f32],
    w_dec: &'a mut [f32],
}

/// Moves the weights against the gradient of the loss, whose decoder part is projected, and restores
/// the decoder's unit norms. Gradients are not stored.
///
/// # Panics
/// If the sizes do not fit each other; the rows are centred by `b_dec`, so that `d_in` is `d_out`.
pub fn update(
    isa: Isa,
    weights: &mut Weights,
    moments: &mut Moments,
    batch: Batch<'_>,
    adam: AdamStep,
) {
    let d_in = weights.d_in();
    assert_eq!(d_in, weights.b_dec.len(), "rows are centred by `b_dec`");
    assert!(moments.fit(weights), "two moments a weight");
    let mut b_dec = bias_gradient(isa, &batch, d_in);
    let parts = weights.tasks().zip(moments.first.tasks()).zip(moments.second.tasks());
    let tasks: Vec<_> = parts.enumerate().collect();
    let shifts: Vec<Vec<f32>> = tasks
        .into_par_iter()
        .map(|(task, ((weights, first), second))| {
            let sums = Sums::new(batch, task * TASK_LATENTS, weights.b_enc.len(), d_in);
            isa.run(UpdateTask { sums, d_in, weights, first, second, adam })
        })
        .collect();
    isa.run(AddAll { parts: &shifts, out: &mut b_dec });
    let Moments { first, second } = moments;
    let row =
        Row { weights: &mut weights.b_dec, first: &mut first.b_dec, second: &mut second.b_dec };
    isa.run(AdamRow { row, grad: &b_dec, adam });
}

/// Writes the gradients of the loss to `grads`, the decoder's part projected.
///
/// # Panics
/// As [`update`].
pub fn gradients(isa: Isa, weights: &Weights, batch: Batch<'_>, grads: &mut Weights) {
    let d_in = weights.d_in();
    assert_eq!(d_in, weights.b_dec.len(), "rows are centred by `b_dec`");
    assert_eq!(weights.sizes(), grads.sizes(), "a gradient a weight");
    let mut b_dec = bias_gradient(isa, &batch, d_in);
    let tasks: Vec<_> = grads.tasks().enumerate().collect();
    let shifts: Vec<Vec<f32>> = tasks
        .into_par_iter()
        .map(|(task, grads)| {
            let first = task * TASK_LATENTS;
            let sums = Sums::new(batch, first, grads.b_enc.len(), d_in);
            isa.run(GradientTask { sums, first, weights, grads })
        })
        .collect();
    isa.run(AddAll { parts: &shifts, out: &mut b_dec });
    grads.b_dec = b_dec;
}

/// Moves the weights against `factor` times `grads` and restores the decoder's unit norms.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn apply(
    isa: Isa,
    weights: &mut Weights,
    moments: &mut Moments,
    grads: &mut Weights,
    factor: f32,
    adam: AdamStep,
) {
    assert!(moments.fit(weights) && weights.sizes() == grads.sizes(), "two moments, one gradient");
    let parts = weights.tasks().zip(moments.first.tasks()).zip(moments.second.tasks());
    let tasks: Vec<_> = parts.zip(grads.tasks()).collect();
    tasks.into_par_iter().for_each(|(((weights, first), second), grads)| {
        isa.run(ApplyTask { weights, first, second, grads, factor, adam });
    });
    let Moments { first, second } = moments;
    let row =
        Row { weights: &mut weights.b_dec, first: &mut first.b_dec, second: &mut second.b_dec };
    isa.run(Scale { values: &mut grads.b_dec, factor });
    isa.run(AdamRow { row, grad: &grads.b_dec, adam });
}

/// One step of Adam on a vector of its own, such as thresholds.
///
/// # Panics
/// If the four differ in length.
pub fn adam_vector(
    isa: Isa,
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    grad: &[f32],
    adam: AdamStep,
) {
    let lengths = [first.len(), second.len(), grad.len()];
    assert_eq!(lengths, [weights.len(); 3], "a moment and a derivative a weight");
    isa.run(AdamRow { row: Row { weights, first, second }, grad, adam });
}

/// `b_dec`'s gradient through the decoder: `-2 scale Σ error`.
fn bias_gradient(isa: Isa, batch: &Batch<'_>, d_out: usize) -> Vec<f32> {
    let mut sum = vec![0.0; d_out];
    for pull in batch.pulls.iter().filter(|pull| pull.bias && !pull.prefixes.is_empty()) {
        let rows = pull.errors.len() / pull.prefixes.len();
        let parts: Vec<Vec<f32>> = pull.errors[..rows]
            .par_chunks((TASK_ROWS * d_out).max(1))
            .map(|rows| {
                let rows: Vec<&[f32]> = rows.chunks_exact(d_out).collect();
                let mut out = vec![0.0; d_out];
                isa.run(AddAll { parts: &rows, out: &mut out });
                out
            })
            .collect();
        let mut total = vec![0.0; d_out];
        isa.run(AddAll { parts: &parts, out: &mut total });
        isa.run(AddScaled { values: &total, factor: -2.0 * pull.scale, out: &mut sum });
    }
    sum
}

/// The gradients of some latents, from one row of weights each.
struct Sums<'a> {
    batch: Batch<'a>,
    first: usize,
    d_in: usize,
    /// `[latents, d_in]` and `[latents, d_out]`, where dense products gave them.
    dense: Option<(Vec<f32>, Vec<f32>)>,
}

impl<'a> Sums<'a> {
    fn new(batch: Batch<'a>, first: usize, latents: usize, d_in: usize) -> Self {
        let dense = match batch.pulls {
            [pull] => dense_sums(batch.x, pull, first..first + latents, d_in),
            _ => None,
        };
        Self { batch, first, d_in, dense }
    }

    /// The gradients of latent number `i` of these: writes `g_enc` and `g_dec`, returns `g_b`.
    #[inline(always)]
    fn of<V: Lanes>(&self, simd: Simd<V>, i: usize, g_enc: &mut [f32], g_dec: &mut [f32]) -> f32 {
        let latent = self.first + i;
        let (d_in, d_out) = (g_enc.len(), g_dec.len());
        if let Some((encoder, decoder)) = &self.dense {
            g_enc.copy_from_slice(&encoder[i * d_in..][..d_in]);
            g_dec.copy_from_slice(&decoder[i * d_out..][..d_out]);
        } else {
            g_enc.fill(0.0);
            g_dec.fill(0.0);
        }
        let mut g_b = 0.0;
        for pull in self.batch.pulls {
            let entries = pull.codes.latent(latent);
            g_b += active(entries).map(|entry| entry.grad).sum::<f32>();
            if self.dense.is_none() {
                let errors = group_errors(pull, latent);
                let (x, factor) = (self.batch.x, -2.0 * pull.scale);
                simd.axpys(g_dec, entries.len(), |i| {
                    let Entry { row, value, .. } = entries[i];
                    (factor * value, &errors[row as usize * d_out..][..d_out])
                });
                simd.axpys(g_enc, entries.len(), |i| {
                    let Entry { row, value, grad } = entries[i];
                    let grad = if value == 0.0 { 0.0 } else { grad };
                    (grad, &x[row as usize * d_in..][..d_in])
                });
            }
        }
        g_b
    }
}

/// The entries whose value reached the output.
#[inline(always)]
fn active(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.value != 0.0)
}

/// The errors that `latent` sees, `[rows, d_out]`.
fn group_errors<'a>(pull: &Pull<'a>, latent: usize) -> &'a [f32] {
    let size = pull.errors.len() / pull.prefixes.len().max(1);
    let group = pull.prefixes.partition_point(|prefix| prefix.end <= latent);
    &pull.errors[group * size..(group + 1) * size]
}

/// Both gradients as dense products, where enough of the values are active and the latents are in
/// one group.
fn dense_sums(
    x: &[f32],
    pull: &Pull<'_>,
    latents: std::ops::Range<usize>,
    d_in: usize,
) -> Option<(Vec<f32>, Vec<f32>)> {
    let rows = x.len() / d_in.max(1);
    let offsets = &pull.codes.offsets[latents.start..=latents.end];
    let entries = offsets[latents.len()] - offsets[0];
    let one_group =
        pull.prefixes.iter().all(|prefix| prefix.end <= latents.start || prefix.end >= latents.end);
    if (entries as f64) < DENSE * (rows * latents.len()) as f64 || entries == 0 || !one_group {
        return None;
    }
    let (mut values, mut grads) =
        (vec![0.0; latents.len() * rows], vec![0.0; latents.len() * rows]);
    for (i, latent) in latents.clone().enumerate() {
        for Entry { row, value, grad } in active(pull.codes.latent(latent)) {
            values[i * rows + *row as usize] = -2.0 * pull.scale * value;
            grads[i * rows + *row as usize] = *grad;
        }
    }
    let errors = group_errors(pull, latents.start);
    let d_out = errors.len() / rows;
    let (mut encoder, mut decoder) =
        (vec![0.0; latents.len() * d_in], vec![0.0; latents.len() * d_out]);
    matmul(Strided::rows(&grads, rows), Strided::rows(x, d_in), Threads::One, &mut encoder);
    matmul(Strided::rows(&values, rows), Strided::rows(errors, d_out), Threads::One, &mut decoder);
    Some((encoder, decoder))
}

/// Latents from gradient to new weights; gives their part of `b_dec`'s gradient.
struct UpdateTask<'a> {
    sums: Sums<'a>,
    d_in: usize,
    weights: Part<'a>,
    first: Part<'a>,
    second: Part<'a>,
    adam: AdamStep,
}

impl Kernel for UpdateTask<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) -> Vec<f32> {
        let Self { sums, d_in, weights, first, second, adam } = self;
        let latents = weights.b_enc.len();
        let d_out = weights.w_dec.len() / latents;
        let (mut g_enc, mut g_dec) = (vec![0.0; d_in], vec![0.0; d_out]);
        let mut g_b_enc = vec![0.0; latents];
        let mut shift = vec![0.0; d_in];
        for (i, g_b) in g_b_enc.iter_mut().enumerate() {
            let (encoder, decoder) = (i * d_in..(i + 1) * d_in, i * d_out..(i + 1) * d_out);
            *g_b = sums.of(simd, i, &mut g_enc, &mut g_dec);
            simd.axpy(&mut shift, -*g_b, &weights.w_enc[encoder.clone()]);
            let w_enc = Row {
                weights: &mut weights.w_enc[encoder.clone()],
                first: &mut first.w_enc[encoder.clone()],
                second: &mut second.w_enc[encoder],
            };
            adam_row(simd, w_enc, &g_enc, adam);
            let w_dec = Row {
                weights: &mut weights.w_dec[decoder.clone()],
                first: &mut first.w_dec[decoder.clone()],
                second: &mut second.w_dec[decoder],
            };
            project(simd, &mut g_dec, w_dec.weights);
            renormalise(simd, adam_row(simd, w_dec, &g_dec, adam));
        }
        let b_enc = Row { weights: weights.b_enc, first: first.b_enc, second: second.b_enc };
        adam_row(simd, b_enc, &g_b_enc, adam);
        shift
    }
}

/// Latents to their gradients; gives their part of `b_dec`'s gradient.
struct GradientTask<'a> {
    sums: Sums<'a>,
    first: usize,
    weights: &'a Weights,
    grads: Part<'a>,
}

impl Kernel for GradientTask<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) -> Vec<f32> {
        let Self { sums, first, weights, grads } = self;
        let d_in = sums.d_in;
        let d_out = weights.b_dec.len();
        let mut shift = vec![0.0; d_in];
        let rows = grads.w_enc.chunks_exact_mut(d_in).zip(grads.w_dec.chunks_exact_mut(d_out));
        for (i, (g_enc, g_dec)) in rows.enumerate() {
            grads.b_enc[i] = sums.of(simd, i, g_enc, g_dec);
            simd.axpy(&mut shift, -grads.b_enc[i], &weights.w_enc[(first + i) * d_in..][..d_in]);
            project(simd, g_dec, &weights.w_dec[(first + i) * d_out..][..d_out]);
        }
        shift
    }
}

/// Latents from given gradients to new weights.
struct ApplyTask<'a> {
    weights: Part<'a>,
    first: Part<'a>,
    second: Part<'a>,
    grads: Part<'a>,
    factor: f32,
    adam: AdamStep,
}

impl Kernel for ApplyTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        let Self { weights, first, second, grads, factor, adam } = self;
        let latents = weights.b_enc.len();
        let d_out = weights.w_dec.len() / latents;
        for grads in [&mut *grads.w_enc, &mut *grads.b_enc, &mut *grads.w_dec] {
            for g in grads.iter_mut() {
                *g *= factor;
            }
        }
        let row = |weights, first, second| Row { weights, first, second };
        adam_row(simd, row(weights.w_enc, first.w_enc, second.w_enc), grads.w_enc, adam);
        adam_row(simd, row(weights.b_enc, first.b_enc, second.b_enc), grads.b_enc, adam);
        adam_row(simd, row(&mut *weights.w_dec, first.w_dec, second.w_dec), grads.w_dec, adam);
        weights.w_dec.chunks_exact_mut(d_out).for_each(|row| renormalise(simd, row));
    }
}

/// Some weights with their moments.
struct Row<'a> {
    weights: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

/// One step of Adam; gives the weights.
#[inline(always)]
fn adam_row<'a, V: Lanes>(
    simd: Simd<V>,
    row: Row<'a>,
    grad: &[f32],
    adam: AdamStep,
) -> &'a mut [f32] {
    let Row { weights, first, second } = row;
    let AdamStep { beta1, beta2, gain1, gain2, eps, correction2, .. } = adam;
    let size = adam.lr * adam.correction1;
    let n = weights.len();
    let (first, second, grad) = (&mut first[..n], &mut second[..n], &grad[..n]);
    for i in 0..n {
        let g = grad[i];
        let mean = simd.multiply_add(beta1, first[i], gain1 * g);
        // Of a latent that no longer fires it would end among the numbers that are slow to compute.
        first[i] = if mean.abs() < NEGLIGIBLE { 0.0 } else { mean };
        second[i] = simd.multiply_add(beta2, second[i], gain2 * g * g);
        weights[i] -= size * first[i] / ((second[i] * correction2).sqrt() + eps);
    }
    weights
}

/// Removes from `grad` its part along the unit vector `direction`.
#[inline(always)]
fn project<V: Lanes>(simd: Simd<V>, grad: &mut [f32], direction: &[f32]) {
    let along = simd.dot(grad, direction);
    simd.axpy(grad, -along, direction);
}

/// Divides a row by its norm.
#[inline(always)]
fn renormalise<V: Lanes>(simd: Simd<V>, row: &mut [f32]) {
    let inverse = 1.0 / simd.dot(row, row).sqrt().max(MIN_NORM);
    for v in row.iter_mut() {
        *v *= inverse;
    }
}

/// [`adam_row`] as a kernel.
struct AdamRow<'a> {
    row: Row<'a>,
    grad: &'a [f32],
    adam: AdamStep,
}

impl Kernel for AdamRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        adam_row(simd, self.row, self.grad, self.adam);
    }
}

/// `out += Σ parts`, in their order.
struct AddAll<'a, T> {
    parts: &'a [T],
    out: &'a mut [f32],
}

impl<T: AsRef<[f32]>> Kernel for AddAll<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        simd.axpys(self.out, self.parts.len(), |i| (1.0, self.parts[i].as_ref()));
    }
}

/// `out += factor · values`.
struct AddScaled<'a> {
    values: &'a [f32],
    factor: f32,
    out: &'a mut [f32],
}

impl Kernel for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        simd.axpy(self.out, self.factor, self.values);
    }
}

/// `values *= factor`.
struct Scale<'a> {
    values: &'a mut [f32],
    factor: f32,
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, _simd: Simd<V>) {
        for v in self.values.iter_mut() {
            *v *= self.factor;
        }
    }
}

/// `Σ v²`.
struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) -> f32 {
        simd.dot(self.0, self.0)
    }
}
