//! Parquet as other tools write it: a vector is a list of numbers, or plain bytes.
//!
//! Pages are read one by one and their values copied in place, after a look at the levels which tells
//! that every row has as many. A row group that is larger than a group should be is read in parts,
//! for which it has to be known where its pages lie.

mod chunk;
mod codec;
mod delta;
mod footer;
mod levels;
mod plan;
mod runs;
mod shard;
mod values;
mod window;

use parquet::file::metadata::{KeyValue, ParquetMetaData};

use self::chunk::{Chunk, Column, Reader};
use self::footer::{Field, Leaf};
use self::levels::Shape;
use self::plan::Group;
use self::shard::ListColumns;
use self::values::Item;
use super::input::shorten;
use super::integers::{self, Integer};
use super::project::{Kind, Vectors, missing, project};
use super::{ForeignColumn, ForeignFile, Input, MAX_WIDTH, ReadOptions, half_dtype};
use crate::error::Result;
use crate::format::dtype::DType;

/// Keys that say nothing to a user.
const DULL_KEYS: [&str; 3] = ["ARROW:schema", "pandas", "huggingface"];

/// Vectors in a parquet file.
#[derive(Clone, Debug)]
struct Stored {
    column: Column,
    chunks: Vec<Chunk>,
    /// Values of a row, and how they are delivered.
    width: usize,
    dtype: DType,
    rows: u64,
    has_checksums: bool,
}

impl Vectors for Stored {
    fn rows(&self) -> (u64, Option<u64>) {
        (self.rows, (self.column.shape.lists == 2).then_some(self.column.shape.context))
    }

    fn row_bytes(&self) -> usize {
        self.width * self.dtype.bytes()
    }
}

/// A file whose footer was read.
struct Parquet<'a> {
    input: &'a Input,
    options: &'a ReadOptions,
    metadata: ParquetMetaData,
    fields: Vec<Field>,
}

/// Opens a file.
pub(super) fn open(input: &Input, options: &ReadOptions) -> Result<ForeignFile> {
    let metadata = footer::read(input)?;
    let fields = footer::fields(&metadata);
    let file = Parquet { input, options, metadata, fields };
    let rows = file.count_rows()?;
    let mut notes = file.notes();
    if let Some(wanted) = options.columns.iter().find(|name| file.field(name).is_none()) {
        return Err(missing(input, wanted, &file.names()));
    }
    let kinds = file.fields.iter().filter(|field| file.may_be_wanted(field));
    let kinds = kinds.map(|field| (field.name.clone(), file.kind(field, rows))).collect();
    let chosen = project(input, options, kinds, &mut notes)?;
    if chosen.iter().any(|(_, stored)| !stored.has_checksums) {
        notes.push("its pages have no checksums, so changed bytes go unnoticed; `saekit convert-store` adds them".to_owned());
    }
    let in_contexts = chosen.iter().any(|(_, stored)| stored.rows().1.is_some());
    let numbers = integers::named(input, options, in_contexts)?.into_iter().flatten();
    let numbers: Vec<_> = numbers.map(|name| file.number(name)).collect::<Result<_>>()?;
    found(input.clone(), options, chosen, numbers, notes)
}

fn found(
    input: Input,
    options: &ReadOptions,
    chosen: Vec<(String, Stored)>,
    numbers: Vec<(Stored, Integer)>,
    notes: Vec<String>,
) -> Result<ForeignFile> {
    let (rows, context) = chosen.first().map_or((0, None), |(_, stored)| stored.rows());
    let column = |(name, stored): &(String, Stored)| ForeignColumn {
        name: name.clone(),
        width: stored.width,
        dtype: stored.dtype,
    };
    let columns = chosen.iter().map(column).collect();
    let (stored, integers): (Vec<_>, Vec<_>) = numbers.into_iter().unzip();
    let all = chosen.into_iter().map(|(_, stored)| stored).chain(stored);
    let mut parts: Vec<_> = all.map(|stored| (stored.column, stored.chunks)).collect();
    let groups = Group::plan(&input, options.group_bytes, &mut parts, integers.len())?;
    let has_tokens = context.is_some() || !integers.is_empty();
    let shard = ListColumns::new(input, parts, integers, groups, (context, options.first_sequence));
    let sequences = super::sequences(rows, context, options)?;
    Ok(ForeignFile { columns, rows, sequences, has_tokens, shard: Box::new(shard), notes })
}

impl Parquet<'_> {
    /// Rows of the file, which may be contexts.
    fn count_rows(&self) -> Result<u64> {
        let mut rows = 0_u64;
        for group in self.metadata.row_groups() {
            let next = u64::try_from(group.num_rows()).ok().and_then(|n| rows.checked_add(n));
            let next = next.filter(|rows| *rows < 1 << 60);
            rows = next.ok_or_else(|| self.input.damaged("its row groups have absurd sizes"))?;
        }
        Ok(rows)
    }

    /// Whether to look at a column at all, which takes reading a page.
    fn may_be_wanted(&self, field: &Field) -> bool {
        self.options.columns.is_empty()
            || self.options.columns.contains(&field.name)
            || field.leaf.is_none()
            || field.lists == 0
    }

    fn keys(&self) -> impl Iterator<Item = &KeyValue> {
        self.metadata.file_metadata().key_value_metadata().into_iter().flatten()
    }

    fn key(&self, key: &str) -> Option<&str> {
        self.keys().find(|entry| entry.key == key)?.value.as_deref()
    }

    fn notes(&self) -> Vec<String> {
        let of_interest = self.keys().filter(|entry| !DULL_KEYS.contains(&entry.key.as_str()));
        of_interest
            .map(|entry| {
                let value = entry.value.as_deref().unwrap_or_default();
                format!("its footer's `{}` is {}", entry.key, shorten(value))
            })
            .collect()
    }

    fn kind(&self, field: &Field, rows: u64) -> Kind<Stored> {
        let other = || Kind::Other(field.kind.clone());
        let Some((leaf, content)) = field.leaf else { return other() };
        let is_vectors = match content {
            Leaf::F16 | Leaf::F32 | Leaf::F64 => matches!(field.lists, 1 | 2),
            Leaf::Bytes(_) => field.lists <= 2,
            Leaf::I32 | Leaf::U32 | Leaf::I64 | Leaf::U64 => false,
        };
        if !is_vectors {
            return other();
        }
        self.stored(field, leaf, content, rows).map_or_else(Kind::Faulty, Kind::Vectors)
    }

    fn stored(&self, field: &Field, leaf: usize, content: Leaf, rows: u64) -> Result<Stored> {
        let (stored, is_double, dtype) = match content {
            Leaf::F16 => (2, false, DType::F16),
            Leaf::F64 => (8, true, DType::F32),
            Leaf::Bytes(bytes) => (bytes, false, self.dtype(field, bytes)?),
            // Whole numbers are not delivered, but read as they are.
            Leaf::F32 | Leaf::I32 | Leaf::U32 => (4, false, DType::F32),
            Leaf::I64 | Leaf::U64 => (8, false, DType::F32),
        };
        let shape = Shape { lists: field.lists, nullable: field.nullable, context: 1, width: 1 };
        let is_integer = matches!(content, Leaf::I32 | Leaf::U32 | Leaf::I64 | Leaf::U64);
        let item = Item { stored, is_double, is_integer };
        let mut column = Column { name: field.name.clone(), shape, item };
        let chunks = self.chunks(&field.name, leaf)?;
        let mut has_checksums = false;
        if let Some(chunk) = chunks.iter().find(|chunk| chunk.values > 0) {
            let reader = Reader { input: self.input, column: &column, chunk };
            let ([context, width], checksums) = reader.measure()?;
            has_checksums = checksums;
            column.shape = Shape { context, width, ..shape };
        }
        self.check_values(&column, &chunks)?;
        // Without rows nobody knows how long a list is.
        let is_known = field.lists == 0 || chunks.iter().any(|chunk| chunk.values > 0);
        let list = if is_known { column.shape.width as usize } else { 0 };
        let values = list.checked_mul(item.delivered() / dtype.bytes());
        let width = values.filter(|width| *width as u64 <= MAX_WIDTH);
        let rows = rows.checked_mul(column.shape.context);
        let Some((width, rows)) = width.zip(rows) else {
            return Err(self.input.damaged(format!("its rows have more than {MAX_WIDTH} values")));
        };
        Ok(Stored { column, chunks, width, dtype, rows, has_checksums })
    }

    /// The dtype of plain bytes, `bytes` of them a value.
    fn dtype(&self, field: &Field, bytes: usize) -> Result<DType> {
        let dtype = half_dtype::dtype(self.input, &field.name, |key| self.key(key), self.options)?;
        if bytes.is_multiple_of(dtype.bytes()) && (field.lists == 0 || bytes == dtype.bytes()) {
            return Ok(dtype);
        }
        let found = format!("values of {bytes} bytes in column `{}`, of dtype {dtype}", field.name);
        Err(self.input.unsupported(found, "whole values of it"))
    }

    fn chunks(&self, name: &str, leaf: usize) -> Result<Vec<Chunk>> {
        let (mut chunks, mut row) = (Vec::new(), 0);
        for group in self.metadata.row_groups() {
            let Some(column) = group.columns().get(leaf) else {
                return Err(self.input.damaged(format!("a row group lacks column `{name}`")));
            };
            chunks.push(Chunk::new(self.input, name, column, row)?);
            row += group.num_rows() as u64; // which `count_rows` has checked
        }
        Ok(chunks)
    }

    /// Fails unless every row group has as many values as its rows should have.
    fn check_values(&self, column: &Column, chunks: &[Chunk]) -> Result<()> {
        for (chunk, group) in chunks.iter().zip(self.metadata.row_groups()) {
            let rows = group.num_rows() as u64;
            if rows.checked_mul(column.shape.period()) == Some(chunk.values) {
                continue;
            }
            let reader = Reader { input: self.input, column, chunk };
            reader.find_odd_row()?;
            let found = format!("{} values in the {rows} rows from there on", chunk.values);
            return Err(reader.irregular(0, found));
        }
        Ok(())
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    fn names(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.name.clone()).collect()
    }

    /// The column of whole numbers called `name`.
    fn number(&self, name: &str) -> Result<(Stored, Integer)> {
        let Some(field) = self.field(name) else {
            return Err(missing(self.input, name, &self.names()));
        };
        let integer = match field.leaf.filter(|_| field.lists == 0) {
            Some((leaf, Leaf::I32)) => Some((leaf, Leaf::I32, Integer::I32)),
            Some((leaf, Leaf::U32)) => Some((leaf, Leaf::U32, Integer::U32)),
            Some((leaf, Leaf::I64)) => Some((leaf, Leaf::I64, Integer::I64)),
            Some((leaf, Leaf::U64)) => Some((leaf, Leaf::U64, Integer::U64)),
            _ => None,
        };
        let Some((leaf, content, integer)) = integer else {
            let found = format!("column `{name}` of type {}", field.kind);
            return Err(self.input.unsupported(found, "a column of whole numbers"));
        };
        Ok((self.stored(field, leaf, content, self.count_rows()?)?, integer))
    }
}
