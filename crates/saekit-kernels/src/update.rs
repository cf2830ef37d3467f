//! The gradient of one latent at a time, applied at once by Adam (Kingma and Ba, 2015).
//!
//! ```text
//! for each latent j:                                               in parallel, 64 per task
//!     g_dec = Σ factor value error[row]      over the latent's entries, rows ascending
//!     g_enc = Σ grad x[row];  g_b = Σ grad
//!     b_dec's gradient -= g_b w_enc[j]                             x was centred by b_dec
//!     g_dec -= (g_dec · w_dec[j]) w_dec[j]                         the norm is kept
//!     Adam on both rows;  w_dec[j] /= ‖w_dec[j]‖
//! ```
//! Gradients stay in the first-level cache and are never stored: a step reads and writes parameters and
//! moments once, 24 bytes per parameter. Latents without entries get a gradient of zero, as in dense Adam.
//! Above density [`DENSE`] the gradients come from two dense products instead of sums over entries, for a
//! single loss term and latents of a single group.
//!
//! Every sum has one order, whatever the number of threads: the entries of a latent ascend by row, and the
//! tasks' parts of `b_dec`'s gradient are added in the order of the tasks.

use rayon::prelude::*;

use crate::adam::{AdamRow, AdamStep, Row, adam_row, project, renormalise};
#[cfg(doc)]
use crate::codes::DENSE;
use crate::gradient::{AddAll, StepInput, Sums, bias_gradient};
use crate::rounded::{RoundedPart, RoundedWeights};
use crate::simd::{Isa, Kernel, Lanes, Simd};
use crate::weights::{Moments, Part, TASK_LATENTS, Weights};

/// The parameters that a step changes.
pub struct Parameters<'a> {
    /// The weights.
    pub weights: &'a mut Weights,
    /// Their moments.
    pub moments: &'a mut Moments,
    /// The encoder's weights in bf16, updated too; `None` without screening.
    pub rounded: Option<&'a mut RoundedWeights>,
}

/// One step of Adam on the gradient of the loss. The decoder's gradient is projected, and its rows are
/// divided by their norms afterwards. Gradients are not stored.
///
/// # Panics
/// If the sizes do not fit each other. `d_in` has to equal `d_out`, because the rows are centred by `b_dec`.
pub fn update(isa: Isa, parameters: Parameters<'_>, batch: StepInput<'_>, adam: AdamStep) {
    let Parameters { weights, moments, rounded } = parameters;
    let d_in = weights.d_in();
    assert_eq!(d_in, weights.b_dec.len(), "rows are centred by `b_dec`");
    assert!(moments.fit(weights), "two moments per weight");
    let mut b_dec = bias_gradient(isa, &batch, d_in);
    let rounded = rounded_tasks(rounded, weights);
    let parts = weights.tasks().zip(moments.first.tasks()).zip(moments.second.tasks());
    let tasks: Vec<_> = parts.zip(rounded).enumerate().collect();
    let shifts: Vec<Vec<f32>> = tasks
        .into_par_iter()
        .map(|(task, (((weights, first), second), rounded))| {
            let sums = Sums::new(batch, task * TASK_LATENTS, weights.b_enc.len(), d_in);
            isa.run(UpdateTask { sums, d_in, weights, first, second, adam, rounded })
        })
        .collect();
    isa.run(AddAll { parts: &shifts, out: &mut b_dec });
    let Moments { first, second } = moments;
    let row =
        Row { weights: &mut weights.b_dec, first: &mut first.b_dec, second: &mut second.b_dec };
    isa.run(AdamRow { row, grad: &b_dec, adam });
}

/// The part of `rounded` that each task of `weights` updates; `None` for all without `rounded`.
fn rounded_tasks<'a>(
    rounded: Option<&'a mut RoundedWeights>,
    weights: &Weights,
) -> impl Iterator<Item = Option<RoundedPart<'a>>> + use<'a> {
    let fit = |rounded: &RoundedWeights| rounded.fit(weights.b_enc.len(), weights.d_in());
    assert!(rounded.as_deref().is_none_or(fit), "a rounded weight per weight");
    rounded
        .into_iter()
        .flat_map(RoundedWeights::tasks)
        .map(Some)
        .chain(std::iter::repeat_with(|| None))
}

/// Writes the gradients of the loss to `grads`, the decoder's part projected.
///
/// # Panics
/// As [`update`].
pub fn gradients(isa: Isa, weights: &Weights, batch: StepInput<'_>, grads: &mut Weights) {
    let d_in = weights.d_in();
    assert_eq!(d_in, weights.b_dec.len(), "rows are centred by `b_dec`");
    assert_eq!(weights.sizes(), grads.sizes(), "a gradient per weight");
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

/// One step of Adam on `factor` times `grads`; the decoder's rows are divided by their norms afterwards.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn apply(
    isa: Isa,
    parameters: Parameters<'_>,
    grads: &mut Weights,
    factor: f32,
    adam: AdamStep,
) {
    let Parameters { weights, moments, rounded } = parameters;
    assert!(moments.fit(weights) && weights.sizes() == grads.sizes(), "two moments, one gradient");
    let rounded = rounded_tasks(rounded, weights);
    let parts = weights.tasks().zip(moments.first.tasks()).zip(moments.second.tasks());
    let tasks: Vec<_> = parts.zip(grads.tasks()).zip(rounded).collect();
    tasks.into_par_iter().for_each(|((((weights, first), second), grads), rounded)| {
        isa.run(ApplyTask { weights, first, second, grads, factor, adam, rounded });
    });
    let Moments { first, second } = moments;
    let row =
        Row { weights: &mut weights.b_dec, first: &mut first.b_dec, second: &mut second.b_dec };
    isa.run(Scale { values: &mut grads.b_dec, factor });
    isa.run(AdamRow { row, grad: &grads.b_dec, adam });
}

/// Updates a range of latents; returns their part of `b_dec`'s gradient.
struct UpdateTask<'a> {
    sums: Sums<'a>,
    d_in: usize,
    weights: Part<'a>,
    first: Part<'a>,
    second: Part<'a>,
    adam: AdamStep,
    rounded: Option<RoundedPart<'a>>,
}

impl Kernel for UpdateTask<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) -> Vec<f32> {
        let Self { sums, d_in, weights, first, second, adam, mut rounded } = self;
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
            let w_enc = adam_row(simd, w_enc, &g_enc, adam);
            if let Some(rounded) = &mut rounded {
                rounded.set(simd, i, w_enc);
            }
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

/// Computes the gradients of a range of latents; returns their part of `b_dec`'s gradient.
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

/// Updates a range of latents with given gradients.
struct ApplyTask<'a> {
    weights: Part<'a>,
    first: Part<'a>,
    second: Part<'a>,
    grads: Part<'a>,
    factor: f32,
    adam: AdamStep,
    rounded: Option<RoundedPart<'a>>,
}

impl Kernel for ApplyTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        let Self { weights, first, second, grads, factor, adam, mut rounded } = self;
        let latents = weights.b_enc.len();
        let d_out = weights.w_dec.len() / latents;
        for grads in [&mut *grads.w_enc, &mut *grads.b_enc, &mut *grads.w_dec] {
            for g in grads.iter_mut() {
                *g *= factor;
            }
        }
        let row = |weights, first, second| Row { weights, first, second };
        let w_enc =
            adam_row(simd, row(weights.w_enc, first.w_enc, second.w_enc), grads.w_enc, adam);
        if let Some(rounded) = &mut rounded {
            for (i, row) in w_enc.chunks_exact(w_enc.len() / latents).enumerate() {
                rounded.set(simd, i, row);
            }
        }
        adam_row(simd, row(weights.b_enc, first.b_enc, second.b_enc), grads.b_enc, adam);
        adam_row(simd, row(&mut *weights.w_dec, first.w_dec, second.w_dec), grads.w_dec, adam);
        weights.w_dec.chunks_exact_mut(d_out).for_each(|row| renormalise(simd, row));
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
