//! Initial weights and the initial decoder bias.

use saekit_core::rng::Rng;
use saekit_core::{Matrix, MatrixView};

/// `rows` random directions of width `cols` and unit norm: normal entries, normalised.
pub(crate) fn unit_rows(rng: Rng, rows: usize, cols: usize) -> Matrix {
    let values = (0..(rows * cols) as u64).map(|i| rng.normal(i) as f32).collect();
    let mut matrix = Matrix::new(rows, cols, values);
    for row in matrix.as_mut_slice().chunks_mut(cols.max(1)) {
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        for value in row.iter_mut() {
            *value /= norm;
        }
    }
    matrix
}

/// Returns the geometric median of the rows of `x`, `[rows, d]`: the point `[d]` with the smallest sum of
/// distances to them.
///
/// Weiszfeld's iteration in f64, until it moves by less than 1e-6 of its norm, at most 100 times. Rows
/// closer than 1e-8 to the current point count as 1e-8 away, to avoid dividing by zero.
pub fn geometric_median(x: MatrixView<'_>) -> Vec<f32> {
    let mut point = weighted_mean(x, |_| 1.0);
    for _ in 0..100 {
        let next = weighted_mean(x, |row| 1.0 / distance(row, &point).max(1e-8));
        let moved = next.iter().zip(&point).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let norm = next.iter().map(|v| v * v).sum::<f64>().sqrt();
        point = next;
        if moved <= 1e-6 * norm {
            break;
        }
    }
    point.into_iter().map(|v| v as f32).collect()
}

fn distance(row: &[f32], point: &[f64]) -> f64 {
    row.iter().zip(point).map(|(x, p)| (f64::from(*x) - p).powi(2)).sum::<f64>().sqrt()
}

/// The weighted mean of the rows; zero without rows.
fn weighted_mean(x: MatrixView<'_>, weight: impl Fn(&[f32]) -> f64) -> Vec<f64> {
    let (mut sum, mut total) = (vec![0.0; x.cols()], 0.0);
    for row in x.iter() {
        let w = weight(row);
        total += w;
        sum.iter_mut().zip(row).for_each(|(s, x)| *s += w * f64::from(*x));
    }
    sum.into_iter().map(|s| if total > 0.0 { s / total } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_how_far_an_outlier_is() {
        let mut values = vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let square = geometric_median(MatrixView::new(4, 2, &values));
        assert!((square[0] - 0.5).abs() < 1e-4 && (square[1] - 0.5).abs() < 1e-4, "{square:?}");
        values.extend([1e6, 1e6]);
        let pulled = geometric_median(MatrixView::new(5, 2, &values));
        assert!(pulled.iter().all(|v| *v <= 1.001), "{pulled:?}");
    }

    #[test]
    fn of_nothing_it_is_the_origin() {
        assert_eq!(geometric_median(MatrixView::new(0, 2, &[])), [0.0, 0.0]);
    }

    #[test]
    fn rows_have_unit_norm() {
        let rows = unit_rows(Rng::new(1, "w"), 10, 7);
        for row in rows.view().iter() {
            assert!((row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}
