//! The groups of rows that are read together.

use std::ops::Range;

use super::super::Input;
use super::chunk::{Chunk, Column, Reader};
use crate::error::Result;

/// Pages that hold more than this are not read.
const MAX_GROUP: u64 = 1 << 30;

/// Rows of a row group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The row group.
    pub(super) chunk: usize,
    /// Vectors before it.
    pub(super) first_row: u64,
    /// Vectors of the row group.
    pub(super) rows: Range<u64>,
}

impl Group {
    /// Cuts the row groups of `columns`, of which the last `numbers` are no vectors, into groups of
    /// up to `bytes`. A group begins where a page of the widest column does, if it is not a whole row
    /// group; for such row groups all columns are made to know their pages.
    pub(super) fn plan(
        input: &Input,
        bytes: usize,
        columns: &mut [(Column, Vec<Chunk>)],
        numbers: usize,
    ) -> Result<Vec<Self>> {
        let vectors = columns.len() - numbers;
        let sizes: Vec<_> =
            columns[..vectors].iter().map(|(column, _)| column.row_bytes()).collect();
        let row_bytes: u64 = sizes.iter().sum();
        let widest = (0..vectors).max_by_key(|column| sizes[*column]).unwrap_or_default();
        let max_rows = (bytes as u64 / row_bytes.max(1)).clamp(1, u64::from(u32::MAX));
        let (mut groups, mut first_row) = (Vec::new(), 0);
        for chunk in 0..columns.first().map_or(0, |(_, chunks)| chunks.len()) {
            let rows = columns[0].1[chunk].values / columns[0].0.shape.width;
            let mut cuts = vec![0];
            if rows > max_rows {
                for (column, chunks) in columns.iter_mut() {
                    chunks[chunk] = Reader { input, column, chunk: &chunks[chunk] }.index()?;
                }
                let (column, chunks) = &columns[widest];
                cuts = cut(column, &chunks[chunk], rows, max_rows);
            }
            cuts.push(rows);
            for pair in cuts.windows(2).filter(|pair| pair[0] < pair[1]) {
                let rows = pair[1] - pair[0];
                if rows > max_rows && rows.saturating_mul(row_bytes) > MAX_GROUP {
                    let found = format!("a page of {rows} rows");
                    return Err(input.unsupported(found, "pages of less than 1 GiB"));
                }
                groups.push(Self { chunk, first_row, rows: pair[0]..pair[1] });
            }
            first_row += rows;
        }
        Ok(groups)
    }
}

impl Column {
    /// Bytes of a vector as it is delivered.
    pub(super) fn row_bytes(&self) -> u64 {
        self.shape.width * self.item.delivered() as u64
    }
}

/// Rows to begin groups at, of up to `max_rows` where the pages allow it.
fn cut(column: &Column, chunk: &Chunk, rows: u64, max_rows: u64) -> Vec<u64> {
    let width = column.shape.width;
    let ends = chunk.starts.iter().skip(1).map(|start| start.value.div_ceil(width));
    let (mut cuts, mut last) = (vec![0], 0);
    for end in ends.chain([rows]) {
        let begin = cuts.last().copied().unwrap_or_default();
        if end - begin > max_rows && last > begin {
            cuts.push(last);
        }
        last = end;
    }
    cuts
}
