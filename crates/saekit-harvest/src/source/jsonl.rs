//! JSON lines: a document per line, blank lines skipped. Only the requested field is read.

use std::borrow::Cow;
use std::path::Path;

use super::record::Record;
use super::stream::Stream;
use super::{Fields, Format};
use crate::corpus::CorpusWriter;
use crate::error::{Error, Result};
use crate::place::Place;

pub(super) const FORMAT: Format =
    Format { extensions: &["jsonl", "ndjson", "json"], packed: true, read };

fn read(path: &Path, fields: &Fields, corpus: &mut CorpusWriter<'_>) -> Result<()> {
    let mut stream = Stream::open(path)?;
    let mut line = Vec::new();
    for number in 1.. {
        let offset = stream.offset();
        if !stream.read_line(&mut line, number)? {
            break;
        }
        if !line.trim_ascii().is_empty() {
            push(Line { place: Place::Line(path, number), offset, bytes: &line }, fields, corpus)?;
        }
    }
    Ok(())
}

/// A line of a file.
#[derive(Clone, Copy)]
struct Line<'a> {
    place: Place<'a>,
    /// Where in the file it begins.
    offset: u64,
    bytes: &'a [u8],
}

fn push(line: Line<'_>, fields: &Fields, corpus: &mut CorpusWriter<'_>) -> Result<()> {
    let record =
        Record::scan(line.bytes, fields.names()).map_err(|reason| line.no_object(reason))?;
    let present =
        || record.values.iter().flatten().map(|range| (range.start, &line.bytes[range.clone()]));
    let value = present().find(|(_, bytes)| *bytes != b"null").or_else(|| present().next());
    let Some((start, value)) = value else {
        let names = record.names.iter().map(String::as_str);
        return Err(fields.missing(line.place, names, record.fields));
    };
    let is_this =
        |range: &Option<std::ops::Range<usize>>| range.as_ref().is_some_and(|r| r.start == start);
    let index = record.values.iter().position(is_this).unwrap_or(0);
    let wrong = |found: &str| Error::WrongType {
        place: line.place.to_string(),
        field: fields.names()[index].clone(),
        found: found.to_owned(),
    };
    match value[0] {
        b'"' => corpus.text(line.place, &line.text(start, value)?),
        b'[' => {
            let ids = ids(value).ok_or_else(|| wrong("a list with other values"))?;
            corpus.ids(line.place, &ids)
        }
        b'{' => Err(wrong("an object")),
        b't' | b'f' => Err(wrong("a boolean")),
        _ if value == b"null" => corpus.null(),
        _ => Err(wrong("a number")),
    }
}

impl<'a> Line<'a> {
    fn no_object(&self, reason: String) -> Error {
        Error::InvalidJson { place: self.place.to_string(), reason }
    }

    /// The string that `value`, at byte `start` of the line, is in JSON.
    fn text(&self, start: usize, value: &'a [u8]) -> Result<Cow<'a, str>> {
        let text = std::str::from_utf8(value).map_err(|error| Error::InvalidUtf8 {
            place: self.place.to_string(),
            offset: self.offset + (start + error.valid_up_to()) as u64,
            of: "file",
        })?;
        serde_json::from_str::<Text<'a>>(text).map(|text| text.0).map_err(|source| {
            Error::InvalidString { place: self.place.to_string(), reason: source.to_string() }
        })
    }
}

/// A string, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The integers of a list in JSON.
fn ids(list: &[u8]) -> Option<Vec<i64>> {
    let inner = list.strip_prefix(b"[")?.strip_suffix(b"]")?.trim_ascii();
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let id = |part: &[u8]| std::str::from_utf8(part.trim_ascii()).ok()?.parse().ok();
    inner.split(|byte| *byte == b',').map(id).collect()
}
