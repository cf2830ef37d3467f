//! Arrow files, in which `save_to_disk` of Hugging Face's `datasets` keeps a data set: a document per
//! row, from one column of strings, of bytes or of lists of integers.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use arrow::ipc::reader::StreamReader;
use saekit_core::{Error as CoreError, input};

use super::columns::{push, reason};
use super::rows::Rows;
use super::{Fields, Format, damage};
use crate::corpus::CorpusWriter;
use crate::error::{Error, Result};
use crate::place::Place;

pub(super) const FORMAT: Format = Format { extensions: &["arrow"], packed: false, read };

/// The beginning of Arrow's file format; messages as in a stream follow after two bytes.
const FILE: &[u8] = b"ARROW1";
/// The bytes before the length of a message.
const CONTINUATION: [u8; 4] = [0xff; 4];

fn read(path: &Path, fields: &Fields, corpus: &mut CorpusWriter<'_>) -> Result<()> {
    damage::refuse_stand_in(path, &CONTINUATION)?;
    let mut file = input::open(path)?;
    let start = check(&mut file, path)?;
    file.seek(SeekFrom::Start(start)).map_err(CoreError::io("read", path))?;
    damage::caught(path, || documents(path, file, fields, corpus))
}

fn documents(
    path: &Path,
    file: File,
    fields: &Fields,
    corpus: &mut CorpusWriter<'_>,
) -> Result<()> {
    let invalid = |error| Error::damaged(path, &reason(&error));
    let reader = StreamReader::try_new(BufReader::new(file), None).map_err(invalid)?;
    let schema = reader.schema();
    let (field, column) = fields.find(|name| schema.index_of(name).ok()).ok_or_else(|| {
        let names = schema.fields().iter().map(|field| field.name().as_str());
        fields.missing(Place::File(path), names, schema.fields().len())
    })?;
    let mut first = 0;
    for batch in reader {
        let batch = batch.map_err(invalid)?;
        push(batch.column(column), Rows { path, field, first }, corpus)?;
        first += batch.num_rows() as u64;
    }
    Ok(())
}

/// Walks over all messages and fails where one is longer than the file: the library takes as much
/// memory as a message says. Returns where the first begins.
fn check(file: &mut File, path: &Path) -> Result<u64> {
    let failed = CoreError::io("read", path);
    let size = file.metadata().map_err(failed)?.len();
    let mut magic = Vec::new();
    file.by_ref().take(6).read_to_end(&mut magic).map_err(CoreError::io("read", path))?;
    let start = if magic == FILE { 8 } else { 0 };
    let mut at = start;
    while let Some(length) =
        message(file, at, size).map_err(|reason| Error::damaged(path, &reason))?
    {
        at += length;
    }
    Ok(start)
}

/// The length of the message that begins at byte `at` of a file of `size` bytes; none where the stream
/// ends.
fn message(file: &mut File, at: u64, size: u64) -> Result<Option<u64>, String> {
    if at == size {
        return Ok(None);
    }
    let beyond = || format!("a message at byte {at} goes on after the end of the file");
    let mut head = [0; 8];
    let read = |file: &mut File, at, bytes: &mut [u8]| {
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(bytes))
            .map_err(|error| format!("{} ({error})", beyond()))
    };
    read(file, at, &mut head)?;
    if head[..4] != CONTINUATION {
        return Err(format!("there is no message of Arrow's at byte {at}"));
    }
    let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    if length == 0 {
        return Ok(None);
    }
    if length > size - at - 8 {
        return Err(beyond());
    }
    let mut header = vec![0; length as usize];
    read(file, at + 8, &mut header)?;
    let header = arrow::ipc::root_as_message(&header)
        .map_err(|error| format!("the message at byte {at} is not one of Arrow's: {error}"))?;
    let body = u64::try_from(header.bodyLength()).ok().ok_or_else(beyond)?;
    if body > size - at - 8 - length {
        return Err(beyond());
    }
    Ok(Some(8 + length + body))
}
