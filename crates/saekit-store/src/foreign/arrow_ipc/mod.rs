//! The stream and the file format of Arrow IPC, as Hugging Face `datasets` and polars write them.
//!
//! Values are read from where they lie: opening goes once through the messages, finds the buffers of
//! the columns in every record batch and checks that their lists are regular and without nulls.

mod batch;
mod dictionaries;
mod ids;
mod messages;
pub(super) mod schema;

use arrow::ipc;

use self::batch::{Batch, Regular};
use self::dictionaries::Dictionaries;
use self::ids::Texts;
use self::messages::Messages;
use self::schema::{Field, Keys, Leaf};
use super::contexts::Contexts;
use super::input::shorten;
use super::integers::{self, Integer, Meaning};
use super::project::{Kind, Vectors as _, missing, project};
use super::raw_columns::{FlatVectors, Number, RawColumns, Source, Value};
use super::scaled::{self, scaled};
use super::{ForeignFile, Input, MAX_WIDTH, ReadOptions, half_dtype};
use crate::error::{Error, Result};
use crate::format::dtype::DType;

/// Shapes of tensors that are read, in words.
pub(super) const SHAPES: &str = "a shape of [width], [1, width] or [context, width]";

/// Opens a file; which of the two formats it has, its first bytes tell.
pub(super) fn open(input: &Input, options: &ReadOptions) -> Result<ForeignFile> {
    let (mut messages, head) = Messages::open(input)?;
    let (fields, keys) = schema::read(input, &head)?;
    let (batches, dictionaries) = batches(input, &mut messages, &fields)?;
    let mut notes = vec![
        "it has no checksums, so changed bytes go unnoticed; `saekit convert-store` adds them"
            .to_owned(),
    ];
    let of_interest = keys.iter().filter(|(key, _)| key != "huggingface");
    notes.extend(of_interest.map(|(key, value)| format!("its `{key}` is {}", shorten(value))));
    let kind = |field: &Field| (field.name.clone(), kind(input, field, &keys, &batches, options));
    let kinds = fields.iter().filter(|field| options.scale.as_ref() != Some(&field.name));
    let mut chosen = project(input, options, kinds.map(kind).collect(), &mut notes)?;
    let is_signed: Vec<_> = chosen.iter().map(|(name, _)| is_signed(&fields, name)).collect();
    if let Some(name) = &options.scale {
        chosen.push(scales(input, &fields, name, (&batches, &chosen))?);
    }
    let contexts = chosen.first().and_then(|(_, plain)| plain.contexts.clone());
    let places = integers::named(input, options, contexts.is_some())?;
    let mut numbers = Vec::new();
    for (name, meaning) in places.into_iter().flatten().zip(integers::PLACES) {
        let columns = (&batches[..], &dictionaries);
        numbers.push(number(input, &fields, (name, meaning), columns)?);
    }
    if let Some(name) = integers::tokens(options, fields.iter().map(|field| field.name.as_str())) {
        match tokens(input, &fields, name, (&batches, contexts.as_ref())) {
            Err(error) if options.tokens.is_none() => notes.push(integers::no_tokens(name, &error)),
            tokens => numbers.push(tokens?),
        }
    }
    let names = chosen.iter().map(|(name, _)| name).chain(numbers.iter().map(|n| &n.name));
    let read: Vec<_> = names.filter_map(|name| fields.iter().find(|f| f.name == *name)).collect();
    let mut raw = RawColumns::new(input, options, chosen, numbers);
    for batch in &batches {
        // A column of texts is read elsewhere.
        let start =
            |field: &&Field| field.leaf.as_ref().map_or(Ok(0), |_| batch.start(input, field));
        let starts: Vec<_> = read.iter().map(start).collect::<Result<_>>()?;
        let (first, end) = (batch.first_row(), batch.first_row() + batch.rows);
        let rows = contexts.as_ref().map(|c| c.first_row(end) - c.first_row(first));
        raw.push(rows.unwrap_or(batch.rows), &starts)?;
    }
    let found = raw.found(options, notes)?;
    if options.scale.is_some() { scaled(input, found, &is_signed) } else { Ok(found) }
}

/// Whether the vectors of the column `name` are 8-bit whole numbers, and whether those have a sign.
fn is_signed(fields: &[Field], name: &str) -> Option<bool> {
    let leaf = fields.iter().find(|field| field.name == name)?.leaf.as_ref()?;
    match leaf.value {
        schema::Value::Integer(integer) => scaled::is_signed(integer),
        schema::Value::Float(_) | schema::Value::Bytes(_) => None,
    }
}

/// The column of scales called `name`, one for each of the vectors that were `chosen`.
fn scales(
    input: &Input,
    fields: &[Field],
    name: &str,
    (batches, chosen): (&[Batch], &[(String, FlatVectors)]),
) -> Result<(String, FlatVectors)> {
    let (field, first) = (named(input, fields, name)?, chosen.first().map(|(_, first)| first));
    let other = || scaled::no_scale(input, name);
    let outer = usize::from(first.is_some_and(|first| first.contexts.is_some()));
    let leaf = field.leaf.as_ref().filter(|leaf| [outer, outer + 1].contains(&leaf.lists.len()));
    let Some(leaf @ Leaf { value: schema::Value::Float(value), .. }) = leaf else {
        return Err(other());
    };
    let regular = Regular::measure(input, field, (leaf, outer), batches)?;
    let rows = batches.iter().map(|batch| batch.rows).sum();
    let rows = regular.contexts.as_ref().map_or(rows, Contexts::rows);
    let vectors = FlatVectors { width: 1, value: *value, rows, contexts: regular.contexts };
    let fits = regular.width == 1 && first.is_none_or(|first| first.fits(&vectors));
    fits.then(|| (name.to_owned(), vectors)).ok_or_else(other)
}

/// The record batches that have rows.
fn batches(
    input: &Input,
    messages: &mut Messages<'_>,
    fields: &[Field],
) -> Result<(Vec<Batch>, Dictionaries)> {
    let (mut batches, mut row) = (Vec::new(), 0_u64);
    let mut dictionaries = Dictionaries::default();
    while let Some(message) = messages.next()? {
        let root = message.root(input)?;
        match root.header_type() {
            ipc::MessageHeader::RecordBatch => {
                let Some(batch) = root.header_as_record_batch() else {
                    return Err(input.damaged("a record batch in it has no header"));
                };
                let batch = Batch::read(input, &message, &batch, fields, row)?;
                row = row
                    .checked_add(batch.rows)
                    .ok_or_else(|| input.damaged("its batches have too many rows"))?;
                batches.extend(Some(batch).filter(|batch| batch.rows > 0));
            }
            ipc::MessageHeader::DictionaryBatch => {
                dictionaries.add(input, &message, &root, fields)?;
            }
            _ => return Err(input.damaged("a message in it is no record batch")),
        }
    }
    Ok((batches, dictionaries))
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
    if leaf.lists.is_empty() && matches!(leaf.value, schema::Value::Float(_)) {
        return Kind::Number;
    }
    if leaf.lists.is_empty() && !matches!(leaf.value, schema::Value::Bytes(_)) {
        return Kind::Other(field.kind.clone());
    }
    if let schema::Value::Integer(integer) = leaf.value
        && scaled::is_signed(integer).is_some()
        && matches!(leaf.lists.len(), 1 | 2)
        && options.scale.is_none()
    {
        return Kind::Faulty(scaled::unscaled(input, &field.name));
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
        schema::Value::Integer(Integer::I16 | Integer::U16) => {
            (Value::As(half_dtype::dtype(input, &field.name, get, options)?), 1)
        }
        // Without their scale, which comes later.
        schema::Value::Integer(integer) if scaled::is_signed(integer).is_some() => {
            (Value::As(DType::I8), 1)
        }
        schema::Value::Integer(_) => return Ok(None),
    };
    let outer = leaf.lists.len().saturating_sub(1);
    let regular = Regular::measure(input, field, (leaf, outer), batches)?;
    let rows: u64 = batches.iter().map(|batch| batch.rows).sum();
    let width = regular.width.checked_mul(values as u64).and_then(|w| usize::try_from(w).ok());
    let (mut contexts, mut width) = (regular.contexts, width);
    if let Some(tensor) = &field.tensor {
        let tensor = tensor.clone().map_err(|found| input.unsupported(found, SHAPES))?;
        if contexts.is_some() || width.is_some_and(|w| Some(w as u64) != tensor.values()) {
            let problem =
                format!("column `{}` has lists of another shape than its type", field.name);
            return Err(input.damaged(problem));
        }
        width = usize::try_from(tensor.width).ok();
        contexts = tensor.context.and_then(|context| Contexts::regular(context, rows));
    }
    let rows = contexts.as_ref().map_or(rows, Contexts::rows);
    let Some(width) = width.filter(|width| *width as u64 <= MAX_WIDTH) else {
        return Err(input.damaged(format!("its rows have more than {MAX_WIDTH} values")));
    };
    Ok(Some(FlatVectors { width, value, rows, contexts }))
}

/// The column of numbers called `name`; anything can be an id.
fn number(
    input: &Input,
    fields: &[Field],
    (name, meaning): (&str, Meaning),
    (batches, dictionaries): (&[Batch], &Dictionaries),
) -> Result<Number> {
    let field = named(input, fields, name)?;
    if let Some(key) = field.dictionary.filter(|_| meaning == Meaning::Id) {
        let ids = dictionaries.ids(input, field, key, batches)?;
        return Ok(Number { name: name.to_owned(), meaning, source: Source::Ids(Box::new(ids)) });
    }
    let leaf = field.leaf.as_ref().filter(|leaf| leaf.lists.is_empty());
    match (leaf.map(|leaf| leaf.value), field.text) {
        (Some(schema::Value::Integer(integer)), _) => Ok(Number::integers(name, meaning, integer)),
        (_, Some(text)) if meaning == Meaning::Id => {
            let texts = Texts::new(input, field, text, batches)?;
            let (name, source) = (name.to_owned(), Source::Ids(Box::new(texts)));
            Ok(Number { name, meaning, source })
        }
        _ => Err(other_type(input, field, meaning)),
    }
}

fn other_type(input: &Input, field: &Field, meaning: Meaning) -> Error {
    let found = format!("column `{}` of type {}", field.name, field.kind);
    input.unsupported(found, meaning.expected())
}

fn named<'a>(input: &Input, fields: &'a [Field], name: &str) -> Result<&'a Field> {
    fields.iter().find(|field| field.name == name).ok_or_else(|| {
        let names: Vec<_> = fields.iter().map(|field| field.name.clone()).collect();
        missing(input, name, &names)
    })
}

/// The column of tokens called `name`, a list of them per row where vectors lie in `contexts`.
fn tokens(
    input: &Input,
    fields: &[Field],
    name: &str,
    (batches, contexts): (&[Batch], Option<&Contexts>),
) -> Result<Number> {
    let (field, meaning) = (named(input, fields, name)?, Meaning::Token);
    let outer = usize::from(contexts.is_some());
    let leaf = field.leaf.as_ref().filter(|leaf| leaf.lists.len() == outer);
    let Some(Leaf { value: schema::Value::Integer(integer), .. }) = leaf else {
        return Err(other_type(input, field, meaning));
    };
    let integer = *integer;
    if let Some(leaf) = leaf {
        let regular = Regular::measure(input, field, (leaf, outer), batches)?;
        if regular.contexts.as_ref() != contexts {
            let found = format!("other lists in column `{name}` than of vectors");
            return Err(input.unsupported(found, "a token per vector"));
        }
    }
    Ok(Number::integers(name, meaning, integer))
}

impl From<DType> for Value {
    fn from(dtype: DType) -> Self {
        Self::As(dtype)
    }
}
