//! Row thresholds to start with: an estimate of the `k`-th largest values, from the batch before.
//!
//! ```text
//! share         = 0.95 times the smallest  k-th largest value / ‖x‖  over the rows of the last batch
//! row_threshold = share ‖x‖                                          per row, at first
//! ```
//! Without it, a row collects the first few hundred values that it sees. Where the estimate is too high,
//! too few candidates are left; this is noticed, and those rows are done again. A warm start therefore
//! changes the time and never the result.

use rayon::prelude::*;

use crate::codes::CsrCodes;
use crate::simd::{Isa, Kernel, Lanes, Simd};

/// Fraction of the smallest share that is used, so that hardly any row has to be done again.
const EASED: f32 = 0.95;

/// The estimate for the next batch, and buffers.
#[derive(Debug, Default)]
pub(crate) struct WarmStart {
    share: Option<f32>,
    norms: Vec<f32>,
    row_thresholds: Vec<f32>,
}

impl WarmStart {
    /// The thresholds of the rows `x`, `[rows, d]`, or `None` where no batch came before.
    pub(crate) fn row_thresholds(&mut self, isa: Isa, x: &[f32], d: usize) -> Option<&[f32]> {
        let Self { share, norms, row_thresholds } = self;
        norms.resize(x.len().checked_div(d).unwrap_or(0), 0.0);
        let rows = x.par_chunks((64 * d).max(1)).zip(norms.par_chunks_mut(64));
        rows.for_each(|(x, norms)| isa.run(RowNorms { x, d, norms }));
        share.map(|share| {
            row_thresholds.clear();
            row_thresholds.extend(norms.iter().map(|norm| share * norm));
            &row_thresholds[..]
        })
    }

    /// The share that the next batch starts with.
    #[cfg(test)]
    pub(crate) fn share(&self) -> Option<f32> {
        self.share
    }

    /// Estimates the next share from the codes of the rows last given to
    /// [`row_thresholds`](Self::row_thresholds).
    pub(crate) fn learn(&mut self, codes: &CsrCodes, k: usize) {
        let share = |(row, norm): (usize, &f32)| {
            let values = codes.row(row).1;
            // A row with fewer than `k` positive values allows no threshold above zero.
            let least = values.iter().copied().fold(f32::INFINITY, f32::min);
            if values.len() == k { least / norm } else { 0.0 }
        };
        let least = self.norms.iter().enumerate().map(share).fold(f32::INFINITY, f32::min);
        let share = EASED * least;
        self.share = (share > 0.0 && share.is_finite()).then_some(share);
    }
}

/// The norm of each row.
struct RowNorms<'a> {
    x: &'a [f32],
    d: usize,
    norms: &'a mut [f32],
}

impl Kernel for RowNorms<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        for (x, norm) in self.x.chunks_exact(self.d).zip(self.norms) {
            *norm = simd.dot(x, x).sqrt();
        }
    }
}
