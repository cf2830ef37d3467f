//! Errors about files that are damaged, missing, or not as a format says.

use std::path::PathBuf;

use parquet::errors::ParquetError;

/// A file that is damaged, missing, or not as its format or the manifest says: no other setting and no
/// waiting would change that. Such a file may be skipped (`Damaged::Skip`).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DamageError {
    /// A file the manifest lists is not there.
    #[error("{} is missing, though the manifest lists it; restore it or harvest the store again", path.display())]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// A file is longer or shorter than the manifest says: truncated, or replaced.
    #[error(
        "{} has {found} bytes, expected {expected}: it was truncated or replaced; restore it or harvest the store again",
        path.display()
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// The manifest's size.
        expected: u64,
        /// The file's size.
        found: u64,
    },
    /// A file's bytes are not those that were written.
    #[error(
        "{} has SHA-256 {found}, expected {expected}: it was changed after it was written; restore it or harvest the store again",
        path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// The manifest's hash.
        expected: String,
        /// The file's hash.
        found: String,
    },
    /// Statistics in the manifest that are not those of the rows.
    #[error(
        "{} says that {what} of column `{column}` is {said}, but that of its rows is {found}: the manifest or the rows were changed; write the store again, by its harvest or by `saekit convert-store`",
        path.display()
    )]
    Statistics {
        /// The manifest.
        path: PathBuf,
        /// The column.
        column: String,
        /// The figure, in words.
        what: String,
        /// The manifest's value.
        said: f64,
        /// The value over the rows that were read.
        found: f64,
    },
    /// A token that has no row, two, or one that it should not have.
    #[error(
        "{}: position {position} of sequence {sequence} {problem}; a shard may be missing or of another store: restore it or harvest the store again",
        path.display()
    )]
    Position {
        /// The shard, or the store.
        path: PathBuf,
        /// The sequence.
        sequence: u32,
        /// The position.
        position: u32,
        /// What is wrong.
        problem: String,
    },
    /// The parquet reader gave up.
    #[error("{} is damaged or no parquet file: {source}; restore it or harvest the store again", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        source: ParquetError,
    },
    /// A column is of another type or width than the manifest says, or may hold nulls.
    #[error("column `{column}` of {} is {found}, expected {expected}; write it as docs/store-format.md says", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The type that the manifest requires, in words.
        expected: String,
        /// The type or layout in the file, in words.
        found: String,
    },
    /// A shard's footer lacks a key, or the key says something else than the manifest.
    #[error(
        "the footer of {} has {} for key `{key}`, expected `{expected}`; without it the bytes cannot be told apart, so write it as docs/store-format.md says",
        path.display(),
        found.as_ref().map_or_else(|| "nothing".to_owned(), |found| format!("`{found}`"))
    )]
    FooterKey {
        /// The shard.
        path: PathBuf,
        /// The key.
        key: String,
        /// The value that the manifest requires.
        expected: String,
        /// The value in the footer.
        found: Option<String>,
    },
    /// A file holds another number of rows than the manifest says.
    #[error("{} has {found} rows, expected {expected}; restore it or harvest the store again", path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// The manifest's number.
        expected: u64,
        /// The file's number.
        found: u64,
    },
    /// A page does not lie as a store's pages do.
    #[error("column `{column}` of {} {problem}, in row group {row_group}; write it as docs/store-format.md says", path.display())]
    Page {
        /// The shard.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row group.
        row_group: usize,
        /// The problem.
        problem: String,
    },
    /// A file of somebody else's layout that cannot be read as what its name says.
    #[error("{} is damaged or no {layout} file: {problem}; restore it or write it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The layout its name promises.
        layout: &'static str,
        /// The problem.
        problem: String,
    },
    /// A file that stands where another should be, such as a pointer of git-lfs.
    #[error("{} is {found}; {remedy}", path.display())]
    StandIn {
        /// The file.
        path: PathBuf,
        /// What it is, in words.
        found: &'static str,
        /// How to get the file that should be there.
        remedy: &'static str,
    },
    /// A page or a block whose checksum is not that of its bytes.
    #[error(
        "column `{column}` of {} has a page at byte {offset} with CRC-32 {found:08x}, expected {expected:08x}: it was changed after it was written; restore the file",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Where the page begins.
        offset: u64,
        /// The checksum that was written.
        expected: u32,
        /// The checksum of its bytes.
        found: u32,
    },
    /// A file that is sound, but written in a way that this build does not read.
    #[error("{} has {found}, expected {expected}; write it that way", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The type or layout in the file, in words.
        found: String,
        /// The layouts that can be read, in words.
        expected: String,
    },
    /// A row that is missing or has another width than the others.
    #[error("column `{column}` of {} has {found} at row {row}, expected {expected}; {remedy}", path.display())]
    IrregularRow {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Row in the file, where a row is a vector.
        row: u64,
        /// The value or width of the row, in words.
        found: String,
        /// The width that every row should have, in words.
        expected: String,
        /// How to leave such rows out.
        remedy: Box<str>,
    },
}
