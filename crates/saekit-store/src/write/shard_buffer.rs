//! The rows of one shard in memory, until the shard is full.

use std::io;
use std::ops::Range;
use std::slice::Chunks;

use parquet::basic::{Compression, ZstdLevel};

use crate::format::spec::StoreSpec;
use crate::parquet::page_writer::{ChunkWriter, page_rows};

/// Rows that wait for their shard to be full.
#[derive(Debug)]
pub(crate) struct ShardBuffer {
    columns: Vec<Blocks>,
    sequences: Vec<u32>,
    positions: Vec<u32>,
    rows: usize,
}

/// Rows of one column, in blocks, so that growing never copies what is there.
#[derive(Debug)]
struct Blocks {
    row_bytes: usize,
    rows_per_block: usize,
    filled: Vec<Vec<u8>>,
}

/// The rows of a row group, as stored.
#[derive(Debug, Default)]
pub(crate) struct LiveGroup {
    /// For each column of the spec its bytes, row after row.
    pub(crate) columns: Vec<Vec<u8>>,
    pub(crate) sequences: Vec<u32>,
    pub(crate) positions: Vec<u32>,
    pub(crate) rows: usize,
}

impl LiveGroup {
    /// Frees the columns whose index `wanted` refuses.
    pub(crate) fn keep(&mut self, wanted: impl Fn(usize) -> bool) {
        for (index, column) in self.columns.iter_mut().enumerate() {
            if !wanted(index) {
                *column = Vec::new();
            }
        }
    }
}

impl ShardBuffer {
    pub(crate) fn new(spec: &StoreSpec) -> Self {
        let column = |width: usize| Blocks {
            row_bytes: spec.dtype.row_bytes(width),
            rows_per_block: spec.row_group_rows(),
            filled: Vec::new(),
        };
        Self {
            columns: spec.columns.iter().map(|spec| column(spec.width)).collect(),
            sequences: Vec::new(),
            positions: Vec::new(),
            rows: 0,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Where row [`rows`](Self::rows) of column `index` is to be appended.
    pub(crate) fn column(&mut self, index: usize) -> &mut Vec<u8> {
        let row = self.rows;
        self.columns[index].block(row)
    }

    /// Counts the row that was appended to every column; `token` is its sequence and position.
    pub(crate) fn end_row(&mut self, token: Option<(u32, u32)>) {
        if let Some((sequence, position)) = token {
            self.sequences.push(sequence);
            self.positions.push(position);
        }
        self.rows += 1;
    }

    /// Makes `chunk` the column of a shard numbered `index` with rows `rows`: activations, then
    /// sequences and positions.
    pub(super) fn gather(
        &self,
        index: usize,
        rows: &[u32],
        chunk: &mut ChunkWriter,
    ) -> io::Result<()> {
        let widest = self.columns.iter().map(|column| column.row_bytes).max();
        let pages = rows.chunks(page_rows(widest.unwrap_or_default()));
        let Some(column) = self.columns.get(index) else {
            let is_first = index == self.columns.len();
            let numbers = if is_first { &self.sequences } else { &self.positions };
            return gather_numbers(numbers, pages, chunk);
        };
        chunk.begin(Compression::UNCOMPRESSED);
        for rows in pages {
            for row in rows {
                chunk.payload().extend_from_slice(column.row(*row as usize));
            }
            chunk.end_page(rows.len())?;
        }
        Ok(())
    }

    /// Puts row `order[i]` in the place of row `i`.
    pub(crate) fn permute(&mut self, order: &[u32]) {
        for column in &mut self.columns {
            column.permute(order);
        }
        for numbers in [&mut self.sequences, &mut self.positions] {
            if !numbers.is_empty() {
                *numbers = order.iter().map(|row| numbers[*row as usize]).collect();
            }
        }
    }

    /// Takes all rows out, in row groups.
    pub(crate) fn take_groups(&mut self) -> Vec<LiveGroup> {
        let rows = std::mem::take(&mut self.rows);
        let group_rows = self.columns[0].rows_per_block;
        let mut columns: Vec<_> =
            self.columns.iter_mut().map(|column| std::mem::take(&mut column.filled)).collect();
        let numbers = |numbers: &[u32], range: &Range<usize>| {
            numbers.get(range.clone()).map_or_else(Vec::new, <[u32]>::to_vec)
        };
        let groups = (0..rows.div_ceil(group_rows)).map(|group| {
            let range = group * group_rows..rows.min((group + 1) * group_rows);
            LiveGroup {
                columns: columns.iter_mut().map(|c| std::mem::take(&mut c[group])).collect(),
                sequences: numbers(&self.sequences, &range),
                positions: numbers(&self.positions, &range),
                rows: range.len(),
            }
        });
        let groups = groups.collect();
        self.clear();
        groups
    }

    /// Forgets the rows but keeps the memory.
    pub(crate) fn clear(&mut self) {
        for block in self.columns.iter_mut().flat_map(|column| &mut column.filled) {
            block.clear();
        }
        self.sequences.clear();
        self.positions.clear();
        self.rows = 0;
    }
}

impl Blocks {
    fn block(&mut self, row: usize) -> &mut Vec<u8> {
        let index = row / self.rows_per_block;
        if index == self.filled.len() {
            self.filled.push(Vec::with_capacity(self.rows_per_block * self.row_bytes));
        }
        &mut self.filled[index]
    }

    fn row(&self, row: usize) -> &[u8] {
        let start = row % self.rows_per_block * self.row_bytes;
        &self.filled[row / self.rows_per_block][start..start + self.row_bytes]
    }

    fn set_row(&mut self, row: usize, bytes: &[u8]) {
        let start = row % self.rows_per_block * self.row_bytes;
        self.filled[row / self.rows_per_block][start..start + self.row_bytes]
            .copy_from_slice(bytes);
    }

    /// Puts row `order[i]` in the place of row `i`, cycle after cycle, without a second copy of all.
    fn permute(&mut self, order: &[u32]) {
        let mut placed = vec![false; order.len()];
        let mut moved = Vec::new();
        for start in 0..order.len() {
            if placed[start] {
                continue;
            }
            let first = self.row(start).to_vec();
            let mut to = start;
            loop {
                placed[to] = true;
                let from = order[to] as usize;
                if from == start {
                    self.set_row(to, &first);
                    break;
                }
                moved.clear();
                moved.extend_from_slice(self.row(from));
                self.set_row(to, &moved);
                to = from;
            }
        }
    }
}

fn gather_numbers(
    numbers: &[u32],
    pages: Chunks<'_, u32>,
    chunk: &mut ChunkWriter,
) -> io::Result<()> {
    // Small numbers in random order: zstd leaves three of eight bytes per row.
    chunk.begin(Compression::ZSTD(ZstdLevel::default()));
    for rows in pages {
        let values = rows.iter().flat_map(|row| numbers[*row as usize].to_le_bytes());
        chunk.payload().extend(values);
        chunk.end_page(rows.len())?;
    }
    Ok(())
}
