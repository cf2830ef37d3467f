//! Rows that lie in a file as they are read: one after the other, at known places.

use std::ops::Range;
use std::path::Path;

use super::contexts::Contexts;
use super::integers::{Integer, Meaning};
use super::project::Vectors;
use super::{ForeignColumn, ForeignFile, Input, ReadOptions};
use crate::error::Result;
use crate::format::dtype::DType;
use crate::shard::Shard;

/// f64 values converted to f32 per read.
const DOUBLES: usize = 8192;

/// Vectors whose values lie one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FlatVectors {
    pub(super) width: usize,
    pub(super) value: Value,
    pub(super) rows: u64,
    pub(super) contexts: Option<Contexts>,
}

/// A column of numbers, one per row.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) name: String,
    pub(super) meaning: Meaning,
    pub(super) source: Source,
}

/// Where numbers come from.
#[derive(Debug)]
pub(super) enum Source {
    /// They lie one after the other.
    Integers(Integer),
    /// They stand for ids of another type.
    Ids(Box<dyn Ids>),
}

/// Ids of any type, read as numbers that are equal where the ids are.
pub(super) trait Ids: std::fmt::Debug + Send + Sync {
    /// Reads the numbers of `rows` of the file into `out`, which has as many.
    fn read(&self, rows: Range<u64>, out: &mut [u32]) -> Result<()>;
}

impl Number {
    /// A column of whole numbers.
    pub(super) fn integers(name: &str, meaning: Meaning, integer: Integer) -> Self {
        Self { name: name.to_owned(), meaning, source: Source::Integers(integer) }
    }

    /// Bytes per row, where they lie one after the other.
    fn bytes(&self) -> usize {
        match &self.source {
            Source::Integers(integer) => integer.bytes(),
            Source::Ids(_) => 0,
        }
    }
}

/// The type of a value in a file, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The type in which it is returned.
    As(DType),
    /// f64, which is returned as f32.
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

    /// The type in which it is returned.
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::As(dtype) => dtype,
            Self::F64 => DType::F32,
        }
    }
}

impl Vectors for FlatVectors {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn contexts(&self) -> Option<&Contexts> {
        self.contexts.as_ref()
    }

    fn row_bytes(&self) -> usize {
        self.width * self.value.dtype().bytes()
    }
}

/// Where rows that follow each other lie.
#[derive(Debug)]
struct Block {
    first_row: u64,
    /// Where they begin, for each column and then for sequences and positions.
    starts: Box<[u64]>,
}

/// A file whose values can be read from where they lie.
#[derive(Debug)]
pub(super) struct RawColumns {
    input: Input,
    columns: Vec<(String, FlatVectors)>,
    /// Columns of sequences and positions, or none of them, and then of tokens.
    numbers: Vec<Number>,
    first_sequence: u32,
    rows: u64,
    blocks: Vec<Block>,
    /// Rows of every group but the last.
    max_rows: u32,
    group_rows: Vec<u32>,
}

impl RawColumns {
    /// No rows yet of `columns`, which have as many, and of the columns of sequences and positions.
    pub(super) fn new(
        input: &Input,
        options: &ReadOptions,
        columns: Vec<(String, FlatVectors)>,
        numbers: Vec<Number>,
    ) -> Self {
        let row_bytes: usize = columns.iter().map(|(_, column)| column.row_bytes()).sum();
        let max_rows = (options.group_bytes / row_bytes.max(1)).clamp(1, u32::MAX as usize) as u32;
        Self {
            input: input.clone(),
            columns,
            numbers,
            first_sequence: options.first_sequence,
            rows: 0,
            blocks: Vec::new(),
            max_rows,
            group_rows: Vec::new(),
        }
    }

    /// Adds a block of `rows` rows, which begins at `starts` in the columns and then in those of
    /// sequences and positions. Fails where it does not lie in the file.
    pub(super) fn push(&mut self, rows: u64, starts: &[u64]) -> Result<()> {
        for (start, bytes) in starts.iter().zip(self.strides()) {
            self.input.check(*start, rows.saturating_mul(bytes))?;
        }
        if rows > 0 {
            self.blocks.push(Block { first_row: self.rows, starts: starts.into() });
        }
        self.rows += rows;
        let max_rows = u64::from(self.max_rows);
        self.group_rows.pop(); // which may not have been full
        let full = (self.rows / max_rows) as usize;
        self.group_rows.resize(full, self.max_rows);
        self.group_rows.extend(Some((self.rows % max_rows) as u32).filter(|rows| *rows > 0));
        Ok(())
    }

    /// Bytes per row in the file, of the columns and then of sequences and positions.
    fn strides(&self) -> impl Iterator<Item = u64> {
        let columns = self.columns.iter().map(|(_, column)| column.width * column.value.bytes());
        columns.chain(self.numbers.iter().map(Number::bytes)).map(|n| n as u64)
    }

    /// Where the rows `rows` of `group` begin in the file.
    fn first(&self, group: usize, rows: &Range<u32>) -> u64 {
        group as u64 * u64::from(self.max_rows) + u64::from(rows.start)
    }

    /// Where `rows` lie in the column at `place`: runs of rows, and where each begins.
    fn runs(&self, rows: Range<u64>, place: usize) -> impl Iterator<Item = (Range<u64>, u64)> {
        let stride = self.strides().nth(place).unwrap_or_default();
        let first = self.blocks.partition_point(|block| block.first_row <= rows.start) - 1;
        let ends = self.blocks[first + 1..].iter().map(|block| block.first_row).chain([self.rows]);
        self.blocks[first..].iter().zip(ends).map_while(move |(block, end)| {
            let run = rows.start.max(block.first_row)..rows.end.min(end);
            let start = block.starts[place] + (run.start - block.first_row) * stride;
            (run.start < run.end).then_some((run, start))
        })
    }

    fn contexts(&self) -> Option<&Contexts> {
        self.columns.first()?.1.contexts.as_ref()
    }

    /// Place among the numbers of the tokens, and of nothing else.
    fn tokens(&self) -> Option<usize> {
        self.numbers.iter().position(|number| number.meaning == Meaning::Token)
    }

    /// The file, with what a user should know of it.
    pub(super) fn found(self, options: &ReadOptions, notes: Vec<String>) -> Result<ForeignFile> {
        let column = |(name, column): &(String, FlatVectors)| ForeignColumn {
            name: name.clone(),
            width: column.width,
            dtype: column.value.dtype(),
        };
        Ok(ForeignFile {
            columns: self.columns.iter().map(column).collect(),
            rows: self.rows,
            sequences: super::sequences(self.contexts(), options)?,
            has_tokens: self.contexts().is_some() || self.numbers.len() > 1,
            token_ids: self.tokens().is_some(),
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

    /// Reads `rows` of a column of sequences or positions.
    fn read_numbers(&self, rows: Range<u64>, number: usize, out: &mut [u32]) -> Result<()> {
        let Number { name, meaning, source } = &self.numbers[number];
        let integer = match source {
            Source::Integers(integer) => integer,
            Source::Ids(ids) => return ids.read(rows, out),
        };
        let (mut out, mut bytes) = (out, Vec::new());
        for (run, start) in self.runs(rows, self.columns.len() + number) {
            let (target, rest) = out.split_at_mut((run.end - run.start) as usize);
            bytes.resize(target.len() * integer.bytes(), 0);
            self.input.read_into(start, &mut bytes)?;
            let column = (name.as_str(), *meaning);
            integer.deliver(&self.input, column, run.start, &bytes, target)?;
            out = rest;
        }
        Ok(())
    }
}

/// Vectors of a tensor with `shape`.
pub(super) fn shaped(shape: &[u64], value: Value) -> Option<FlatVectors> {
    let (rows, contexts, width) = match *shape {
        [rows, width] => (rows, None, width),
        [contexts, context, width] if context > 0 => {
            let contexts = Contexts::regular(context, contexts)?;
            (contexts.rows(), Some(contexts), width)
        }
        _ => return None,
    };
    let width = usize::try_from(width).ok().filter(|width| *width > 0)?;
    width.checked_mul(8)?;
    Some(FlatVectors { width, value, rows, contexts })
}

/// Rounds doubles to singles; one beyond their range becomes infinite.
pub(super) fn round(doubles: &[u8], singles: &mut [u8]) {
    let pairs = doubles.as_chunks::<8>().0.iter().zip(singles.as_chunks_mut::<4>().0);
    for (double, single) in pairs {
        *single = (f64::from_le_bytes(*double) as f32).to_le_bytes();
    }
}

impl Shard for RawColumns {
    fn path(&self) -> &Path {
        self.input.path()
    }

    fn group_rows(&self) -> &[u32] {
        &self.group_rows
    }

    fn read_column(
        &self,
        group: usize,
        rows: Range<u32>,
        column: usize,
        out: &mut [u8],
    ) -> Result<()> {
        let plain = &self.columns[column].1;
        let first = self.first(group, &rows);
        let mut out = out;
        for (run, start) in self.runs(first..first + rows.len() as u64, column) {
            let bytes = (run.end - run.start) as usize * plain.row_bytes();
            let (target, rest) = out.split_at_mut(bytes);
            match plain.value {
                Value::As(_) => self.input.read_into(start, target)?,
                Value::F64 => self.read_doubles(start, target)?,
            }
            out = rest;
        }
        Ok(())
    }

    fn read_tokens(
        &self,
        group: usize,
        rows: Range<u32>,
        sequences: &mut [u32],
        positions: &mut [u32],
    ) -> Result<()> {
        let first = self.first(group, &rows);
        let rows = first..first + rows.len() as u64;
        if let Some(contexts) = self.contexts() {
            contexts.number(rows, self.first_sequence, (sequences, positions));
        } else if self.numbers.len() > 1 {
            self.read_numbers(rows.clone(), 0, sequences)?;
            self.read_numbers(rows, 1, positions)?;
        }
        Ok(())
    }

    fn read_token_ids(&self, contexts: Range<u64>) -> Result<Vec<Vec<u32>>> {
        let Some((all, tokens)) = self.contexts().zip(self.tokens()) else { return Ok(Vec::new()) };
        all.read(&self.input, contexts, |rows, out| self.read_numbers(rows, tokens, out))
    }
}
