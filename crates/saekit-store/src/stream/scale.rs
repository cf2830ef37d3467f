//! The factor that scales rows, from the first of them.

use saekit_core::RowSource;

use crate::format::dtype::DType;
use crate::format::stats::ColumnStats;

/// Rows read at a time to look at their norms.
const LOOKED_AT_ONCE: u64 = 1024;

/// The factor that gives the first `rows` rows of `source` a mean norm of the root of their width,
/// in the first of its columns; the source is left where it was.
///
/// It is the same for rows from a disk and for rows being harvested, where the mean over all rows
/// is not known yet.
pub fn scale_of_first(source: &mut dyn RowSource, rows: u64) -> saekit_core::Result<f32> {
    let begin = source.cursor();
    let spec = source.columns()[0].clone();
    let mut stats = ColumnStats::new(spec.width);
    let mut left = rows.min(source.rows_per_epoch());
    while left > 0 {
        let Some(batch) = source.next_batch(left.min(LOOKED_AT_ONCE) as usize)? else { break };
        let rows = batch.columns[0].rows();
        for row in 0..rows {
            let row = batch.columns[0].row(row);
            stats.push(row, row);
        }
        left -= rows as u64;
    }
    source.seek(&begin)?;
    Ok(stats.finish(&spec, DType::F32).scale)
}
