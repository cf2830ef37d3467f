//! The file that is read, what it is called, and reads that stay inside of it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::unpacked::Unpacked;

use crate::error::{DamageError, Error, Result};
use crate::storage::Blob;

/// Reads a part of a file, some of it at a time.
struct ReadOn {
    input: Input,
    offset: u64,
    end: u64,
}

impl Read for ReadOn {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let len = (self.end - self.offset).min(out.len() as u64) as usize;
        let read = self.input.read_into(self.offset, &mut out[..len]);
        read.map_err(std::io::Error::other)?;
        self.offset += len as u64;
        Ok(len)
    }
}

/// A file of one of the layouts.
#[derive(Clone, Debug)]
pub(super) struct Input {
    blob: Arc<dyn Blob>,
    path: PathBuf,
    layout: &'static str,
    /// What was unpacked of it. Its bytes count as lying after those of the file.
    unpacked: Arc<OnceLock<Unpacked>>,
}

impl Input {
    pub(super) fn new(blob: Arc<dyn Blob>, path: &Path, layout: &'static str) -> Self {
        Self { blob, path: path.to_owned(), layout, unpacked: Arc::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.blob.bytes()
    }

    /// Whether its first bytes are `start`.
    pub(super) fn begins_with(&self, start: &[u8]) -> bool {
        self.read(0, start.len() as u64).is_ok_and(|bytes| bytes == start)
    }

    pub(super) fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.check(offset, out.len() as u64)?;
        match self.unpacked_at(offset) {
            Some((unpacked, offset)) => unpacked.read(offset, out),
            None => Ok(self.blob.read_at(offset, out)?),
        }
    }

    /// Where `offset` lies in what was unpacked, if it lies there.
    fn unpacked_at(&self, offset: u64) -> Option<(&Unpacked, u64)> {
        self.unpacked.get().zip(offset.checked_sub(self.bytes()))
    }

    /// Unpacks what `packed` reads, which should be `len` bytes; where they lie from then on.
    pub(super) fn unpack(&self, packed: impl Read, len: u64) -> Result<u64> {
        if self.unpacked.get().is_none() {
            self.unpacked.set(Unpacked::new()?).ok(); // one thread opens a file
        }
        let Some(unpacked) = self.unpacked.get() else {
            return Err(self.damaged("is not unpacked"));
        };
        let start = unpacked.append(packed, len)?;
        let start = start.map_err(|problem| {
            self.damaged(format!("a compressed part of it cannot be unpacked: {problem}"))
        })?;
        Ok(self.bytes() + start)
    }

    /// Reads from `offset` on, up to `len` bytes.
    pub(super) fn reader(&self, offset: u64, len: u64) -> impl Read {
        ReadOn { input: self.clone(), offset, end: offset.saturating_add(len) }
    }

    /// Reads `len` bytes, which are allocated only if the file has as many.
    pub(super) fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.check(offset, len)?;
        let mut bytes = vec![0; len as usize];
        self.read_into(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fails unless the file has `len` bytes from `offset` on.
    pub(super) fn check(&self, offset: u64, len: u64) -> Result<()> {
        let (offset_there, all) = match self.unpacked_at(offset) {
            Some((unpacked, offset)) => (offset, unpacked.bytes()),
            None => (offset, self.bytes()),
        };
        if offset_there.checked_add(len).is_some_and(|end| end <= all) {
            return Ok(());
        }
        let (bytes, problem) = (self.bytes(), "was it truncated?");
        Err(self.damaged(format!(
            "it should have {len} bytes from byte {offset} on, but has {bytes} in all; {problem}"
        )))
    }

    /// The error for bytes that contradict the layout.
    pub(super) fn damaged(&self, problem: impl Into<String>) -> Error {
        DamageError::Damaged {
            path: self.path.clone(),
            layout: self.layout,
            problem: problem.into(),
        }
        .into()
    }

    /// The error for what is sound but cannot be read.
    pub(super) fn unsupported(&self, found: impl Into<String>, expected: &str) -> Error {
        DamageError::Unsupported {
            path: self.path.clone(),
            found: found.into(),
            expected: expected.to_owned(),
        }
        .into()
    }

    /// The error for row `row` of `column`, which is no list.
    pub(super) fn irregular(
        &self,
        column: &str,
        row: u64,
        found: String,
        expected: String,
    ) -> Error {
        DamageError::IrregularRow {
            path: self.path.clone(),
            column: column.to_owned(),
            row,
            found,
            expected,
            remedy: "drop or mend such rows".into(),
        }
        .into()
    }

    /// The error for row `row` of `column`, whose lists should have `len` values where that is known.
    pub(super) fn irregular_list(
        &self,
        column: &str,
        row: u64,
        (found, expected): (String, String),
        len: Option<u64>,
    ) -> Error {
        let is_long = len.map_or_else(String::new, |len| format!("len(v) == {len} and "));
        let keeps = format!("bool(v) and {is_long}None not in v");
        let remedy = format!(
            "drop or mend such rows, with pyarrow for example by `t.filter([{keeps} for v in t['{column}'].to_pylist()])`"
        );
        DamageError::IrregularRow {
            path: self.path.clone(),
            column: column.to_owned(),
            row,
            found,
            expected,
            remedy: remedy.into(),
        }
        .into()
    }
}

/// The beginning of a long text.
pub(super) fn shorten(text: &str) -> String {
    const LONG: usize = 200;
    let printable =
        |c: char| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '?' } else { c };
    let short: String = text.chars().take(LONG).map(printable).collect();
    if text.chars().nth(LONG).is_none() { short } else { format!("{short} ...") }
}
