//! Files of other tools: parquet with lists, Arrow IPC, safetensors and npy, as rows of vectors.
//!
//! A file is opened once, which finds its columns and where their values lie, and then read a group
//! of rows at a time. Nothing is taken from a header before it was held against the size of the
//! file, and every row is checked to be as wide as the others, without nulls.

mod arrow_ipc;
mod half_dtype;
mod input;
mod integers;
mod npy;
mod parquet_lists;
mod project;
mod raw_columns;
mod safetensors;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub(crate) use self::half_dtype::check as check_half_dtype;
use self::input::Input;
use crate::error::{DamageError, Result, WriteError};
use crate::format::dtype::DType;
use crate::shard::Shard;
use crate::storage::Blob;

/// A file of another tool, ready to be read.
#[derive(Debug)]
pub(crate) struct ForeignFile {
    /// The columns that can be activations: the requested ones in their order, or all.
    pub(crate) columns: Vec<ForeignColumn>,
    /// Vectors of each column.
    pub(crate) rows: u64,
    /// Sequences this file numbers by itself; 0 where rows have none or carry their own numbers.
    pub(crate) sequences: u32,
    /// Whether the shard gives the sequence and the position of rows.
    pub(crate) has_tokens: bool,
    /// Reads them; its columns are numbered as `columns`.
    pub(crate) shard: Box<dyn Shard>,
    /// Facts that a user should know, a sentence each.
    pub(crate) notes: Vec<String>,
}

/// A column of a [`Found`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignColumn {
    /// Its name in the file.
    pub(crate) name: String,
    /// Values per row; 0 where the file has no rows and its types do not say it.
    pub(crate) width: usize,
    /// The type in which the shard returns values.
    pub(crate) dtype: DType,
}

/// How to read a file: the requested columns, and facts that the file does not say itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadOptions {
    /// Groups should hold no more bytes than this, over all columns.
    pub(crate) group_bytes: usize,
    /// The requested columns; all if empty.
    pub(crate) columns: Vec<String>,
    /// The column of whole numbers that is the sequence of each row.
    pub(crate) document: Option<String>,
    /// The column of whole numbers that is the position of each row.
    pub(crate) position: Option<String>,
    /// The dtype of 16-bit values, for files that do not say it.
    pub(crate) dtype: Option<DType>,
    /// Number of the first of the sequences that the file numbers by itself.
    pub(crate) first_sequence: u32,
}

/// Rows of more values than this are not believed.
const MAX_WIDTH: u64 = 1 << 24;

/// Somebody else's way of storing vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Parquet with lists or fixed-length bytes.
    Parquet,
    /// The stream or the file format of Arrow IPC.
    Arrow,
    /// Named tensors.
    Safetensors,
    /// One array of numpy.
    Npy,
}

/// The layout of the file at `path`, by its extension.
pub(crate) fn layout_of(path: &str) -> Option<Layout> {
    match Path::new(path).extension()?.to_str()? {
        "parquet" => Some(Layout::Parquet),
        "arrow" => Some(Layout::Arrow),
        "safetensors" => Some(Layout::Safetensors),
        "npy" => Some(Layout::Npy),
        _ => None,
    }
}

/// Opens the file whose bytes are `blob`; `path` says its layout and stands in messages.
pub(crate) fn open(blob: Arc<dyn Blob>, path: &Path, options: &ReadOptions) -> Result<ForeignFile> {
    match path.to_str().and_then(layout_of) {
        Some(Layout::Parquet) => parquet_lists::open(&Input::new(blob, path, "parquet"), options),
        Some(Layout::Arrow) => arrow_ipc::open(&Input::new(blob, path, "Arrow IPC"), options),
        Some(Layout::Safetensors) => {
            safetensors::open(&Input::new(blob, path, "safetensors"), options)
        }
        Some(Layout::Npy) => npy::open(&Input::new(blob, path, "npy"), options),
        None => Err(DamageError::Unsupported {
            path: path.to_owned(),
            found: "another extension".to_owned(),
            expected: ".parquet, .arrow, .safetensors or .npy".to_owned(),
        }
        .into()),
    }
}

/// Sequences of `rows` rows in contexts of `context` rows each; 0 where rows have no contexts.
/// Fails where they cannot be numbered from `options.first_sequence` on.
fn sequences(rows: u64, context: Option<u64>, options: &ReadOptions) -> Result<u32> {
    let Some(context) = context else { return Ok(0) };
    let too_many = WriteError::TooManySequences { limit: u32::MAX }.into();
    let Ok(sequences) = u32::try_from(rows / context.max(1)) else { return Err(too_many) };
    let last = options.first_sequence.checked_add(sequences);
    last.map(|_| sequences).ok_or(too_many)
}
