//! Bars to begin with: about where the `k`-th largest values will be, from the batches before.
//!
//! ```text
//! share = the least of  k-th largest value / ‖x‖  over the rows of the last batch, and a little less
//! a row's bar is  share ‖x‖  at first
//! ```
//! Without it a row remembers the first few hundred values it sees. What is guessed too high is found
//! out, and those rows are done again: a head start changes time and no result.

use rayon::prelude::*;

use crate::codes::SparseRows;
use crate::simd::{Isa, Kernel, Lanes, Simd};

/// The part of the least share that is taken, so that hardly a row is done again.
const EASED: f32 = 0.95;

/// What is known of a sequence of batches.
#[derive(Debug, Default)]
pub(crate) struct HeadStart {
    share: Option<f32>,
    norms: Vec<f32>,
    bars: Vec<f32>,
}

impl HeadStart {
    /// The bars of the rows `x`, of width `d`, where anything is known.
    pub(crate) fn bars(&mut self, isa: Isa, x: &[f32], d: usize) -> Option<&[f32]> {
        let Self { share, norms, bars } = self;
        norms.resize(x.len().checked_div(d).unwrap_or(0), 0.0);
        let rows = x.par_chunks((64 * d).max(1)).zip(norms.par_chunks_mut(64));
        rows.for_each(|(x, norms)| isa.run(RowNorms { x, d, norms }));
        share.map(|share| {
            bars.clear();
            bars.extend(norms.iter().map(|norm| share * norm));
            &bars[..]
        })
    }

    /// The share that the next batch begins with.
    #[cfg(test)]
    pub(crate) fn share(&self) -> Option<f32> {
        self.share
    }

    /// Learns from the codes of the rows whose bars were asked for.
    pub(crate) fn learn(&mut self, codes: &SparseRows, k: usize) {
        let share = |(row, norm): (usize, &f32)| {
            let values = codes.row(row).1;
            // A row with fewer values has nothing to begin with.
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
