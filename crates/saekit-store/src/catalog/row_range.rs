//! A range of rows within a row group.

use std::ops::Range;

/// Rows of a store that are read together: a row group, or a slice of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowRange {
    /// The shard's index.
    pub(crate) shard: u32,
    /// The row group's index within the shard.
    pub(crate) index: u32,
    /// Rows of the row group before the range.
    pub(crate) skip: u32,
    pub(crate) rows: u32,
    /// The first row of the range, counted over the store.
    pub(crate) first: u64,
}

impl RowRange {
    /// The rows, counted over the store.
    pub(crate) fn places(&self) -> Range<u64> {
        self.first..self.first + u64::from(self.rows)
    }

    /// The rows, counted over the row group.
    pub(crate) fn range(&self) -> Range<u32> {
        self.skip..self.skip + self.rows
    }

    /// Slices of up to `rows` rows each, which cover the range.
    pub(crate) fn slices(self, rows: u32) -> impl Iterator<Item = Self> {
        (0..self.rows.div_ceil(rows)).map(move |number| self.slice(rows, number))
    }

    /// Slice `number` of those of up to `rows` rows each.
    pub(crate) fn slice(self, rows: u32, number: u32) -> Self {
        let before = number * rows;
        Self {
            skip: self.skip + before,
            rows: rows.min(self.rows - before),
            first: self.first + u64::from(before),
            ..self
        }
    }
}
