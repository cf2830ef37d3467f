//! Errors about what a place holds: nothing, something else than a store, or a store that says
//! something else than was requested.

use std::path::PathBuf;

/// A store, or files of other tools, cannot be opened as requested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such folder.
    #[error("{} does not exist; give the folder or the files of a store", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// Files that do not belong together.
    #[error(
        "{} has {found}, but {} has {expected}; give files of one kind, or choose columns they share with `--column`",
        path.display(),
        first.display()
    )]
    MixedColumns {
        /// The file.
        path: PathBuf,
        /// Its columns, in words.
        found: String,
        /// The first file.
        first: PathBuf,
        /// Its columns, in words.
        expected: String,
    },
    /// An option does not apply to a store.
    #[error("{}: {problem}; {remedy}", path.display())]
    Options {
        /// The store or the file.
        path: PathBuf,
        /// Which option, and why.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The folder has neither a manifest nor files that can be read.
    #[error(
        "{} is not a store: it has no `manifest.json` and no .parquet, .arrow, .safetensors or .npy files{}",
        dir.display(),
        holds.as_ref().map_or_else(
            || "; if a harvest into it did not finish, run it again".to_owned(),
            |holds| format!(", but {holds}"),
        )
    )]
    NotAStore {
        /// The folder.
        dir: PathBuf,
        /// The files that it holds, in words; `None` where it is empty.
        holds: Option<String>,
    },
    /// The folder holds the beginning of a store.
    #[error(
        "{} is not a store yet: it has no `manifest.json`; run the command that was writing it again, which goes on",
        dir.display()
    )]
    Unfinished {
        /// The folder.
        dir: PathBuf,
    },
    /// A manifest of something else.
    #[error("{} has format `{found}`, expected `saekit-store`; point to a store's folder", path.display())]
    OtherFormat {
        /// The manifest.
        path: PathBuf,
        /// Its `format`.
        found: String,
    },
    /// A manifest of a version this build does not read.
    #[error(
        "{} has version {found}, expected {supported}; use the saekit that wrote the store, or harvest it again with this one",
        path.display()
    )]
    OtherVersion {
        /// The manifest.
        path: PathBuf,
        /// Its `version`.
        found: u64,
        /// The version this build reads.
        supported: u32,
    },
    /// A manifest that contradicts itself.
    #[error("{} contradicts itself: {problem}; harvest the store again", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The contradiction.
        problem: String,
    },
    /// A store whose shards hold no rows, or a writer that was given none.
    #[error(
        "the store in {} has no rows: what was read for it was empty, or every token was left out; give it other input",
        dir.display()
    )]
    NoRows {
        /// The folder.
        dir: PathBuf,
    },
    /// Every file of a store is damaged.
    #[error(
        "no rows are left in {}: {skipped} damaged files were left out, the first since: {problem}",
        dir.display()
    )]
    NothingLeft {
        /// The folder.
        dir: PathBuf,
        /// Number of skipped files.
        skipped: usize,
        /// The problem of the first of them.
        problem: String,
    },
    /// A column the manifest promises is not in a file.
    #[error("{} has no column `{column}`; it has {available}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The columns there are, in words.
        available: String,
    },
    /// A file in which no column can be activations.
    #[error(
        "{} has no column of vectors; it has {available}; expected lists of f16, f32 or f64, or bytes with a dtype",
        path.display()
    )]
    NoActivations {
        /// The file.
        path: PathBuf,
        /// The columns there are, in words.
        available: String,
    },
    /// A column of 16-bit values whose dtype is not known.
    #[error(
        "column `{column}` of {} has plain bytes, of which f16 and bf16 cannot be told apart; say which with `--half-dtype f16` or `--half-dtype bf16`",
        path.display()
    )]
    UnknownDType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
}
