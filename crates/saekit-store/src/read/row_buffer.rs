//! Rows in memory as they are stored, and batches made of them.

use saekit_core::{Interrupt, RowBatch};

use crate::catalog::Catalog;
use crate::catalog::row_range::RowRange;
use crate::error::{Error, Result, StreamError};
use crate::read::projection::{Selected, Selection};

/// Rows of a few row groups, as stored. Its memory is kept from one filling to the next.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    groups: Vec<RowRange>,
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

/// Makes room for exactly as many, where a plain `resize` may take twice the memory.
fn resize(words: &mut Vec<u32>, len: usize) {
    words.reserve_exact(len.saturating_sub(words.len()));
    words.resize(len, 0);
}

impl Rows {
    /// None, with memory for `rows` rows of `selection`, which is not touched before it is needed: were
    /// it taken when a larger filling comes, there would be both for a while.
    pub(crate) fn with_room(selection: &Selection, rows: usize) -> Self {
        let words = |column: &Selected| Vec::with_capacity((rows * column.row_bytes).div_ceil(4));
        let numbers = if selection.tokens { rows } else { 0 };
        Self {
            groups: Vec::new(),
            columns: selection.columns.iter().map(|column| AlignedBytes(words(column))).collect(),
            sequences: Vec::with_capacity(numbers),
            positions: Vec::with_capacity(numbers),
        }
    }

    /// Replaces the rows by those of `groups`, one group after the other; gives up as interrupted
    /// once `stop` is raised.
    pub(crate) fn fill(
        &mut self,
        store: &Catalog,
        selection: &Selection,
        groups: &[RowRange],
        stop: &Interrupt,
    ) -> Result<()> {
        self.resize(selection, groups.iter().map(|group| group.rows as usize).sum());
        self.groups.clear();
        self.groups.extend_from_slice(groups);
        let mut first = 0;
        for group in groups {
            stop.check()?;
            self.read(store, selection, *group, first)?;
            first += group.rows as usize;
        }
        Ok(())
    }

    fn resize(&mut self, selection: &Selection, rows: usize) {
        self.columns.resize_with(selection.columns.len(), AlignedBytes::default);
        for (bytes, column) in self.columns.iter_mut().zip(&selection.columns) {
            bytes.resize(rows * column.row_bytes);
        }
        let numbers = if selection.tokens { rows } else { 0 };
        resize(&mut self.sequences, numbers);
        resize(&mut self.positions, numbers);
    }

    /// Reads `group` so that its first row becomes row `first`.
    fn read(
        &mut self,
        store: &Catalog,
        selection: &Selection,
        group: RowRange,
        first: usize,
    ) -> Result<()> {
        let shard = &store.shards[group.shard as usize];
        let (index, rows) = (group.index as usize, group.rows as usize);
        for (bytes, column) in self.columns.iter_mut().zip(&selection.columns) {
            let start = first * column.row_bytes;
            let target = &mut bytes.bytes_mut()[start..start + rows * column.row_bytes];
            shard.read_column(index, group.range(), column.index, target)?;
        }
        if selection.tokens {
            let range = first..first + rows;
            let sequences = &mut self.sequences[range.clone()];
            shard.read_tokens(index, group.range(), sequences, &mut self.positions[range])?;
        }
        Ok(())
    }

    /// Copies row `row` into row `to` of `batch`, converted and scaled. Rows are given in ascending
    /// order of `to`. Fails at a value that is not finite.
    pub(crate) fn copy(
        &self,
        row: usize,
        source: (&Catalog, &Selection),
        to: usize,
        batch: &mut RowBatch,
    ) -> Result<()> {
        let (store, selection) = source;
        let columns = self.columns.iter().zip(&selection.columns).zip(&mut batch.columns);
        for ((bytes, column), matrix) in columns {
            let stored = &bytes.bytes()[row * column.row_bytes..][..column.row_bytes];
            if !column.dtype.load(stored, column.scale, matrix.row_mut(to)) {
                return Err(self.non_finite(store, column, row, matrix.row(to)));
            }
        }
        if selection.tokens {
            batch.sequences.push(self.sequences[row]);
            batch.positions.push(self.positions[row]);
        }
        Ok(())
    }

    /// Puts row `row` of the selected column number `column` into `out`, converted and scaled, and
    /// says whether every value is finite.
    pub(crate) fn load(
        &self,
        row: usize,
        selection: &Selection,
        column: usize,
        out: &mut [f32],
    ) -> bool {
        let Selected { dtype, row_bytes, scale, .. } = selection.columns[column];
        let stored = &self.columns[column].bytes()[row * row_bytes..][..row_bytes];
        dtype.load(stored, scale, out)
    }

    /// The error for row `row`, which has `values` in `column`.
    #[cold]
    fn non_finite(&self, store: &Catalog, column: &Selected, row: usize, values: &[f32]) -> Error {
        let element = values.iter().position(|value| !value.is_finite()).unwrap_or(0);
        let mut first = 0;
        for group in &self.groups {
            let rows = group.rows as usize;
            if row < first + rows {
                let shard = &store.shards[group.shard as usize];
                let before = shard.group_rows().iter().take(group.index as usize);
                let before: u64 = before.map(|rows| u64::from(*rows)).sum();
                return StreamError::StoredNonFinite {
                    path: shard.path().to_owned(),
                    column: store.manifest.columns[column.index].name.to_string(),
                    row: before + u64::from(group.skip) + (row - first) as u64,
                    element,
                    value: values[element],
                }
                .into();
            }
            first += rows;
        }
        unreachable!("the row is of one of the groups")
    }
}
