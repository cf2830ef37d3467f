//! The manifest's statistics against those of the rows.

use std::path::Path;

use saekit_core::RowBatch;

use crate::error::{DamageError, Result};
use crate::format::manifest::ColumnInfo;
use crate::format::stats::ColumnStats;

/// How far the mean norm, and each value of the mean row, may be from that of the rows, relative to the
/// mean norm. Sums in another order and single precision in the manifest differ by less than a
/// hundredth of this.
const TOLERANCE: f64 = 1e-5;

/// Statistics of the rows that were read.
pub(super) struct Statistics<'a> {
    columns: &'a [ColumnInfo],
    stats: Vec<ColumnStats>,
}

impl<'a> Statistics<'a> {
    /// Of no rows yet.
    pub(super) fn new(columns: &'a [ColumnInfo]) -> Self {
        Self { columns, stats: columns.iter().map(|c| ColumnStats::new(c.width)).collect() }
    }

    /// Counts the rows of `batch`, which has the same columns.
    pub(super) fn push(&mut self, batch: &RowBatch) {
        for (stats, matrix) in self.stats.iter_mut().zip(&batch.columns) {
            for row in 0..matrix.rows() {
                stats.push(matrix.row(row), matrix.row(row));
            }
        }
    }

    /// Fails where the manifest at `path` says something else.
    pub(super) fn compare(&self, path: &Path) -> Result<()> {
        for (said, stats) in self.columns.iter().zip(&self.stats) {
            let found = stats.finish(&said.spec(), said.dtype);
            if let Some((what, said_value, found_value)) = difference(said, &found) {
                return Err(DamageError::Statistics {
                    path: path.to_owned(),
                    column: said.name.to_string(),
                    what,
                    said: said_value,
                    found: found_value,
                }
                .into());
            }
        }
        Ok(())
    }
}

/// The first figure in which `said` differs from `found`, with both its values.
fn difference(said: &ColumnInfo, found: &ColumnInfo) -> Option<(String, f64, f64)> {
    let limit = TOLERANCE * found.mean_norm;
    let differ = |a: f64, b: f64| (a - b).abs() > limit;
    if differ(said.mean_norm, found.mean_norm) {
        return Some(("`mean_norm`".to_owned(), said.mean_norm, found.mean_norm));
    }
    let means = said.mean.iter().zip(&found.mean).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let (element, (a, b)) = means.enumerate().find(|(_, (a, b))| differ(*a, *b))?;
    Some((format!("element {element} of `mean`"), a, b))
}
