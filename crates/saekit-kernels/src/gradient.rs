//! The gradients of some latents, from their entries.

use rayon::prelude::*;

use crate::codes::{CscCodes, DENSE, Entry};
use crate::residual::Prefix;
use crate::simd::{Isa, Kernel, Lanes, Simd, Strided, Threads, matmul};

/// Rows per task, in sums over rows.
pub(crate) const TASK_ROWS: usize = 64;

/// One term of the loss, as its gradient needs it: codes, and the errors of their reconstruction.
#[derive(Clone, Copy, Debug)]
pub struct TermGrad<'a> {
    /// The codes, with the derivative of the loss by each value.
    pub codes: &'a CscCodes,
    /// The errors of each group, `[groups, rows, d_out]`.
    pub errors: &'a [f32],
    /// Where the groups end.
    pub prefixes: &'a [Prefix],
    /// Factor of the squared errors in the loss.
    pub scale: f32,
    /// Whether the reconstruction included `b_dec`.
    pub bias: bool,
}

/// The inputs of an update besides the weights.
#[derive(Clone, Copy, Debug)]
pub struct StepInput<'a> {
    /// The rows, centred by `b_dec`, `[rows, d_in]`.
    pub x: &'a [f32],
    /// The terms of the loss.
    pub terms: &'a [TermGrad<'a>],
}

/// `b_dec`'s gradient through the decoder: `-2 scale Σ error`.
pub(crate) fn bias_gradient(isa: Isa, batch: &StepInput<'_>, d_out: usize) -> Vec<f32> {
    let mut sum = vec![0.0; d_out];
    for term in batch.terms.iter().filter(|term| term.bias && !term.prefixes.is_empty()) {
        let rows = term.errors.len() / term.prefixes.len();
        let parts: Vec<Vec<f32>> = term.errors[..rows]
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
        isa.run(AddScaled { values: &total, factor: -2.0 * term.scale, out: &mut sum });
    }
    sum
}

/// The gradients of a range of latents.
pub(crate) struct Sums<'a> {
    pub(crate) batch: StepInput<'a>,
    pub(crate) first: usize,
    pub(crate) d_in: usize,
    /// The gradients of `w_enc`, `[latents, d_in]`, and `w_dec`, `[latents, d_out]`, where dense products
    /// computed them.
    pub(crate) dense: Option<(Vec<f32>, Vec<f32>)>,
}

impl<'a> Sums<'a> {
    pub(crate) fn new(batch: StepInput<'a>, first: usize, latents: usize, d_in: usize) -> Self {
        let dense = match batch.terms {
            [term] => dense_sums(batch.x, term, first..first + latents, d_in),
            _ => None,
        };
        Self { batch, first, d_in, dense }
    }

    /// Writes the gradients of latent number `i` of the range to `g_enc`, `[d_in]`, and `g_dec`, `[d_out]`;
    /// returns that of its bias.
    #[inline(always)]
    pub(crate) fn of<V: Lanes>(
        &self,
        simd: Simd<V>,
        i: usize,
        g_enc: &mut [f32],
        g_dec: &mut [f32],
    ) -> f32 {
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
        for term in self.batch.terms {
            let entries = term.codes.latent(latent);
            g_b += active(entries).map(|entry| entry.grad).sum::<f32>();
            if self.dense.is_none() {
                let errors = group_errors(term, latent);
                let (x, factor) = (self.batch.x, -2.0 * term.scale);
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

/// The entries that took part in the reconstruction: those whose value is not 0.
#[inline(always)]
pub(crate) fn active(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.value != 0.0)
}

/// The errors that `latent` sees, `[rows, d_out]`.
pub(crate) fn group_errors<'a>(term: &TermGrad<'a>, latent: usize) -> &'a [f32] {
    let size = term.errors.len() / term.prefixes.len().max(1);
    let group = term.prefixes.partition_point(|prefix| prefix.end <= latent);
    &term.errors[group * size..(group + 1) * size]
}

/// Both gradients as dense products, `[latents, d_in]` and `[latents, d_out]`; `None` where fewer than
/// [`DENSE`] of the values are active or the latents are in several groups.
pub(crate) fn dense_sums(
    x: &[f32],
    term: &TermGrad<'_>,
    latents: std::ops::Range<usize>,
    d_in: usize,
) -> Option<(Vec<f32>, Vec<f32>)> {
    let rows = x.len() / d_in.max(1);
    let offsets = &term.codes.offsets[latents.start..=latents.end];
    let entries = offsets[latents.len()] - offsets[0];
    let one_group =
        term.prefixes.iter().all(|prefix| prefix.end <= latents.start || prefix.end >= latents.end);
    if (entries as f64) < DENSE * (rows * latents.len()) as f64 || entries == 0 || !one_group {
        return None;
    }
    let (mut values, mut grads) =
        (vec![0.0; latents.len() * rows], vec![0.0; latents.len() * rows]);
    for (i, latent) in latents.clone().enumerate() {
        for Entry { row, value, grad } in active(term.codes.latent(latent)) {
            values[i * rows + *row as usize] = -2.0 * term.scale * value;
            grads[i * rows + *row as usize] = *grad;
        }
    }
    let errors = group_errors(term, latents.start);
    let d_out = errors.len() / rows;
    let (mut encoder, mut decoder) =
        (vec![0.0; latents.len() * d_in], vec![0.0; latents.len() * d_out]);
    matmul(Strided::rows(&grads, rows), Strided::rows(x, d_in), Threads::One, &mut encoder);
    matmul(Strided::rows(&values, rows), Strided::rows(errors, d_out), Threads::One, &mut decoder);
    Some((encoder, decoder))
}

/// `out += factor · values`.
pub(crate) struct AddScaled<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) factor: f32,
    pub(crate) out: &'a mut [f32],
}

impl Kernel for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        simd.axpy(self.out, self.factor, self.values);
    }
}

/// `out += Σ parts`, in their order.
pub(crate) struct AddAll<'a, T> {
    pub(crate) parts: &'a [T],
    pub(crate) out: &'a mut [f32],
}

impl<T: AsRef<[f32]>> Kernel for AddAll<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        simd.axpys(self.out, self.parts.len(), |i| (1.0, self.parts[i].as_ref()));
    }
}
