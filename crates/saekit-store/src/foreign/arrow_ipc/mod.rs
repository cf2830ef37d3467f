//! The stream and the file format of Arrow IPC, as Hugging Face `datasets` and polars write them.
//!
//! Values are read from where they lie: opening goes once through the messages, finds the buffers of
//! the columns in every record batch and checks that their lists are regular and without nulls.

mod batch;
mod messages;
mod schema;

use arrow::ipc;

use self::batch::{Batch, Regular};
use self::messages::Messages;
use self::schema::{Field, Keys, Leaf};
use super::input::shorten;
use super::integers::{self, Integer};
use super::project::{Kind, Vectors as _, missing, project};
use super::raw_columns::{FlatVectors, RawColumns, Value};
use super::{ForeignFile, Input, MAX_WIDTH, ReadOptions, half_dtype};
use crate::error::Result;
use crate::format::dtype::DType;

/// Opens a file; which of the two formats it has, its first bytes tell.
pub(super) fn open(input: &Input, options: &ReadOptions) -> Result<ForeignFile> {
    let (mut messages, head) = Messages::open(input)?;
    let (fields, keys) = schema::read(input, &head)?;
    let batches = batches(input, &mut messages, &fields)?;
    let mut notes = vec![
        "it has no checksums, so changed bytes go unnoticed; `saekit convert-store` adds them"
            .to_owned(),
    ];
    let of_interest = keys.iter().filter(|(key, _)| key != "huggingface");
    notes.extend(of_interest.map(|(key, value)| format!("its `{key}` is {}", shorten(value))));
    let kind = |field: &Field| (field.name.clone(), kind(input, field, &keys, &batches, options));
    let chosen = project(input, options, fields.iter().map(kind).collect(), &mut notes)?;
    let context = chosen.first().and_then(|(_, plain)| plain.rows().1);
    let numbers = integers::named(input, options, context.is_some())?;
    let numbers: Vec<_> = numbers
        .into_iter()
        .flatten()
        .map(|name| number(input, &fields, name))
        .collect::<Result<_>>()?;
    let names = chosen.iter().map(|(name, _)| name).chain(numbers.iter().map(|(name, _)| name));
    let read: Vec<_> = names.filter_map(|name| fields.iter().find(|f| f.name == *name)).collect();
    let mut raw = RawColumns::new(input, options, chosen, numbers);
    for batch in &batches {
        let starts: Vec<_> =
            read.iter().map(|field| batch.start(input, field)).collect::<Result<_>>()?;
        raw.push(batch.rows * context.unwrap_or(1), &starts)?;
    }
    raw.found(options, notes)
}

/// The record batches that have rows.
fn batches(input: &Input, messages: &mut Messages<'_>, fields: &[Field]) -> Result<Vec<Batch>> {
    let (mut batches, mut row) = (Vec::new(), 0_u64);
    while let Some(message) = messages.next()? {
        let root = message.root(input)?;
        match root.header_type() {
            ipc::MessageHeader::RecordBatch => {
                let batch = Batch::read(input, &message, &root, fields, row)?;
                row = row
                    .checked_add(batch.rows)
                    .ok_or_else(|| input.damaged("its batches have too many rows"))?;
                batches.extend(Some(batch).filter(|batch| batch.rows > 0));
            }
            ipc::MessageHeader::DictionaryBatch => {}
            _ => return Err(input.damaged("a message in it is no record batch")),
        }
    }
    Ok(batches)
}

/// Classifies `field` as a column of vectors or something else.
fn kind(
    input: &Input,
    field: &Field,
    keys: &Keys,
    batches: &[Batch],
    options: &ReadOptions,
) -> Kind<FlatVectors> {
    let Some(leaf) = &field.leaf else { return Kind::Other(field.kind.clone()) };
    if leaf.lists.is_empty() && !matches!(leaf.value, schema::Value::Bytes(_)) {
        return Kind::Other(field.kind.clone());
    }
    match vectors(input, field, leaf, keys, batches, options) {
        Ok(Some(plain)) => Kind::Vectors(plain),
        Ok(None) => Kind::Other(field.kind.clone()),
        Err(error) => Kind::Faulty(error),
    }
}

fn vectors(
    input: &Input,
    field: &Field,
    leaf: &Leaf,
    keys: &Keys,
    batches: &[Batch],
    options: &ReadOptions,
) -> Result<Option<FlatVectors>> {
    let get = |key: &str| keys.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    let (value, values) = match leaf.value {
        schema::Value::Float(value) => (value, 1),
        schema::Value::Bytes(bytes) => {
            let dtype = half_dtype::dtype(input, &field.name, get, options)?;
            let is_value = bytes == dtype.bytes();
            let is_row = bytes > 0 && bytes.is_multiple_of(dtype.bytes()) && leaf.lists.is_empty();
            if !is_value && !is_row {
                let found = format!("values of {bytes} bytes in column `{}`", field.name);
                return Err(input.unsupported(found, &format!("whole values of {dtype}")));
            }
            (Value::As(dtype), bytes / dtype.bytes())
        }
        schema::Value::Integer(_) => return Ok(None),
    };
    let regular = Regular::measure(input, field, leaf, batches)?;
    let rows: u64 = batches.iter().map(|batch| batch.rows).sum();
    let width = regular.width.checked_mul(values as u64).and_then(|w| usize::try_from(w).ok());
    let rows = rows.checked_mul(regular.context.unwrap_or(1));
    let Some((width, rows)) = width.zip(rows).filter(|(width, _)| *width as u64 <= MAX_WIDTH)
    else {
        return Err(input.damaged(format!("its rows have more than {MAX_WIDTH} values")));
    };
    Ok(Some(FlatVectors { width, value, rows, context: regular.context }))
}

/// The column of whole numbers called `name`.
fn number(input: &Input, fields: &[Field], name: &str) -> Result<(String, Integer)> {
    let Some(field) = fields.iter().find(|field| field.name == name) else {
        let names: Vec<_> = fields.iter().map(|field| field.name.clone()).collect();
        return Err(missing(input, name, &names));
    };
    match &field.leaf {
        Some(Leaf { value: schema::Value::Integer(integer), lists, .. }) if lists.is_empty() => {
            Ok((name.to_owned(), *integer))
        }
        _ => {
            let found = format!("column `{name}` of type {}", field.kind);
            Err(input.unsupported(found, "a column of whole numbers of 32 or 64 bits"))
        }
    }
}

impl From<DType> for Value {
    fn from(dtype: DType) -> Self {
        Self::As(dtype)
    }
}
