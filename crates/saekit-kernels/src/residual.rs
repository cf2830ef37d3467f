//! Decoder, error and the derivative by the values, in one pass over the rows.
//!
//! ```text
//! for each row:                                                    in parallel
//!     e = y - b_dec - Σ values w_dec[id]        four latents at a time, e stays in the first cache
//!     error[row] = e;  sse += e · e
//!     for each active latent: grad = scale e · w_dec[id]           the rows are still in cache
//! ```
//! `4 k d` flops per row over `4 k d` gathered bytes. Where more than [`DENSE`] of a task's values are
//! active, two dense products compute the same.
//!
//! With several prefixes (Matryoshka; Bussmann et al., 2025), one gather serves all of them, because a row
//! lists its latents in ascending order: the error of a prefix is that of the shorter prefix minus the
//! latents in between. A latent of group `g` belongs to prefix `g` and to all longer ones, so its gradient
//! needs the weighted sum of their errors: `error[g] = Σ_{p >= g} weight_p e_p`.

use rayon::prelude::*;

use crate::codes::{CsrCodes, DENSE, split};
use crate::simd::{Isa, Kernel, Lanes, Simd, Strided, Threads, matmul};

/// Rows per task.
const TASK_ROWS: usize = 32;

/// The decoder's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    /// `[d_sae, d_out]`, latent-major.
    pub w_dec: &'a [f32],
    /// Added to every row, `[d_out]`; `None` leaves it out.
    pub b_dec: Option<&'a [f32]>,
}

/// The first latents of a dictionary, which reconstruct the target alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prefix {
    /// One more than the last latent.
    pub end: usize,
    /// Weight of its error in the loss.
    pub weight: f32,
}

/// The target minus the reconstruction, and its derivatives.
#[derive(Clone, Debug, Default)]
pub struct Residual {
    /// Per group, the weighted sum of the errors `y - ŷ` of all prefixes that hold the group:
    /// `[groups, rows, d_out]`.
    pub errors: Vec<f32>,
    /// Sum of the squared errors per prefix, unweighted.
    pub sse: Vec<f64>,
    /// The derivative of `scale Σ weight Σ (y - ŷ)²` by each value of the codes.
    pub grads: Vec<f32>,
}

/// The rows to reconstruct, and their weight in the loss.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The rows, `[rows, d_out]`.
    pub y: &'a [f32],
    /// Ascending, the last ends at `d_sae`; one of weight 1 is the usual loss.
    pub prefixes: &'a [Prefix],
    /// Factor of the squared errors in the loss.
    pub scale: f32,
}

/// Writes the target minus the decoded `codes`, and the derivatives, to `out`.
///
/// # Panics
/// If the sizes do not fit each other, or the prefixes are not ascending.
pub fn residual(
    isa: Isa,
    codes: &CsrCodes,
    decoder: Decoder<'_>,
    target: Target<'_>,
    out: &mut Residual,
) {
    let Target { y, prefixes, scale } = target;
    let rows = codes.rows();
    let d = y.len().checked_div(rows).unwrap_or(0);
    assert_eq!(y.len(), rows * d, "the target has a row per code");
    assert!(prefixes.is_sorted_by(|a, b| a.end < b.end), "prefixes ascend");
    let end = prefixes.last().map_or(0, |prefix| prefix.end);
    assert!(codes.ids.iter().all(|id| (*id as usize) < end), "prefixes hold every latent");
    assert!(decoder.b_dec.is_none_or(|b_dec| b_dec.len() == d || rows == 0), "`b_dec` is [{d}]");
    let groups = prefixes.len();
    out.errors.resize(groups * rows * d, 0.0);
    out.grads.resize(codes.len(), 0.0);
    let mut sse = vec![0.0; rows * groups];
    let parts = by_row(&mut out.errors, rows, groups, d)
        .into_iter()
        .zip(split(&codes.offsets, &mut out.grads))
        .zip(sse.chunks_mut(groups.max(1)));
    let mut rows: Vec<Row<'_, '_>> = parts
        .enumerate()
        .map(|(i, ((errors, grads), sse))| {
            let (ids, values) = codes.row(i);
            let y = &y[i * d..(i + 1) * d];
            Row { ids, values, y, decoder, prefixes, scale, errors, grads, sse }
        })
        .collect();
    rows.par_chunks_mut(TASK_ROWS).for_each(|rows| {
        let entries: usize = rows.iter().map(|row| row.ids.len()).sum();
        if groups == 1 && entries as f64 > DENSE * (rows.len() * end) as f64 {
            dense_rows(isa, rows, end);
        } else {
            for row in rows {
                isa.run(row);
            }
        }
    });
    out.sse = (0..groups).map(|g| sse.iter().skip(g).step_by(groups).sum()).collect();
}

/// The residual of rows with one prefix by dense products.
fn dense_rows(isa: Isa, rows: &mut [Row<'_, '_>], d_sae: usize) {
    let (n, d) = (rows.len(), rows[0].y.len());
    let w_dec = &rows[0].decoder.w_dec[..d_sae * d];
    let mut values = vec![0.0; n * d_sae];
    for (row, values) in rows.iter().zip(values.chunks_exact_mut(d_sae)) {
        for (id, value) in row.ids.iter().zip(row.values) {
            values[*id as usize] = *value;
        }
    }
    let mut errors = vec![0.0; n * d];
    let w_dec = Strided::rows(w_dec, d);
    matmul(Strided::rows(&values, d_sae), w_dec, Threads::One, &mut errors);
    for (row, error) in rows.iter_mut().zip(errors.chunks_exact_mut(d)) {
        isa.run(DenseRow { row, error });
    }
    matmul(Strided::rows(&errors, d), w_dec.transposed(), Threads::One, &mut values);
    for (row, products) in rows.iter_mut().zip(values.chunks_exact(d_sae)) {
        for (grad, id) in row.grads.iter_mut().zip(row.ids) {
            *grad = -2.0 * row.scale * products[*id as usize];
        }
    }
}

/// Splits `errors`, `[groups, rows, d]`, into the slices of each row: `[rows][groups]`.
fn by_row(errors: &mut [f32], rows: usize, groups: usize, d: usize) -> Vec<Vec<&mut [f32]>> {
    let mut found: Vec<Vec<&mut [f32]>> = (0..rows).map(|_| Vec::with_capacity(groups)).collect();
    if d > 0 {
        for (at, row) in errors.chunks_exact_mut(d).enumerate() {
            found[at % rows].push(row);
        }
    }
    found
}

/// One row.
struct Row<'a, 'b> {
    ids: &'a [u32],
    values: &'a [f32],
    y: &'a [f32],
    decoder: Decoder<'a>,
    prefixes: &'a [Prefix],
    scale: f32,
    errors: Vec<&'b mut [f32]>,
    grads: &'b mut [f32],
    sse: &'b mut [f64],
}

impl Kernel for &mut Row<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        let d = self.y.len();
        let w_dec = self.decoder.w_dec;
        let latent = |id: u32| &w_dec[id as usize * d..][..d];
        let mut starts = vec![0; self.errors.len() + 1];
        for (g, prefix) in self.prefixes.iter().enumerate() {
            let (done, rest) = self.errors.split_at_mut(g);
            let error = &mut *rest[0];
            error.copy_from_slice(done.last().map_or(self.y, |before| before));
            if let (0, Some(b_dec)) = (g, self.decoder.b_dec) {
                simd.axpy(error, -1.0, b_dec);
            }
            let end = self.ids.partition_point(|id| (*id as usize) < prefix.end);
            let (ids, values) = (&self.ids[starts[g]..end], &self.values[starts[g]..end]);
            simd.axpys(error, ids.len(), |i| (-values[i], latent(ids[i])));
            self.sse[g] = f64::from(simd.dot(error, error));
            starts[g + 1] = end;
        }
        for g in (0..self.errors.len()).rev() {
            let (here, after) = self.errors.split_at_mut(g + 1);
            let (error, weight) = (&mut *here[g], self.prefixes[g].weight);
            if weight != 1.0 {
                for e in error.iter_mut() {
                    *e *= weight;
                }
            }
            if let Some(after) = after.first() {
                simd.axpy(error, 1.0, after);
            }
            for i in starts[g]..starts[g + 1] {
                self.grads[i] = -2.0 * self.scale * simd.dot(error, latent(self.ids[i]));
            }
        }
    }
}

/// A row and its reconstruction without bias, `[d]`, which the kernel turns into the error.
struct DenseRow<'a, 'b, 'c> {
    row: &'a mut Row<'b, 'c>,
    error: &'a mut [f32],
}

impl Kernel for DenseRow<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        let Self { row, error } = self;
        for (e, y) in error.iter_mut().zip(row.y) {
            *e = y - *e;
        }
        if let Some(b_dec) = row.decoder.b_dec {
            simd.axpy(error, -1.0, b_dec);
        }
        row.sse[0] = f64::from(simd.dot(error, error));
        for e in error.iter_mut() {
            *e *= row.prefixes[0].weight;
        }
        row.errors[0].copy_from_slice(error);
    }
}
