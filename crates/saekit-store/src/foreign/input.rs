//! The file that is read, what it is called, and reads that stay inside of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{DamageError, Error, Result};
use crate::storage::Blob;

/// A file of one of the layouts.
#[derive(Clone, Debug)]
pub(super) struct Input {
    blob: Arc<dyn Blob>,
    path: PathBuf,
    layout: &'static str,
}

impl Input {
    pub(super) fn new(blob: Arc<dyn Blob>, path: &Path, layout: &'static str) -> Self {
        Self { blob, path: path.to_owned(), layout }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.blob.bytes()
    }

    pub(super) fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.check(offset, out.len() as u64)?;
        Ok(self.blob.read_at(offset, out)?)
    }

    /// Reads `len` bytes, which are allocated only if the file has as many.
    pub(super) fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.check(offset, len)?;
        let mut bytes = vec![0; len as usize];
        self.blob.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fails unless the file has `len` bytes from `offset` on.
    pub(super) fn check(&self, offset: u64, len: u64) -> Result<()> {
        if offset.checked_add(len).is_some_and(|end| end <= self.bytes()) {
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

    /// The error for row `row` of `column`.
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
