//! The rows of a parquet file, a group at a time.

use std::ops::Range;
use std::path::Path;

use super::super::Input;
use super::super::integers::Integer;
use super::super::raw_columns::number_contexts;
use super::chunk::{Chunk, Column, Reader};
use super::plan::Group;
use crate::error::Result;
use crate::shard::Shard;

/// A parquet file whose columns were chosen.
#[derive(Debug)]
pub(super) struct ListColumns {
    input: Input,
    /// Vectors, and then sequences and positions.
    columns: Vec<(Column, Vec<Chunk>)>,
    integers: Vec<Integer>,
    groups: Vec<Group>,
    group_rows: Vec<u32>,
    context: Option<u64>,
    first_sequence: u32,
}

impl ListColumns {
    /// The rows of `groups`; of `columns`, as many are numbers as there are `integers`. Rows lie in
    /// contexts where `contexts` has their length, and the number of the first.
    pub(super) fn new(
        input: Input,
        columns: Vec<(Column, Vec<Chunk>)>,
        integers: Vec<Integer>,
        groups: Vec<Group>,
        contexts: (Option<u64>, u32),
    ) -> Self {
        let rows = |group: &Group| (group.rows.end - group.rows.start) as u32;
        let group_rows = groups.iter().map(rows).collect();
        let (context, first_sequence) = contexts;
        Self { input, columns, integers, groups, group_rows, context, first_sequence }
    }

    fn read(&self, group: usize, column: usize, out: &mut [u8]) -> Result<()> {
        let group = &self.groups[group];
        let (column, chunks) = &self.columns[column];
        let (width, rows) = (column.shape.width, &group.rows);
        let reader = Reader { input: &self.input, column, chunk: &chunks[group.chunk] };
        reader.read(rows.start * width..rows.end * width, out)
    }

    fn read_numbers(&self, group: usize, number: usize, out: &mut [u32]) -> Result<()> {
        let integer = self.integers[number];
        let column = self.columns.len() - self.integers.len() + number;
        let mut bytes = vec![0; out.len() * integer.bytes()];
        self.read(group, column, &mut bytes)?;
        let (name, rows) = (&self.columns[column].0.name, &self.groups[group]);
        integer.deliver(&self.input, name, rows.first_row + rows.rows.start, &bytes, out)
    }
}

impl Shard for ListColumns {
    fn path(&self) -> &Path {
        self.input.path()
    }

    fn group_rows(&self) -> &[u32] {
        &self.group_rows
    }

    fn read_column(
        &self,
        group: usize,
        _rows: Range<u32>,
        column: usize,
        out: &mut [u8],
    ) -> Result<()> {
        self.read(group, column, out)
    }

    fn read_tokens(
        &self,
        group: usize,
        _rows: Range<u32>,
        sequences: &mut [u32],
        positions: &mut [u32],
    ) -> Result<()> {
        if let Some(context) = self.context {
            let group = &self.groups[group];
            let first_row = group.first_row + group.rows.start;
            number_contexts(first_row, context, self.first_sequence, (sequences, positions));
        } else if !self.integers.is_empty() {
            self.read_numbers(group, 0, sequences)?;
            self.read_numbers(group, 1, positions)?;
        }
        Ok(())
    }
}
