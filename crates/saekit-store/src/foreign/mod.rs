//! Files of other tools: parquet with lists, Arrow IPC, safetensors and npy, as rows of vectors.
//!
//! A file is opened once, which finds its columns and where their values lie, and then read a group
//! of rows at a time. Nothing is taken from a header before it was held against the size of the
//! file, and every row is checked to be as wide as the others, without nulls.

mod arrow_ipc;
mod contexts;
mod half_dtype;
mod input;
mod integers;
mod npy;
mod other_kinds;
mod parquet_lists;
mod project;
mod raw_columns;
mod safetensors;
mod scaled;
mod tensors;
mod unpacked;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use self::contexts::Contexts;
pub(crate) use self::half_dtype::check as check_half_dtype;
use self::input::Input;
pub(crate) use self::other_kinds::other_kind;
use crate::error::{DamageError, Result, WriteError};
use crate::format::dtype::DType;
use crate::shard::Shard;
use crate::storage::{Blob, name_stand_in};

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
    /// Whether the shard gives the token of each row.
    pub(crate) token_ids: bool,
    /// Reads them; its columns are numbered as `columns`.
    pub(crate) shard: Box<dyn Shard>,
    /// Facts that a user should know, a sentence each.
    pub(crate) notes: Vec<String>,
}

/// A column of a [`ForeignFile`].
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
    /// The columns of the files before, in their order. Columns are read by name: one that is not
    /// among them comes after them.
    pub(crate) order: Vec<String>,
    /// The column of whole numbers that is the sequence of each row.
    pub(crate) document: Option<String>,
    /// The column of whole numbers that is the position of each row.
    pub(crate) position: Option<String>,
    /// The column of the token of each row; `token_ids` where nothing is said and there is one.
    pub(crate) tokens: Option<String>,
    /// The column of the scale of each row, for vectors of 8-bit whole numbers.
    pub(crate) scale: Option<String>,
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

impl Layout {
    /// Its name, which is also its usual ending.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
        }
    }
}

/// The layout of the file at `path`, by its ending in any case.
pub(crate) fn layout_of(path: &str) -> Option<Layout> {
    match Path::new(path).extension()?.to_str()?.to_lowercase().as_str() {
        "parquet" | "pq" => Some(Layout::Parquet),
        "arrow" => Some(Layout::Arrow),
        "safetensors" => Some(Layout::Safetensors),
        "npy" => Some(Layout::Npy),
        _ => None,
    }
}

/// Opens the file whose bytes are `blob`; `path` says its layout and stands in messages.
pub(crate) fn open(
    blob: &Arc<dyn Blob>,
    path: &Path,
    options: &ReadOptions,
) -> Result<ForeignFile> {
    let input = |layout| Input::new(Arc::clone(blob), path, layout);
    let layout = path.to_str().and_then(layout_of);
    scaled::check(path, layout, options)?;
    let found = match layout {
        Some(Layout::Parquet) => parquet_lists::open(&input("parquet"), options),
        Some(Layout::Arrow) => arrow_ipc::open(&input("Arrow IPC"), options),
        Some(Layout::Safetensors) => safetensors::open(&input("safetensors"), options),
        Some(Layout::Npy) => npy::open(&input("npy"), options),
        None => {
            let (found, expected) =
                ("another extension", ".parquet, .arrow, .safetensors or .npy".to_owned());
            let (path, found) = (path.to_owned(), found.to_owned());
            Err(other_kind(&path)
                .unwrap_or_else(|| DamageError::Unsupported { path, found, expected }.into()))
        }
    };
    found.map_err(|error| name_stand_in(&**blob, path, error))
}

/// How many sequences `contexts` are; 0 where rows have no contexts. Fails where they cannot be
/// numbered from `options.first_sequence` on.
fn sequences(contexts: Option<&Contexts>, options: &ReadOptions) -> Result<u32> {
    let Some(contexts) = contexts else { return Ok(0) };
    let too_many = WriteError::TooManySequences { limit: u32::MAX };
    let sequences = u32::try_from(contexts.count()).ok();
    let fit = sequences.filter(|count| options.first_sequence.checked_add(*count).is_some());
    fit.ok_or_else(|| too_many.into())
}
