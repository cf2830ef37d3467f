//! What folds need of all latents at once, a block of latents at a time.

use rayon::prelude::*;
use saekit_core::{Matrix, MatrixView};
use saekit_kernels::matmul_nt;

use crate::Result;
use crate::index::LatentIndex;

/// Rows that each of some latents shares with every latent.
pub(crate) struct Together {
    first: u32,
    d_code: usize,
    counts: Vec<u32>,
}

impl Together {
    /// Latents whose counts fit into `memory` bytes.
    pub(crate) fn latents_in(memory: u64, d_code: usize) -> usize {
        ((memory / 4 / d_code.max(1) as u64) as usize).min(d_code)
    }

    /// Counts for latents `first..first + latents`, in one pass over the codes of all rows.
    ///
    /// Threads divide the latents and each reads all codes, so counts need no locks.
    pub(crate) fn count(index: &LatentIndex, first: u32, latents: usize) -> Result<Self> {
        let d_code = index.d_code();
        let mut counts = vec![0_u32; latents * d_code];
        let share = latents.div_ceil(rayon::current_num_threads()).max(1);
        counts.par_chunks_mut(share * d_code).enumerate().try_for_each(|(part, counts)| {
            let start = first + (part * share) as u32;
            let end = start + (counts.len() / d_code) as u32;
            index.for_each_row(|ids| {
                let from = ids.partition_point(|id| *id < start);
                for own in ids[from..].iter().take_while(|id| **id < end) {
                    let row = &mut counts[(own - start) as usize * d_code..][..d_code];
                    for other in ids {
                        row[*other as usize] += 1;
                    }
                }
            })
        })?;
        Ok(Self { first, d_code, counts })
    }

    /// The counts of `latent`, `[d_code]`.
    pub(crate) fn of(&self, latent: u32) -> &[u32] {
        &self.counts[(latent - self.first) as usize * self.d_code..][..self.d_code]
    }
}

/// Products of a block of decoder rows with a matrix of the same width.
pub(crate) struct Products {
    first: u32,
    width: usize,
    values: Vec<f32>,
}

impl Products {
    /// `rows[first..first + latents] matrixᵀ`.
    pub(crate) fn of_block(
        rows: MatrixView<'_>,
        matrix: MatrixView<'_>,
        first: u32,
        latents: usize,
    ) -> Self {
        let block = rows.slice(first as usize, first as usize + latents);
        let mut values = vec![0.0; latents * matrix.rows()];
        matmul_nt(block.as_slice(), matrix.as_slice(), matrix.cols(), &mut values);
        Self { first, width: matrix.rows(), values }
    }

    /// The products of `latent`.
    pub(crate) fn of(&self, latent: u32) -> &[f32] {
        &self.values[(latent - self.first) as usize * self.width..][..self.width]
    }
}

/// `rows` at Euclidean norm 1; zero rows stay.
pub(crate) fn unit_rows(rows: MatrixView<'_>) -> Matrix {
    let mut unit = rows.to_matrix();
    for i in 0..unit.rows() {
        let row = unit.row_mut(i);
        let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if norm > 0.0 {
            for v in row {
                *v = (f64::from(*v) / norm) as f32;
            }
        }
    }
    unit
}
