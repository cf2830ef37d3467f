use crate::manifest::ColumnInfo;
use crate::{ColumnSpec, DType};

/// Running statistics of a column, in double precision, in the order rows are pushed.
#[derive(Debug)]
pub(crate) struct ColumnStats {
    sums: Vec<f64>,
    norms: f64,
    rows: u64,
}

impl ColumnStats {
    pub(crate) fn new(width: usize) -> Self {
        Self { sums: vec![0.0; width], norms: 0.0, rows: 0 }
    }

    /// Counts a row as it is stored.
    pub(crate) fn push(&mut self, row: &[f32]) {
        for (sum, value) in self.sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
        self.norms += squared_norm(row).sqrt();
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
        }
    }
}

/// The factor that gives rows of mean norm `mean_norm` the mean norm `sqrt(width)`; 1 where there is
/// no such factor in single precision.
fn scale(width: usize, mean_norm: f64) -> f32 {
    let scale = ((width as f64).sqrt() / mean_norm) as f32;
    if scale.is_finite() && scale > 0.0 { scale } else { 1.0 }
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

#[cfg(test)]
mod tests {
    use super::*;
    use saekit_core::HookPoint;

    fn info(width: usize, rows: &[&[f32]]) -> ColumnInfo {
        let mut stats = ColumnStats::new(width);
        for row in rows {
            stats.push(row);
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
        assert_eq!(info(3, &[&[0.0; 3]]).scale, 1.0);
    }
}
