//! Small stores whose rows say which row they are.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses a part")]

use std::path::Path;

use saekit_core::{HookPoint, Matrix, MatrixView};
use saekit_store::{
    ColumnSpec, DType, Manifest, RowBatch, RowBlock, RowSink, RowSource, Store, StoreSpec,
    StoreWriter, StreamConfig, TokenizedSequence,
};

/// Tokens of every sequence; row `i` is position `i % LENGTH` of sequence `i / LENGTH`.
pub const LENGTH: usize = 5;

/// A store to be made: `rows` rows in shards and row groups of the given numbers of rows.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub rows: usize,
    pub shard_rows: usize,
    pub group_rows: usize,
    pub widths: Vec<usize>,
    pub dtype: DType,
    pub tokens: bool,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            rows: 100,
            shard_rows: 40,
            group_rows: 8,
            widths: vec![3, 2],
            dtype: DType::F32,
            tokens: true,
        }
    }
}

impl Recipe {
    pub fn spec(&self) -> StoreSpec {
        let mut spec = StoreSpec {
            seed: 7,
            columns: self.widths.iter().enumerate().map(|(i, w)| column(i, *w)).collect(),
            dtype: self.dtype,
            has_tokens: self.tokens,
            ..StoreSpec::default()
        };
        spec.shard_bytes = self.shard_rows as u64 * spec.row_bytes();
        spec.row_group_bytes = self.group_rows as u64 * (spec.row_bytes() + 4);
        spec
    }

    /// Row `row` of column `column`: the row's number, then small multiples of it.
    pub fn row(&self, column: usize, row: usize) -> Vec<f32> {
        let value = |element: usize| (row as f32) * [1.0, -0.5, 0.25][(column + element) % 3];
        (0..self.widths[column]).map(|element| value(element + 3 - column % 3)).collect()
    }

    pub fn matrix(&self, column: usize) -> Matrix {
        let rows = (0..self.rows).flat_map(|row| self.row(column, row)).collect();
        Matrix::new(self.rows, self.widths[column], rows)
    }

    pub fn sequence(number: usize) -> TokenizedSequence {
        let at = |i: usize| (number * LENGTH + i) as u32;
        TokenizedSequence {
            ids: (0..LENGTH).map(at).collect(),
            documents: (0..LENGTH).map(|i| at(i) / 7).collect(),
            byte_starts: (0..LENGTH).map(|i| 3 * at(i)).collect(),
            byte_ends: (0..LENGTH).map(|i| 3 * at(i) + 2).collect(),
        }
    }

    pub fn sequences(&self) -> usize {
        self.rows.div_ceil(LENGTH)
    }

    /// Writes the store, its rows in blocks of `block` rows.
    pub fn write(&self, dir: &Path, block: usize) -> saekit_store::Result<Manifest> {
        let mut writer = StoreWriter::create(dir, self.spec())?;
        self.push_all(&mut writer, block)?;
        assert_eq!(writer.rows(), self.rows as u64);
        writer.finish()
    }

    /// Hands over every sequence and row, in blocks of `block` rows; blocks that are not wanted are
    /// skipped.
    pub fn push_all(&self, sink: &mut dyn RowSink, block: usize) -> saekit_store::Result<()> {
        for number in (0..self.sequences()).filter(|_| self.tokens) {
            assert_eq!(sink.push_sequence(&Self::sequence(number))?, number as u32);
        }
        let matrices: Vec<_> = (0..self.widths.len()).map(|c| self.matrix(c)).collect();
        for start in (0..self.rows).step_by(block) {
            let end = (start + block).min(self.rows);
            if end as u64 <= sink.first_row() {
                sink.skip_rows((end - start) as u64)?;
                continue;
            }
            let columns: Vec<_> = matrices.iter().map(|m| m.view().slice(start, end)).collect();
            let (sequences, positions) = self.token_numbers(start, end);
            let block =
                RowBlock { sequences: &sequences, positions: &positions, columns: &columns };
            sink.push_rows(&block)?;
        }
        Ok(())
    }

    pub fn open(&self, dir: &Path) -> Store {
        self.write(dir, 16).unwrap();
        Store::open(dir).unwrap()
    }

    fn token_numbers(&self, start: usize, end: usize) -> (Vec<u32>, Vec<u32>) {
        let rows = if self.tokens { start..end } else { 0..0 };
        let numbers = |f: fn(usize) -> usize| rows.clone().map(|row| f(row) as u32).collect();
        (numbers(|row| row / LENGTH), numbers(|row| row % LENGTH))
    }

    /// The rows of `batch` by number, after checking that every column and number agrees.
    pub fn identify(&self, batch: &RowBatch) -> Vec<usize> {
        let first = &batch.columns[0];
        let rows: Vec<_> = (0..batch.rows()).map(|i| first.row(i)[0].round() as usize).collect();
        for (i, row) in rows.iter().enumerate() {
            for (column, matrix) in batch.columns.iter().enumerate() {
                assert_eq!(matrix.row(i), self.row(column, *row), "column {column} of row {row}");
            }
            if self.tokens {
                let number = (batch.sequences[i] as usize) * LENGTH + batch.positions[i] as usize;
                assert_eq!(number, *row);
            }
        }
        rows
    }

    /// The next `rows` rows of `source` by number.
    pub fn take(&self, source: &mut impl RowSource, rows: usize) -> Vec<usize> {
        let batch = source.next_batch(rows).unwrap().expect("more rows");
        assert_eq!(batch.rows(), rows);
        self.identify(&batch)
    }

    /// A stream of every column, unscaled, with pools of `groups` row groups.
    pub fn stream(&self, seed: u64, groups: usize) -> StreamConfig {
        let group_bytes = self.group_rows as u64 * (self.spec().row_bytes() + 4);
        let pool_bytes = 2 * groups as u64 * group_bytes;
        StreamConfig { seed, pool_bytes, columns: self.columns(), ..StreamConfig::default() }
    }

    pub fn columns(&self) -> Vec<(HookPoint, f32)> {
        (0..self.widths.len()).map(|i| (hook(i), 1.0)).collect()
    }
}

pub fn hook(column: usize) -> HookPoint {
    HookPoint::new(format!("blocks.{column}.hook_resid_post"))
}

pub fn column(index: usize, width: usize) -> ColumnSpec {
    ColumnSpec { name: hook(index), width }
}

/// A block of one column without tokens.
pub fn push(writer: &mut StoreWriter, rows: MatrixView<'_>) -> saekit_store::Result<()> {
    writer.push_rows(&RowBlock { sequences: &[], positions: &[], columns: &[rows] })
}
