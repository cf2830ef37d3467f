use saekit_core::ColumnSpec;
use serde::{Deserialize, Serialize};

use crate::format::dtype::DType;
use crate::format::manifest::ColumnInfo;
use crate::format::scale::scale;

/// Running statistics of a column, in double precision, in the order rows are pushed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ColumnStats {
    sums: Vec<f64>,
    norms: f64,
    /// Sum of the squared values, as they came.
    squares: f64,
    /// Sum of their squared differences to what is stored.
    errors: f64,
    rows: u64,
}

impl ColumnStats {
    pub(crate) fn new(width: usize) -> Self {
        Self { sums: vec![0.0; width], norms: 0.0, squares: 0.0, errors: 0.0, rows: 0 }
    }

    /// Values per row.
    pub(crate) fn width(&self) -> usize {
        self.sums.len()
    }

    /// Rows counted.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Counts the row that came as `row` and is stored as `stored`.
    pub(crate) fn push(&mut self, row: &[f32], stored: &[f32]) {
        for (sum, value) in self.sums.iter_mut().zip(stored) {
            *sum += f64::from(*value);
        }
        self.norms += squared_norm(stored).sqrt();
        self.squares += squared_norm(row);
        self.errors += squared_distance(row, stored);
        self.rows += 1;
    }

    /// The manifest's entry.
    pub(crate) fn finish(&self, spec: &ColumnSpec, dtype: DType) -> ColumnInfo {
        let rows = self.rows.max(1) as f64;
        let mean_norm = self.norms / rows;
        ColumnInfo {
            name: spec.name.clone(),
            width: spec.width,
            dtype,
            mean_norm,
            scale: scale(spec.width, mean_norm),
            mean: self.sums.iter().map(|sum| (sum / rows) as f32).collect(),
            storage_error: Some(self.errors / self.squares.max(f64::MIN_POSITIVE)),
        }
    }
}

/// In eight partial sums, whose order is fixed, so that it runs at the speed of memory.
fn squared_norm(row: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    let chunks = row.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|v| f64::from(*v).powi(2)).sum();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// As [`squared_norm`], of the difference of two rows.
fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks, others) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = chunks.remainder().iter().zip(others.remainder());
    let rest: f64 = rest.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    for (chunk, other) in chunks.zip(others) {
        for (sum, (a, b)) in sums.iter_mut().zip(chunk.iter().zip(other)) {
            let difference = f64::from(*a) - f64::from(*b);
            *sum += difference * difference;
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use saekit_core::HookPoint;

    fn info(width: usize, rows: &[&[f32]]) -> ColumnInfo {
        let mut stats = ColumnStats::new(width);
        for row in rows {
            stats.push(row, row);
        }
        stats.finish(&ColumnSpec { name: HookPoint::new("h"), width }, DType::F32)
    }

    #[test]
    fn by_hand() {
        let info = info(2, &[&[3.0, 4.0], &[0.0, 1.0]]);
        assert_eq!((info.mean_norm, info.mean), (3.0, vec![1.5, 2.5]));
        assert_eq!(info.scale, (2.0_f64.sqrt() / 3.0) as f32);
    }

    #[test]
    fn long_rows_count_every_element() {
        let row: Vec<f32> = (0..19).map(|i| i as f32).collect();
        assert_eq!(
            info(19, &[&row]).mean_norm,
            (0..19).map(|i| f64::from(i * i)).sum::<f64>().sqrt()
        );
    }

    #[test]
    fn zeros_are_not_scaled() {
        let info = info(3, &[&[0.0; 3]]);
        assert_eq!((info.scale, info.storage_error), (1.0, Some(0.0)));
    }

    #[test]
    fn the_error_of_storing_is_relative_to_what_came() {
        let mut stats = ColumnStats::new(9);
        stats.push(&[3.0; 9], &[2.0; 9]);
        stats.push(&[1.0; 9], &[1.0; 9]);
        let info = stats.finish(&ColumnSpec { name: HookPoint::new("h"), width: 9 }, DType::F32);
        assert_eq!(info.storage_error, Some(9.0 / 90.0));
        assert_eq!(info.mean, [1.5; 9]);
    }
}
