//! Rows on their way into a shard: checked, rounded to the dtype and gathered, wherever the shard
//! goes.

use saekit_core::{MatrixView, RowBlock};

use crate::error::{Result, WriteError};
use crate::format::dtype::DType;
use crate::format::spec::StoreSpec;
use crate::write::shard_buffer::ShardBuffer;

/// The shard that is being filled, and how many rows and sequences came before.
#[derive(Debug)]
pub(crate) struct RowCollector {
    pub(crate) spec: StoreSpec,
    pub(crate) shard: ShardBuffer,
    /// Rows so far, including those in earlier shards and skipped ones.
    pub(crate) rows: u64,
    /// Rows before this one are skipped.
    pub(crate) first_row: u64,
    pub(crate) sequences: u32,
    row: Vec<f32>,
    scratch: Vec<u16>,
}

impl RowCollector {
    /// Takes rows from `first_row` on, which begins a shard; `spec` was checked.
    pub(crate) fn new(spec: StoreSpec, first_row: u64) -> Self {
        let shard = ShardBuffer::new(&spec);
        let (row, scratch) = (Vec::new(), Vec::new());
        Self { spec, shard, rows: 0, first_row, sequences: 0, row, scratch }
    }

    /// Counts a sequence and returns its number.
    pub(crate) fn push_sequence(&mut self) -> Result<u32> {
        let number = self.sequences;
        let next = number.checked_add(1).ok_or(WriteError::TooManySequences { limit: u32::MAX })?;
        self.sequences = next;
        Ok(number)
    }

    /// Fails where `block` is not one of this spec, or has a value that is not finite or that the
    /// dtype cannot hold.
    pub(crate) fn check(&self, block: &RowBlock<'_>) -> Result<()> {
        self.check_shape(block)?;
        let mut columns = block.columns.iter().enumerate();
        columns.try_for_each(|(column, matrix)| self.check_values(block, column, *matrix))
    }

    /// Skips those of the next `rows` rows that come before [`first_row`](Self::first_row), and returns
    /// how many.
    pub(crate) fn skip(&mut self, rows: u64) -> u64 {
        let skipped = self.first_row.saturating_sub(self.rows).min(rows);
        self.rows += skipped;
        skipped
    }

    /// Skips the next `rows` rows; fails where one of them is needed.
    pub(crate) fn skip_all(&mut self, rows: u64) -> Result<()> {
        let skipped = self.skip(rows);
        if skipped == rows {
            return Ok(());
        }
        let problem = format!("row {} was left out, which is not in its shards", self.rows);
        Err(WriteError::Spec { problem }.into())
    }

    /// Gathers at most `limit` rows of `block`, from row `from` on, until the shard is full, and returns
    /// how many; `seen` is called with the column, the row as it came and as it is stored.
    pub(crate) fn take(
        &mut self,
        block: &RowBlock<'_>,
        from: usize,
        limit: usize,
        mut seen: impl FnMut(usize, &[f32], &[f32]),
    ) -> usize {
        let room = self.spec.shard_rows() - self.shard.rows();
        let rows = (block.rows() - from).min(limit).min(room);
        for i in from..from + rows {
            for (column, matrix) in block.columns.iter().enumerate() {
                self.row.clear();
                self.row.extend_from_slice(matrix.row(i));
                let out = self.shard.column(column);
                self.spec.dtype.store(&mut self.row, &mut self.scratch, out);
                seen(column, matrix.row(i), &self.row);
            }
            let token = block.sequences.get(i).map(|sequence| (*sequence, block.positions[i]));
            self.shard.end_row(token);
        }
        self.rows += rows as u64;
        rows
    }

    /// Whether the shard has all of its rows.
    pub(crate) fn is_full(&self) -> bool {
        self.shard.rows() == self.spec.shard_rows()
    }

    fn check_shape(&self, block: &RowBlock<'_>) -> Result<()> {
        let check = saekit_core::Error::check_size;
        let columns = &self.spec.columns;
        check("number of columns of a block of rows", columns.len(), block.columns.len())?;
        let rows = block.rows();
        for (spec, matrix) in columns.iter().zip(block.columns) {
            check(&format!("width of rows of `{}`", spec.name), spec.width, matrix.cols())?;
            check(&format!("number of rows of `{}`", spec.name), rows, matrix.rows())?;
        }
        let tokens = if self.spec.has_tokens { rows } else { 0 };
        check("number of sequences of a block of rows", tokens, block.sequences.len())?;
        check("number of positions of a block of rows", tokens, block.positions.len())?;
        match block.sequences.iter().find(|sequence| **sequence >= self.sequences) {
            None => Ok(()),
            Some(sequence) => {
                let (sequence, sequences) = (*sequence, self.sequences);
                Err(WriteError::UnknownSequence { sequence, sequences }.into())
            }
        }
    }

    fn check_values(
        &self,
        block: &RowBlock<'_>,
        column: usize,
        matrix: MatrixView<'_>,
    ) -> Result<()> {
        let limit = self.spec.dtype.limit();
        let bad = |value: &f32| value.is_nan() || value.abs() >= limit;
        let Some(at) = matrix.as_slice().iter().position(bad) else { return Ok(()) };
        let (row, element) = (at / matrix.cols(), at % matrix.cols());
        let value = matrix.as_slice()[at];
        let hook = self.spec.columns[column].name.to_string();
        let place = match block.positions.get(row) {
            Some(position) => format!("sequence {}, position {position}", block.sequences[row]),
            None => format!("row {}", self.rows + row as u64),
        };
        if !value.is_finite() {
            return Err(WriteError::NonFinite { hook, place, element, value }.into());
        }
        let (dtype, remedy) = (self.spec.dtype.name(), DType::holding(value).name());
        Err(WriteError::Overflow { hook, place, element, value, dtype, remedy }.into())
    }
}
