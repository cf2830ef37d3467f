//! Rows that lie in a file as they are read: one after the other, at known places.

use std::ops::Range;
use std::path::Path;

use super::choose::Vectors;
use super::integers::Integer;
use super::{Found, FoundColumn, Input, Mapping};
use crate::shard::Shard;
use crate::{DType, Result};

/// Doubles are read and rounded as many at a time.
const DOUBLES: usize = 8192;

/// Vectors whose values lie one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) width: usize,
    pub(super) value: Value,
    pub(super) rows: u64,
    pub(super) context: Option<u64>,
}

/// How a value lies in a file, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// As it is delivered.
    As(DType),
    /// As a double, which is delivered as a single.
    F64,
}

impl Value {
    /// Bytes in the file.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::As(dtype) => dtype.bytes(),
            Self::F64 => 8,
        }
    }

    /// How it is delivered.
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::As(dtype) => dtype,
            Self::F64 => DType::F32,
        }
    }
}

impl Vectors for Plain {
    fn rows(&self) -> (u64, Option<u64>) {
        (self.rows, self.context)
    }

    fn row_bytes(&self) -> usize {
        self.width * self.value.dtype().bytes()
    }
}

/// Where the rows of one block lie.
#[derive(Debug)]
struct Piece {
    first_row: u64,
    rows: u32,
    /// Where they begin, for each column and then for sequences and positions.
    starts: Vec<u64>,
}

/// A file whose values can be read from where they lie.
#[derive(Debug)]
pub(super) struct Extents {
    input: Input,
    columns: Vec<(String, Plain)>,
    /// Columns of sequences and positions.
    numbers: Vec<(String, Integer)>,
    first_sequence: u32,
    max_rows: u64,
    rows: u64,
    pieces: Vec<Piece>,
    groups: Vec<Range<usize>>,
    group_rows: Vec<u32>,
}

impl Extents {
    /// No rows yet of `columns`, which have as many, and of the columns of sequences and positions.
    pub(super) fn new(
        input: &Input,
        mapping: &Mapping,
        columns: Vec<(String, Plain)>,
        numbers: Vec<(String, Integer)>,
    ) -> Self {
        let row_bytes: usize = columns.iter().map(|(_, column)| column.row_bytes()).sum();
        let max_rows = (mapping.group_bytes / row_bytes.max(1)).clamp(1, u32::MAX as usize);
        Self {
            input: input.clone(),
            columns,
            numbers,
            first_sequence: mapping.first_sequence,
            max_rows: max_rows as u64,
            rows: 0,
            pieces: Vec::new(),
            groups: Vec::new(),
            group_rows: Vec::new(),
        }
    }

    /// Adds a block of `rows` rows, which begins at `starts` in the columns and then in those of
    /// sequences and positions. Fails where it does not lie in the file.
    pub(super) fn push(&mut self, rows: u64, starts: &[u64]) -> Result<()> {
        let strides: Vec<_> = self.strides().map(|bytes| bytes as u64).collect();
        for (start, bytes) in starts.iter().zip(&strides) {
            self.input.check(*start, rows.saturating_mul(*bytes))?;
        }
        let mut done = 0;
        while done < rows {
            let room = self.room();
            let take = (rows - done).min(room);
            let at = |(start, bytes): (&u64, &u64)| start + done * bytes;
            let starts = starts.iter().zip(&strides).map(at).collect();
            self.pieces.push(Piece { first_row: self.rows, rows: take as u32, starts });
            self.rows += take;
            done += take;
            let last = self.groups.len() - 1; // `room` begins a group where there is none
            self.groups[last].end += 1;
            self.group_rows[last] += take as u32;
        }
        Ok(())
    }

    /// Rows that fit into the last group; begins another where none do.
    fn room(&mut self) -> u64 {
        let taken = self.group_rows.last().map_or(self.max_rows, |rows| u64::from(*rows));
        if taken < self.max_rows {
            return self.max_rows - taken;
        }
        self.groups.push(self.pieces.len()..self.pieces.len());
        self.group_rows.push(0);
        self.max_rows
    }

    /// Bytes a row in the file, of the columns and then of sequences and positions.
    fn strides(&self) -> impl Iterator<Item = usize> {
        let columns = self.columns.iter().map(|(_, column)| column.width * column.value.bytes());
        columns.chain(self.numbers.iter().map(|(_, integer)| integer.bytes()))
    }

    fn pieces(&self, group: usize) -> &[Piece] {
        &self.pieces[self.groups[group].clone()]
    }

    fn context(&self) -> Option<u64> {
        self.columns.first()?.1.context
    }

    /// The file, with what a user should know of it.
    pub(super) fn found(self, mapping: &Mapping, notes: Vec<String>) -> Result<Found> {
        let column = |(name, column): &(String, Plain)| FoundColumn {
            name: name.clone(),
            width: column.width,
            dtype: column.value.dtype(),
        };
        Ok(Found {
            columns: self.columns.iter().map(column).collect(),
            rows: self.rows,
            sequences: super::sequences(self.rows, self.context(), mapping)?,
            has_tokens: self.context().is_some() || !self.numbers.is_empty(),
            shard: Box::new(self),
            notes,
        })
    }

    fn read_doubles(&self, start: u64, out: &mut [u8]) -> Result<()> {
        let mut doubles = vec![0; DOUBLES * 8];
        let mut offset = start;
        for out in out.chunks_mut(DOUBLES * 4) {
            let doubles = &mut doubles[..out.len() * 2];
            self.input.read_into(offset, doubles)?;
            round(doubles, out);
            offset += doubles.len() as u64;
        }
        Ok(())
    }

    fn read_numbers(&self, group: usize, number: usize, out: &mut [u32]) -> Result<()> {
        let (name, integer) = &self.numbers[number];
        let (mut out, mut bytes) = (out, Vec::new());
        for piece in self.pieces(group) {
            let (target, rest) = out.split_at_mut(piece.rows as usize);
            bytes.resize(target.len() * integer.bytes(), 0);
            self.input.read_into(piece.starts[self.columns.len() + number], &mut bytes)?;
            integer.deliver(&self.input, name, piece.first_row, &bytes, target)?;
            out = rest;
        }
        Ok(())
    }
}

/// Rounds doubles to singles; one beyond their range becomes infinite.
pub(super) fn round(doubles: &[u8], singles: &mut [u8]) {
    let pairs = doubles.as_chunks::<8>().0.iter().zip(singles.as_chunks_mut::<4>().0);
    for (double, single) in pairs {
        *single = (f64::from_le_bytes(*double) as f32).to_le_bytes();
    }
}

/// Sequence and position of the row at `first_row` and of those after it.
pub(super) fn number_contexts(
    first_row: u64,
    context: u64,
    first_sequence: u32,
    out: (&mut [u32], &mut [u32]),
) {
    for (row, (sequence, position)) in (first_row..).zip(out.0.iter_mut().zip(out.1)) {
        *sequence = first_sequence + (row / context) as u32;
        *position = (row % context) as u32;
    }
}

impl Shard for Extents {
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
        let plain = &self.columns[column].1;
        let mut out = out;
        for piece in self.pieces(group) {
            let (target, rest) = out.split_at_mut(piece.rows as usize * plain.row_bytes());
            match plain.value {
                Value::As(_) => self.input.read_into(piece.starts[column], target)?,
                Value::F64 => self.read_doubles(piece.starts[column], target)?,
            }
            out = rest;
        }
        Ok(())
    }

    fn read_tokens(
        &self,
        group: usize,
        _rows: Range<u32>,
        sequences: &mut [u32],
        positions: &mut [u32],
    ) -> Result<()> {
        if let Some(context) = self.context() {
            let first_row = self.pieces(group).first().map_or(0, |piece| piece.first_row);
            number_contexts(first_row, context, self.first_sequence, (sequences, positions));
        } else if !self.numbers.is_empty() {
            self.read_numbers(group, 0, sequences)?;
            self.read_numbers(group, 1, positions)?;
        }
        Ok(())
    }
}
