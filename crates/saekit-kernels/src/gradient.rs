//! The gradients of some latents, from their entries.

use rayon::prelude::*;

use crate::codes::{ByLatent, DENSE, Entry};
use crate::residual::Prefix;
use crate::simd::{Isa, Kernel, Lanes, Simd, Strided, Threads, matmul};

/// Rows a task, in sums over rows.
pub(crate) const TASK_ROWS: usize = 64;

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

/// Everything an update reads besides the weights.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The rows, centred by `b_dec`, `[rows, d_in]`.
    pub x: &'a [f32],
    /// What pulls.
    pub pulls: &'a [Pull<'a>],
}

/// `b_dec`'s gradient through the decoder: `-2 scale Σ error`.
pub(crate) fn bias_gradient(isa: Isa, batch: &Batch<'_>, d_out: usize) -> Vec<f32> {
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
pub(crate) struct Sums<'a> {
    pub(crate) batch: Batch<'a>,
    pub(crate) first: usize,
    pub(crate) d_in: usize,
    /// `[latents, d_in]` and `[latents, d_out]`, where dense products gave them.
    pub(crate) dense: Option<(Vec<f32>, Vec<f32>)>,
}

impl<'a> Sums<'a> {
    pub(crate) fn new(batch: Batch<'a>, first: usize, latents: usize, d_in: usize) -> Self {
        let dense = match batch.pulls {
            [pull] => dense_sums(batch.x, pull, first..first + latents, d_in),
            _ => None,
        };
        Self { batch, first, d_in, dense }
    }

    /// The gradients of latent number `i` of these: writes `g_enc` and `g_dec`, returns `g_b`.
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
pub(crate) fn active(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.value != 0.0)
}

/// The errors that `latent` sees, `[rows, d_out]`.
pub(crate) fn group_errors<'a>(pull: &Pull<'a>, latent: usize) -> &'a [f32] {
    let size = pull.errors.len() / pull.prefixes.len().max(1);
    let group = pull.prefixes.partition_point(|prefix| prefix.end <= latent);
    &pull.errors[group * size..(group + 1) * size]
}

/// Both gradients as dense products, where enough of the values are active and the latents are in
/// one group.
pub(crate) fn dense_sums(
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
