//! JSON lines: a document a line, blank lines skipped.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use saekit_core::Error as CoreError;
use serde_json::{Map, Value};

use super::{Fields, Format, Place};
use crate::corpus::Spool;
use crate::error::{Error, Result};

pub(super) const FORMAT: Format = Format { extension: "jsonl", read };

fn read(path: &Path, fields: &Fields, spool: &mut Spool<'_>) -> Result<()> {
    let mut reader = BufReader::new(File::open(path).map_err(CoreError::io("read", path))?);
    let mut line = Vec::new();
    let (mut number, mut offset) = (0, 0);
    loop {
        line.clear();
        let n = reader.read_until(b'\n', &mut line).map_err(CoreError::io("read", path))?;
        if n == 0 {
            return Ok(());
        }
        number += 1;
        let place = Place::Line(path, number);
        let text = std::str::from_utf8(&line).map_err(|error| Error::InvalidUtf8 {
            place: place.to_string(),
            offset: offset + error.valid_up_to() as u64,
        })?;
        if !text.trim().is_empty() {
            push(place, text, fields, spool)?;
        }
        offset += n as u64;
    }
}

fn push(place: Place<'_>, line: &str, fields: &Fields, spool: &mut Spool<'_>) -> Result<()> {
    let record: Map<String, Value> = serde_json::from_str(line)
        .map_err(|source| Error::InvalidJson { place: place.to_string(), source })?;
    let (field, value) = fields
        .find(|name| record.get(name))
        .ok_or_else(|| fields.missing(place, record.keys().map(String::as_str)))?;
    match value {
        Value::String(text) => spool.text(place, text),
        Value::Array(items) => {
            let ids: Option<Vec<i64>> = items.iter().map(Value::as_i64).collect();
            let ids = ids.ok_or_else(|| wrong_type(place, field, "a list with other values"))?;
            spool.ids(place, &ids)
        }
        Value::Null => Err(wrong_type(place, field, "null")),
        Value::Bool(_) => Err(wrong_type(place, field, "a boolean")),
        Value::Number(_) => Err(wrong_type(place, field, "a number")),
        Value::Object(_) => Err(wrong_type(place, field, "an object")),
    }
}

fn wrong_type(place: Place<'_>, field: &str, found: &str) -> Error {
    Error::WrongType { place: place.to_string(), field: field.to_owned(), found: found.to_owned() }
}
