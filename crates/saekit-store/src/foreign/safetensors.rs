//! Tensors of `[rows, width]` or `[contexts, context, width]`, one column each.
//!
//! The format: the length of the header in 8 bytes, the header in JSON, and the tensors one after
//! the other without gaps.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::input::shorten;
use super::integers::{self, Integer, Meaning};
use super::project::{Kind, missing, project};
use super::raw_columns::{FlatVectors, Number, RawColumns, Value, shaped};
use super::{ForeignFile, Input, ReadOptions, half_dtype};
use crate::error::{Error, OpenError, PlaceError, Result};
use crate::format::dtype::DType;
use crate::place::weights::is_parameter;

/// The limit of the format.
const MAX_HEADER: u64 = 100_000_000;
/// The tensors of a chunk in the activation cache of `OpenMOSS`.
const CHUNK: [&str; 3] = ["activation", "tokens", "mask"];

/// An entry of the header.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    /// From the end of the header on.
    data_offsets: [u64; 2],
}

/// Tensors by name, with where they lie in the file.
type Tensors = BTreeMap<String, Tensor>;

/// Opens a file of tensors.
pub(super) fn open(input: &Input, options: &ReadOptions) -> Result<ForeignFile> {
    let (tensors, mut notes) = read_header(input)?;
    if let Some(name) = tensors.keys().find(|name| is_parameter(name)) {
        let (path, reason) = (input.path().to_owned(), format!("it has `{}`", shorten(name)));
        return Err(PlaceError::Weights { path, reason }.into());
    }
    let kind =
        |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.kind(input, name, options));
    let mut found: Vec<_> = tensors.iter().map(kind).collect();
    if options.columns.is_empty() && CHUNK.iter().all(|name| tensors.contains_key(*name)) {
        found.retain(|(name, _)| name == CHUNK[0]);
        let note = "its `mask` is not looked at: rows of padding and first tokens are read too";
        notes.push(note.to_owned());
    }
    let chosen = project(input, options, found, &mut notes)?;
    let Some((rows, contexts)) = chosen.first().map(|(_, plain)| (plain.rows, &plain.contexts))
    else {
        return Err(no_tensors(input));
    };
    let named = integers::named(input, options, contexts.is_some())?;
    let places = named.into_iter().flatten().zip(integers::PLACES);
    let tokens = integers::tokens(options, tensors.keys().map(String::as_str));
    let tokens = tokens.map(|name| (name, Meaning::Token));
    let mut numbers = Vec::new();
    for (name, meaning) in places.chain(tokens) {
        match number(input, &tensors, (name, meaning), rows) {
            Err(error) if meaning == Meaning::Token && options.tokens.is_none() => {
                notes.push(integers::no_tokens(name, &error));
            }
            number => numbers.push(number?),
        }
    }
    let names = chosen.iter().map(|(name, _)| name).chain(numbers.iter().map(|n| &n.name));
    let starts: Vec<_> = names.map(|name| tensors[name].data_offsets[0]).collect();
    let mut raw = RawColumns::new(input, options, chosen, numbers);
    raw.push(rows, &starts)?;
    raw.found(options, notes)
}

fn no_tensors(input: &Input) -> Error {
    OpenError::NoActivations { path: input.path().to_owned(), available: "none".to_owned() }.into()
}

/// The tensors, whose offsets are made those in the file, and notes on the metadata.
fn read_header(input: &Input) -> Result<(Tensors, Vec<String>)> {
    let mut len = [0; 8];
    input.read_into(0, &mut len)?;
    let len = u64::from_le_bytes(len);
    if len > MAX_HEADER {
        return Err(input.damaged(format!("its header would have {len} bytes")));
    }
    let header = input.read(8, len)?;
    let mut entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&header)
        .map_err(|error| input.damaged(format!("its header is not JSON: {error}")))?;
    let mut notes = vec![
        "it has no checksums, so changed bytes go unnoticed; `saekit convert-store` adds them"
            .to_owned(),
    ];
    if let Some(metadata) = entries.remove("__metadata__") {
        notes.push(format!("its metadata is {}", shorten(&metadata.to_string())));
    }
    let mut tensors = BTreeMap::new();
    for (name, entry) in entries {
        let tensor: Tensor = serde_json::from_value(entry)
            .map_err(|error| input.damaged(format!("tensor `{name}` in its header: {error}")))?;
        tensors.insert(name, tensor);
    }
    lie_side_by_side(input, &mut tensors, 8 + len)?;
    Ok((tensors, notes))
}

/// Fails unless the tensors fill the file from `start` on without gap or overlap, each as long as
/// its shape says; then makes their offsets those in the file.
fn lie_side_by_side(input: &Input, tensors: &mut Tensors, start: u64) -> Result<()> {
    let mut sorted: Vec<_> = tensors.iter_mut().collect();
    sorted.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut end = 0;
    for (name, tensor) in sorted {
        let [begin, stop] = tensor.data_offsets;
        if begin != end || stop < begin {
            let problem =
                format!("tensor `{name}` lies at {begin}..{stop}, expected from {end} on");
            return Err(input.damaged(problem));
        }
        if tensor.bytes().is_some_and(|bytes| bytes != stop - begin) {
            let (dtype, shape) = (&tensor.dtype, &tensor.shape);
            let problem = format!(
                "tensor `{name}` has {} bytes, which is not {dtype} {shape:?}",
                stop - begin
            );
            return Err(input.damaged(problem));
        }
        end = stop;
        tensor.data_offsets = [begin.saturating_add(start), stop.saturating_add(start)];
    }
    if start.checked_add(end) == Some(input.bytes()) {
        return Ok(());
    }
    let (found, expected) = (input.bytes(), start.saturating_add(end));
    Err(input.damaged(format!("it has {found} bytes, but its tensors end at {expected}")))
}

/// The column of whole numbers called `name`, which must have `rows`.
fn number(
    input: &Input,
    tensors: &Tensors,
    (name, meaning): (&str, Meaning),
    rows: u64,
) -> Result<Number> {
    let Some(tensor) = tensors.get(name) else {
        let names: Vec<_> = tensors.keys().cloned().collect();
        return Err(missing(input, name, &names));
    };
    let integer = match tensor.dtype.as_str() {
        "I8" => Some(Integer::I8),
        "U8" => Some(Integer::U8),
        "I16" => Some(Integer::I16),
        "U16" => Some(Integer::U16),
        "I32" => Some(Integer::I32),
        "U32" => Some(Integer::U32),
        "I64" => Some(Integer::I64),
        "U64" => Some(Integer::U64),
        _ => None,
    };
    let values = tensor.shape.iter().try_fold(1, |product: u64, n| product.checked_mul(*n));
    let is_list = tensor.shape.len() == 1 || meaning == Meaning::Token;
    let Some(integer) = integer.filter(|_| is_list && values == Some(rows)) else {
        let found = format!("tensor `{name}`, {} {:?}", tensor.dtype, tensor.shape);
        return Err(input.unsupported(found, "a whole number for each row"));
    };
    Ok(Number::integers(name, meaning, integer))
}

impl Tensor {
    /// Its vectors, where it has some.
    fn kind(&self, input: &Input, name: &str, options: &ReadOptions) -> Kind<FlatVectors> {
        let value = match self.dtype.as_str() {
            "I16" | "U16" if matches!(self.shape.len(), 2 | 3) => {
                match half_dtype::dtype(input, name, |_| None, options) {
                    Ok(dtype) => Some(Value::As(dtype)),
                    Err(error) => return Kind::Faulty(error),
                }
            }
            "F16" => Some(Value::As(DType::F16)),
            "BF16" => Some(Value::As(DType::BF16)),
            "F32" => Some(Value::As(DType::F32)),
            "F64" => Some(Value::F64),
            _ => None,
        };
        let plain = value.and_then(|value| shaped(&self.shape, value));
        plain.map_or_else(|| Kind::Other(format!("{} {:?}", self.dtype, self.shape)), Kind::Vectors)
    }

    /// Bytes of its values; `None` for a dtype that nobody here knows.
    fn bytes(&self) -> Option<u64> {
        let value = match self.dtype.as_str() {
            "BOOL" | "U8" | "I8" => 1,
            "F16" | "BF16" | "I16" | "U16" => 2,
            "F32" | "I32" | "U32" => 4,
            "F64" | "I64" | "U64" => 8,
            _ => return None,
        };
        // A product that is too large for any file is no file's size.
        let product = self.shape.iter().try_fold(value, |product: u64, n| product.checked_mul(*n));
        Some(product.unwrap_or(u64::MAX))
    }
}
