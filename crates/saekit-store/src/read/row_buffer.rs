//! Rows in memory as they are stored.

use saekit_core::{Interrupt, RowBatch};

use crate::catalog::row_range::RowRange;
use crate::error::{Error, Result, StreamError};
use crate::read::projection::{ProjectedColumn, Projection, StoreView};

/// Rows of a few row groups, as stored. Its memory is kept from one [`read`](Self::read) to the next.
#[derive(Debug, Default)]
pub(crate) struct RowBuffer {
    ranges: Vec<RowRange>,
    columns: Vec<AlignedBytes>,
    sequences: Vec<u32>,
    positions: Vec<u32>,
}

/// Bytes aligned for every dtype.
#[derive(Debug, Default)]
struct AlignedBytes(Vec<u32>);

impl AlignedBytes {
    fn resize(&mut self, bytes: usize) {
        resize(&mut self.0, bytes.div_ceil(4));
    }

    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

/// Makes room for exactly `len` words, where a plain `resize` may take twice the memory.
fn resize(words: &mut Vec<u32>, len: usize) {
    words.reserve_exact(len.saturating_sub(words.len()));
    words.resize(len, 0);
}

impl RowBuffer {
    /// An empty buffer with capacity for `rows` rows. Reserving the largest pool up front avoids a
    /// reallocation that would briefly hold old and new buffers; the system commits pages only when
    /// they are written.
    pub(crate) fn with_capacity(projection: &Projection, rows: usize) -> Self {
        let words =
            |column: &ProjectedColumn| Vec::with_capacity((rows * column.row_bytes).div_ceil(4));
        let numbers = if projection.shape().has_tokens() { rows } else { 0 };
        Self {
            ranges: Vec::new(),
            columns: projection.columns.iter().map(|column| AlignedBytes(words(column))).collect(),
            sequences: Vec::with_capacity(numbers),
            positions: Vec::with_capacity(numbers),
        }
    }

    /// Replaces the rows by those of `ranges`, one range after the other. Returns
    /// `Interrupted` once `stop` is raised.
    pub(crate) fn read(
        &mut self,
        view: StoreView<'_>,
        ranges: &[RowRange],
        stop: &Interrupt,
    ) -> Result<()> {
        self.resize(view.projection, ranges.iter().map(|range| range.rows as usize).sum());
        self.ranges.clear();
        self.ranges.extend_from_slice(ranges);
        let mut first = 0;
        for range in ranges {
            stop.check()?;
            self.read_range(view, *range, first)?;
            first += range.rows as usize;
        }
        Ok(())
    }

    fn resize(&mut self, projection: &Projection, rows: usize) {
        self.columns.resize_with(projection.columns.len(), AlignedBytes::default);
        for (bytes, column) in self.columns.iter_mut().zip(&projection.columns) {
            bytes.resize(rows * column.row_bytes);
        }
        let numbers = if projection.shape().has_tokens() { rows } else { 0 };
        resize(&mut self.sequences, numbers);
        resize(&mut self.positions, numbers);
    }

    /// Reads `range` so that its first row becomes row `first` of the buffer.
    fn read_range(&mut self, view: StoreView<'_>, range: RowRange, first: usize) -> Result<()> {
        let StoreView { store, projection } = view;
        let shard = &store.shards[range.shard as usize];
        let (group, rows) = (range.index as usize, range.rows as usize);
        for (bytes, column) in self.columns.iter_mut().zip(&projection.columns) {
            let start = first * column.row_bytes;
            let target = &mut bytes.bytes_mut()[start..start + rows * column.row_bytes];
            shard.read_column(group, range.range(), column.index, target)?;
        }
        if projection.shape().has_tokens() {
            let numbers = first..first + rows;
            let sequences = &mut self.sequences[numbers.clone()];
            shard.read_tokens(group, range.range(), sequences, &mut self.positions[numbers])?;
        }
        Ok(())
    }

    /// Copies row `row` into row `to` of `batch`, converted and scaled. Rows have to come in ascending
    /// order of `to`, since sequences and positions are appended. Fails at a value that is not finite.
    pub(crate) fn copy_row(
        &self,
        view: StoreView<'_>,
        row: usize,
        to: usize,
        batch: &mut RowBatch,
    ) -> Result<()> {
        let columns = self.columns.iter().zip(&view.projection.columns).zip(&mut batch.columns);
        for ((bytes, column), matrix) in columns {
            let stored = &bytes.bytes()[row * column.row_bytes..][..column.row_bytes];
            if !column.dtype.load(stored, column.scale, matrix.row_mut(to)) {
                return Err(self.non_finite(view, column, row, matrix.row(to)));
            }
        }
        if view.projection.shape().has_tokens() {
            batch.sequences.push(self.sequences[row]);
            batch.positions.push(self.positions[row]);
        }
        Ok(())
    }

    /// Decodes row `row` of the chosen column number `column` into `out`, converted and scaled; returns
    /// whether every value is finite.
    pub(crate) fn decode_row(
        &self,
        row: usize,
        projection: &Projection,
        column: usize,
        out: &mut [f32],
    ) -> bool {
        let ProjectedColumn { dtype, row_bytes, scale, .. } = projection.columns[column];
        let stored = &self.columns[column].bytes()[row * row_bytes..][..row_bytes];
        dtype.load(stored, scale, out)
    }

    /// The error for row `row` of the buffer, which has `values` in `column`.
    #[cold]
    fn non_finite(
        &self,
        view: StoreView<'_>,
        column: &ProjectedColumn,
        row: usize,
        values: &[f32],
    ) -> Error {
        let store = view.store;
        let element = values.iter().position(|value| !value.is_finite()).unwrap_or(0);
        let mut first = 0;
        for range in &self.ranges {
            let rows = range.rows as usize;
            if row < first + rows {
                let shard = &store.shards[range.shard as usize];
                let before = shard.group_rows().iter().take(range.index as usize);
                let before: u64 = before.map(|rows| u64::from(*rows)).sum();
                return StreamError::StoredNonFinite {
                    path: shard.path().to_owned(),
                    column: store.manifest.columns[column.index].name.to_string(),
                    row: before + u64::from(range.skip) + (row - first) as u64,
                    element,
                    value: values[element],
                }
                .into();
            }
            first += rows;
        }
        unreachable!("the row is of one of the ranges")
    }
}
