//! Rows of one column, for formats that keep documents in columns.

use std::path::Path;

use crate::corpus::CorpusWriter;
use crate::error::{Error, Result};
use crate::place::Place;

/// Some rows of one column.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// The column's name.
    pub(super) field: &'a str,
    /// Number of the first row in the file.
    pub(super) first: u64,
}

impl<'a> Rows<'a> {
    /// Row `i` of these, for messages.
    pub(super) fn place(&self, i: usize) -> Place<'a> {
        Place::Row(self.path, self.first + i as u64)
    }

    /// The error of row `i`, which holds `found`.
    pub(super) fn wrong_type(&self, i: usize, found: &str) -> Error {
        let (place, field) = (self.place(i).to_string(), self.field.to_owned());
        Error::WrongType { place, field, found: found.to_owned() }
    }

    /// Hands over row `i`, whose `bytes` have to be UTF-8.
    pub(super) fn bytes(
        &self,
        i: usize,
        bytes: &[u8],
        corpus: &mut CorpusWriter<'_>,
    ) -> Result<()> {
        let text = std::str::from_utf8(bytes).map_err(|error| Error::InvalidUtf8 {
            place: self.place(i).to_string(),
            offset: error.valid_up_to() as u64,
            of: "value",
        })?;
        corpus.text(self.place(i), text)
    }
}
