//! The rows of a parquet file, a group at a time.

use std::ops::Range;
use std::path::Path;

use super::super::Input;
use super::super::contexts::Contexts;
use super::super::integers::{Integer, Meaning};
use super::chunk::{Chunk, Column, Reader};
use super::plan::Group;
use crate::error::Result;
use crate::shard::Shard;

/// A parquet file whose columns were chosen.
#[derive(Debug)]
pub(super) struct ListColumns {
    input: Input,
    /// Vectors, then sequences and positions, or none of them, and then tokens.
    columns: Vec<(Column, Vec<Chunk>)>,
    integers: Vec<(Integer, Meaning)>,
    groups: Vec<Group>,
    group_rows: Vec<u32>,
    contexts: Option<Contexts>,
    first_sequence: u32,
}

impl ListColumns {
    /// The rows of `groups`; of `columns`, as many are numbers as there are `integers`. Rows may lie in
    /// `contexts`, which are numbered from the number beside them on.
    pub(super) fn new(
        input: Input,
        columns: Vec<(Column, Vec<Chunk>)>,
        integers: Vec<(Integer, Meaning)>,
        groups: Vec<Group>,
        (contexts, first_sequence): (Option<Contexts>, u32),
    ) -> Self {
        let rows = |group: &Group| (group.rows.end - group.rows.start) as u32;
        let group_rows = groups.iter().map(rows).collect();
        Self { input, columns, integers, groups, group_rows, contexts, first_sequence }
    }

    fn read(&self, group: &Group, column: usize, out: &mut [u8]) -> Result<()> {
        let (column, chunks) = &self.columns[column];
        let (width, rows) = (column.shape.width, &group.rows);
        let reader = Reader { input: &self.input, column, chunk: &chunks[group.chunk] };
        reader.read(rows.start * width..rows.end * width, out)
    }

    fn read_numbers(&self, rows: &Group, number: usize, out: &mut [u32]) -> Result<()> {
        let (integer, meaning) = self.integers[number];
        let column = self.columns.len() - self.integers.len() + number;
        let mut bytes = vec![0; out.len() * integer.bytes()];
        self.read(rows, column, &mut bytes)?;
        let column = (self.columns[column].0.name.as_str(), meaning);
        integer.deliver(&self.input, column, rows.first_row + rows.rows.start, &bytes, out)
    }

    /// Reads `rows` of the file of a column of numbers.
    fn read_rows(&self, number: usize, rows: &Range<u64>, out: &mut [u32]) -> Result<()> {
        let chunks = self.columns.first().map_or(0, |(_, chunks)| chunks.len());
        let (mut out, mut first_row) = (out, 0);
        for chunk in 0..chunks {
            let end = first_row + self.rows_of(chunk);
            let (from, to) = (rows.start.clamp(first_row, end), rows.end.clamp(first_row, end));
            let (target, rest) = out.split_at_mut((to - from) as usize);
            if from < to {
                let group = Group { chunk, first_row, rows: from - first_row..to - first_row };
                self.read_numbers(&group, number, target)?;
            }
            (out, first_row) = (rest, end);
        }
        Ok(())
    }

    /// Vectors of row group number `chunk`.
    fn rows_of(&self, chunk: usize) -> u64 {
        self.columns.first().map_or(0, |(column, chunks)| chunks[chunk].values / column.shape.width)
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
        self.read(&self.groups[group], column, out)
    }

    fn read_tokens(
        &self,
        group: usize,
        _rows: Range<u32>,
        sequences: &mut [u32],
        positions: &mut [u32],
    ) -> Result<()> {
        let group = &self.groups[group];
        if let Some(contexts) = &self.contexts {
            let rows = group.first_row + group.rows.start..group.first_row + group.rows.end;
            contexts.number(rows, self.first_sequence, (sequences, positions));
        } else if self.integers.len() > 1 {
            self.read_numbers(group, 0, sequences)?;
            self.read_numbers(group, 1, positions)?;
        }
        Ok(())
    }

    fn read_token_ids(&self, contexts: Range<u64>) -> Result<Vec<Vec<u32>>> {
        let is_token = |(_, meaning): &(Integer, Meaning)| *meaning == Meaning::Token;
        let number = self.integers.iter().position(is_token);
        let Some((all, number)) = self.contexts.as_ref().zip(number) else { return Ok(Vec::new()) };
        all.read(&self.input, contexts, |rows, out| self.read_rows(number, &rows, out))
    }
}
