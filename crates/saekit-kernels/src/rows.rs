//! Rows of a step: centred copies, and their variance.

use rayon::prelude::*;

use crate::simd::{Isa, Kernel, Lanes, Simd};

/// Rows per task.
const TASK_ROWS: usize = 64;

/// Writes the rows `x`, `[rows, d]`, minus `b_dec`, `[d]`, to `out`, `[rows, d]`.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn centre(x: &[f32], b_dec: &[f32], out: &mut Vec<f32>) {
    let d = b_dec.len().max(1);
    assert!(x.len().is_multiple_of(d), "rows are {d} wide");
    out.resize(x.len(), 0.0);
    out.par_chunks_mut(TASK_ROWS * d).zip(x.par_chunks(TASK_ROWS * d)).for_each(|(out, x)| {
        for (out, x) in out.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
            for ((out, x), b) in out.iter_mut().zip(x).zip(b_dec) {
                *out = x - b;
            }
        }
    });
}

/// Returns `Σ (x - x̄)²` over the rows of `x`, `[rows, d]`, where `x̄` is their mean. The result is at least
/// 1e-12 times `Σ x²`, below which it would be rounding errors, and never zero.
pub fn variance(isa: Isa, x: &[f32], d: usize) -> f64 {
    let task = (TASK_ROWS * d).max(1);
    let parts: Vec<(Vec<f64>, f64)> =
        x.par_chunks(task).map(|x| isa.run(Spread { x, d })).collect();
    let mut sum = vec![0.0; d];
    let mut squares = 0.0;
    for (part, square) in &parts {
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        squares += square;
    }
    let n = (x.len() / d.max(1)).max(1) as f64;
    let spread = squares - sum.iter().map(|s| s * s / n).sum::<f64>();
    spread.max(1e-12 * squares).max(f64::from(f32::MIN_POSITIVE))
}

/// Sums of the columns and of all squares, in f64.
struct Spread<'a> {
    x: &'a [f32],
    d: usize,
}

impl Kernel for Spread<'_> {
    type Output = (Vec<f64>, f64);

    #[inline(always)]
    fn run<V: Lanes>(self, _simd: Simd<V>) -> (Vec<f64>, f64) {
        let mut sum = vec![0.0; self.d];
        let mut squares = [0.0; 8];
        for row in self.x.chunks_exact(self.d.max(1)) {
            let (chunks, rest) = row.as_chunks::<8>();
            for (sum, chunk) in sum.chunks_exact_mut(8).zip(chunks) {
                for i in 0..8 {
                    let value = f64::from(chunk[i]);
                    sum[i] += value;
                    squares[i] += value * value;
                }
            }
            for (sum, value) in sum[8 * chunks.len()..].iter_mut().zip(rest) {
                let value = f64::from(*value);
                *sum += value;
                squares[0] += value * value;
            }
        }
        (sum, squares.iter().sum())
    }
}
