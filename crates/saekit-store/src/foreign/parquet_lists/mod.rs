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
mod ragged;
mod runs;
mod shard;
mod values;
mod window;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parquet::file::metadata::{KeyValue, ParquetMetaData};

use self::chunk::{Chunk, Column, Reader};
use self::footer::{Field, Leaf};
use self::levels::Shape;
use self::plan::Group;
use self::shard::ListColumns;
use self::values::{Form, Item};
use super::arrow_ipc::SHAPES;
use super::arrow_ipc::schema::tensor;
use super::contexts::Contexts;
use super::input::shorten;
use super::integers::{self, Integer, Meaning};
use super::project::{Kind, Vectors, missing, project};
use super::scaled::{self, scaled};
use super::tensors::Tensor;
use super::{ForeignColumn, ForeignFile, Input, MAX_WIDTH, ReadOptions, half_dtype};
use crate::error::{Error, OpenError, Result};
use crate::format::dtype::DType;

/// Of a row group with so many values, all levels are looked at to find out whether contexts are
/// equally long.
const FEW_VALUES: u64 = 1 << 20;
/// The key of the Arrow schema that writers of Arrow embed.
const ARROW_SCHEMA: &str = "ARROW:schema";
/// Keys that say nothing to a user.
const DULL_KEYS: [&str; 3] = [ARROW_SCHEMA, "pandas", "huggingface"];

/// Vectors in a parquet file.
#[derive(Clone, Debug)]
struct Stored {
    column: Column,
    chunks: Vec<Chunk>,
    /// Values of a row, and how they are delivered.
    width: usize,
    dtype: DType,
    rows: u64,
    contexts: Option<Contexts>,
    has_checksums: bool,
}

impl Vectors for Stored {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn contexts(&self) -> Option<&Contexts> {
        self.contexts.as_ref()
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
    let mut chosen = project(input, options, kinds, &mut notes)?;
    let is_signed: Vec<_> = chosen.iter().map(|(name, _)| file.is_signed(name)).collect();
    if chosen.iter().any(|(_, stored)| !stored.has_checksums) {
        notes.push("its pages have no checksums, so changed bytes go unnoticed; `saekit convert-store` adds them".to_owned());
    }
    let scales = options.scale.as_deref().map(|name| file.scales(name, &chosen)).transpose()?;
    chosen.extend(scales);
    let contexts = chosen.first().and_then(|(_, stored)| stored.contexts.as_ref());
    let places = integers::named(input, options, contexts.is_some())?;
    let mut numbers = Vec::new();
    for (name, meaning) in places.into_iter().flatten().zip(integers::PLACES) {
        let (stored, integer) = file.number(name, meaning)?;
        numbers.push((stored, (integer, meaning)));
    }
    if let Some(name) = integers::tokens(options, file.fields.iter().map(|f| f.name.as_str())) {
        match file.tokens(name, contexts) {
            Err(error) if options.tokens.is_none() => notes.push(integers::no_tokens(name, &error)),
            tokens => {
                let (stored, integer) = tokens?;
                numbers.push((stored, (integer, Meaning::Token)));
            }
        }
    }
    let found = found(input.clone(), options, chosen, numbers, notes)?;
    if options.scale.is_some() { scaled(input, found, &is_signed) } else { Ok(found) }
}

fn found(
    input: Input,
    options: &ReadOptions,
    chosen: Vec<(String, Stored)>,
    numbers: Vec<(Stored, (Integer, Meaning))>,
    notes: Vec<String>,
) -> Result<ForeignFile> {
    let first = chosen.first().map(|(_, stored)| (stored.rows, stored.contexts.clone()));
    let (rows, contexts) = first.unwrap_or_default();
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
    let has_tokens = contexts.is_some() || integers.len() > 1;
    let token_ids = integers.iter().any(|(_, meaning)| *meaning == Meaning::Token);
    let sequences = super::sequences(contexts.as_ref(), options)?;
    let shard =
        ListColumns::new(input, parts, integers, groups, (contexts, options.first_sequence));
    let shard = Box::new(shard);
    Ok(ForeignFile { columns, rows, sequences, has_tokens, token_ids, shard, notes })
}

/// The error for a column of Spark's vectors.
fn spark(input: &Input, column: &str) -> Error {
    let (path, out) = (input.path().display(), input.path().with_extension("npy"));
    let row = "numpy.array(v['values']) if v['type'] else numpy.bincount(numpy.array(v['indices'], int), v['values'], v['size'])";
    OpenError::Options {
        path: input.path().to_owned(),
        problem: format!(
            "its column `{column}` has vectors of Spark (a struct of type, size, indices and values)"
        ),
        remedy: format!(
            "convert it in Spark with `pyspark.ml.functions.vector_to_array`, or once: python -c \"import numpy, pyarrow.parquet as pq; t = pq.read_table('{path}'); numpy.save('{}', numpy.stack([{row} for v in t['{column}'].to_pylist()]).astype('float32'))\"",
            out.display()
        ),
    }
    .into()
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
        if self.options.scale.as_ref() == Some(&field.name) {
            return false;
        }
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

    /// The tensor that lists of the column `name` are, as the embedded Arrow schema says. It is read as
    /// anything else from a file is, and only for this.
    fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(schema) = self.key(ARROW_SCHEMA) else { return Ok(None) };
        let bytes = BASE64_STANDARD.decode(schema.trim()).unwrap_or_default();
        // A mark and the length come first, where the writer is not an old one.
        let start = if bytes.starts_with(&[u8::MAX; 4]) { 8 } else { 4 };
        let message = arrow::ipc::root_as_message(bytes.get(start..).unwrap_or_default());
        let Some(schema) = message.ok().and_then(|message| message.header_as_schema()) else {
            return Err(self.input.damaged(format!("its `{ARROW_SCHEMA}` is broken")));
        };
        let field = schema.fields().into_iter().flatten().find(|field| field.name() == Some(name));
        let tensor = field.and_then(|field| tensor(&field)).transpose();
        tensor.map_err(|found| self.input.unsupported(found, SHAPES))
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
        if field.is_spark {
            return Kind::Faulty(spark(self.input, &field.name));
        }
        let Some((leaf, content)) = field.leaf else { return other() };
        if field.lists == 0 && matches!(content, Leaf::F16 | Leaf::F32 | Leaf::F64) {
            return Kind::Number;
        }
        let is_vectors = match content {
            Leaf::Integer(_, 8) if matches!(field.lists, 1 | 2) => {
                if self.options.scale.is_none() {
                    return Kind::Faulty(scaled::unscaled(self.input, &field.name));
                }
                true
            }
            Leaf::F16 | Leaf::F32 | Leaf::F64 | Leaf::Integer(_, 16) => {
                matches!(field.lists, 1 | 2)
            }
            Leaf::Bytes(_) => field.lists <= 2,
            Leaf::Fixed(_) | Leaf::Text | Leaf::Integer(..) => false,
        };
        if !is_vectors {
            return other();
        }
        let stored = self.values(field, content);
        let outer = field.lists.saturating_sub(1);
        let stored = stored.and_then(|values| self.stored((field, outer), leaf, values, rows));
        stored.map_or_else(Kind::Faulty, Kind::Vectors)
    }

    /// How the values of vectors are stored, and their dtype.
    fn values(&self, field: &Field, content: Leaf) -> Result<(Item, DType)> {
        let item = |stored, form| Item { stored, form, is_integer: false };
        Ok(match content {
            Leaf::F16 => (item(2, Form::Same), DType::F16),
            Leaf::F64 => (item(8, Form::Single), DType::F32),
            Leaf::Bytes(bytes) => (item(bytes, Form::Same), self.dtype(field, bytes)?),
            Leaf::Integer(integer, 16) => {
                let item = Item { is_integer: true, ..item(integer.bytes(), Form::Low(2)) };
                (item, self.dtype(field, 2)?)
            }
            // Without their scale, which comes later.
            Leaf::Integer(integer, 8) => {
                let item = Item { is_integer: true, ..item(integer.bytes(), Form::Low(1)) };
                (item, DType::I8)
            }
            Leaf::F32 | Leaf::Fixed(_) | Leaf::Text | Leaf::Integer(..) => {
                (item(4, Form::Same), DType::F32)
            }
        })
    }

    /// Whether the vectors of the column `name` are 8-bit whole numbers, and whether those have a sign.
    fn is_signed(&self, name: &str) -> Option<bool> {
        match self.field(name)?.leaf?.1 {
            Leaf::Integer(integer, 8) => Some(integer == Integer::I32),
            _ => None,
        }
    }

    /// The column of scales called `name`, one for each of the vectors that were `chosen`.
    fn scales(&self, name: &str, chosen: &[(String, Stored)]) -> Result<(String, Stored)> {
        let Some(field) = self.field(name) else {
            return Err(missing(self.input, name, &self.names()));
        };
        let other = || scaled::no_scale(self.input, name);
        let Some((leaf, content @ (Leaf::F16 | Leaf::F32 | Leaf::F64))) = field.leaf else {
            return Err(other());
        };
        let in_contexts = chosen.first().is_some_and(|(_, first)| first.contexts.is_some());
        let outer = u32::from(in_contexts);
        if field.lists != outer && field.lists != outer + 1 {
            return Err(other());
        }
        let values = self.values(field, content)?;
        let stored = self.stored((field, outer), leaf, values, self.count_rows()?)?;
        let fits = stored.width == 1 && chosen.first().is_none_or(|(_, first)| first.fits(&stored));
        fits.then(|| (name.to_owned(), stored)).ok_or_else(other)
    }

    /// The column of `field`, whose `outer` outermost levels of lists, none or one, are contexts.
    fn stored(
        &self,
        (field, outer): (&Field, u32),
        leaf: usize,
        (item, dtype): (Item, DType),
        rows: u64,
    ) -> Result<Stored> {
        let shape = Shape { lists: field.lists, nullable: field.nullable, context: 1, width: 1 };
        let mut column = Column { name: field.name.clone(), shape, item };
        let chunks = self.chunks(&field.name, leaf)?;
        let mut has_checksums = false;
        if let Some(chunk) = chunks.iter().find(|chunk| chunk.values > 0) {
            let reader = Reader { input: self.input, column: &column, chunk };
            let ([context, width], checksums) = reader.measure()?;
            has_checksums = checksums;
            // The lists of tokens are contexts themselves.
            let [context, width] =
                if field.lists == outer { [context * width, 1] } else { [context, width] };
            column.shape = Shape { context, width, ..shape };
        }
        let tensor = self.tensor(&field.name)?.filter(|_| field.lists == 1 && outer == 0);
        if let Some(tensor) = tensor {
            if chunks.iter().any(|c| c.values > 0) && tensor.values() != Some(column.shape.width) {
                let problem =
                    format!("column `{}` has lists of another shape than its type", field.name);
                return Err(self.input.damaged(problem));
            }
            let context = tensor.context.unwrap_or(1);
            column.shape = Shape { context, width: tensor.width, ..shape };
        }
        // Without rows nobody knows how long a list is.
        let is_known = field.lists == outer || chunks.iter().any(|chunk| chunk.values > 0);
        let list = if is_known { column.shape.width as usize } else { 0 };
        let values = list.checked_mul(item.delivered() / dtype.bytes().min(item.delivered()));
        let Some(width) = values.filter(|width| *width as u64 <= MAX_WIDTH) else {
            return Err(self.input.damaged(format!("its rows have more than {MAX_WIDTH} values")));
        };
        let contexts = match outer {
            0 => {
                self.check_values(&column, &chunks)?;
                tensor
                    .and_then(|tensor| tensor.context)
                    .and_then(|context| Contexts::regular(context, rows))
            }
            _ => Some(self.contexts(&mut column, &chunks, rows)?),
        };
        let rows = contexts.as_ref().map_or(rows, Contexts::rows);
        Ok(Stored { column, chunks, width, dtype, rows, contexts, has_checksums })
    }

    /// How the vectors of `column` lie in contexts: the `rows` rows of the file. Its shape says so too.
    fn contexts(&self, column: &mut Column, chunks: &[Chunk], rows: u64) -> Result<Contexts> {
        let too_many = || self.input.damaged("its rows have too many vectors");
        let read = |column: &Column, chunk| Reader { input: self.input, column, chunk }.contexts();
        let groups = self.metadata.row_groups();
        let period = column.shape.period();
        let fits = chunks.iter().zip(groups).all(|(chunk, group)| {
            (group.num_rows() as u64).checked_mul(period) == Some(chunk.values)
        });
        let regular = Contexts::regular(column.shape.context, rows).ok_or_else(too_many)?;
        // Lengths may add up without being the same, but hardly in many rows.
        let first = chunks.iter().find(|chunk| chunk.values > 0);
        let first = first.filter(|chunk| fits && chunk.values <= FEW_VALUES);
        let is_regular = match first {
            Some(chunk) => read(column, chunk)?.is_regular(),
            None => fits,
        };
        if is_regular {
            return Ok(regular);
        }
        column.shape.context = 0;
        let mut contexts = Contexts::default();
        for (chunk, group) in chunks.iter().zip(groups) {
            let found = read(column, chunk)?;
            if found.count() != group.num_rows() as u64 {
                let (name, found) = (&column.name, found.count());
                let problem = format!(
                    "column `{name}` has {found} lists in a row group of {} rows",
                    group.num_rows()
                );
                return Err(self.input.damaged(problem));
            }
            contexts.extend(&found).ok_or_else(too_many)?;
        }
        Ok(contexts)
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

    /// The column of numbers called `name`. Anything can be an id; a count is a whole number.
    fn number(&self, name: &str, meaning: Meaning) -> Result<(Stored, Integer)> {
        let Some(field) = self.field(name) else {
            return Err(missing(self.input, name, &self.names()));
        };
        let id = |stored| (Item { stored, form: Form::Id, is_integer: false }, Integer::U32);
        let found = match (field.leaf.filter(|_| field.lists == 0), meaning) {
            (Some((leaf, Leaf::Integer(integer, _))), _) => {
                let form = Form::Same;
                Some((leaf, (Item { stored: integer.bytes(), form, is_integer: true }, integer)))
            }
            (Some((leaf, Leaf::Text)), Meaning::Id) => Some((leaf, id(0))),
            (Some((leaf, Leaf::Bytes(bytes) | Leaf::Fixed(bytes))), Meaning::Id) => {
                Some((leaf, id(bytes)))
            }
            _ => None,
        };
        let Some((leaf, (item, integer))) = found else {
            let found = format!("column `{name}` of type {}", field.kind);
            return Err(self.input.unsupported(found, meaning.expected()));
        };
        // Numbers have no dtype of their own; they are not delivered as values.
        let stored = self.stored((field, 0), leaf, (item, DType::F32), self.count_rows()?)?;
        Ok((stored, integer))
    }

    /// The column of tokens called `name`, a list of them per row where vectors lie in `contexts`.
    fn tokens(&self, name: &str, contexts: Option<&Contexts>) -> Result<(Stored, Integer)> {
        if contexts.is_none() {
            return self.number(name, Meaning::Token);
        }
        let Some(field) = self.field(name) else {
            return Err(missing(self.input, name, &self.names()));
        };
        let Some((leaf, Leaf::Integer(integer, _))) = field.leaf.filter(|_| field.lists == 1)
        else {
            let found = format!("column `{name}` of type {}", field.kind);
            return Err(self.input.unsupported(found, "a list of whole numbers, one per vector"));
        };
        let item = Item { stored: integer.bytes(), form: Form::Same, is_integer: true };
        let stored = self.stored((field, 1), leaf, (item, DType::F32), self.count_rows()?)?;
        if stored.contexts.as_ref() != contexts {
            let found = format!("other lists in column `{name}` than of vectors");
            return Err(self.input.unsupported(found, "a token per vector"));
        }
        Ok((stored, integer))
    }
}
