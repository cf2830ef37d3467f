//! Rows and weights to measure with: the same for the same sizes, on every machine.

use rayon::prelude::*;
use saekit_core::Matrix;
use saekit_core::rng::Rng;

/// Directions that a row adds up.
const DIRECTIONS: u64 = 16;
/// Standard deviation of the noise in each column.
const NOISE: f64 = 0.05;

/// Rows made of a few of 512 unit directions each, and noise.
pub(super) struct Source(Matrix);

impl Source {
    /// Rows of width `d_in`.
    pub(super) fn new(d_in: usize) -> Self {
        Self(directions(Rng::new(0, "bench.truth"), 512, d_in))
    }

    /// `rows` of them, `[rows, d_in]`; others for another `seed`.
    pub(super) fn rows(&self, seed: u64, rows: usize) -> Matrix {
        let Self(truth) = self;
        let rng = Rng::new(seed, "bench.rows");
        let mut x = Matrix::zeros(rows, truth.cols());
        x.as_mut_slice().par_chunks_mut(truth.cols()).enumerate().for_each(|(i, x)| {
            let rng = rng.child(i as u64);
            for (c, x) in (0..).zip(x.iter_mut()) {
                *x = (NOISE * rng.normal(2 * DIRECTIONS + c)) as f32;
            }
            for j in 0..DIRECTIONS {
                let size = (0.5 + 2.0 * rng.uniform(2 * j)) as f32;
                let direction = truth.row(rng.below(2 * j + 1, truth.rows() as u64) as usize);
                x.iter_mut().zip(direction).for_each(|(x, t)| *x += size * t);
            }
        });
        x
    }
}

/// `rows` random unit vectors of width `d`.
pub(super) fn directions(rng: Rng, rows: usize, d: usize) -> Matrix {
    let mut matrix = Matrix::zeros(rows, d);
    matrix.as_mut_slice().par_chunks_mut(d).enumerate().for_each(|(i, row)| {
        let rng = rng.child(i as u64);
        (0..).zip(row.iter_mut()).for_each(|(c, v)| *v = rng.normal(c) as f32);
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        for v in row.iter_mut() {
            *v /= norm;
        }
    });
    matrix
}
