mod damage;

use std::path::PathBuf;

use parquet::errors::ParquetError;

use crate::DType;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with a store, or with the rows on their way into one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the operating system, or of the contracts.
    #[error(transparent)]
    Core(#[from] saekit_core::Error),

    /// There is no such folder.
    #[error("{} does not exist; give the folder or the files of a store", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The weights of a model or a dictionary, where activations were asked for.
    #[error(
        "{} holds weights, not activations; give the folder of a store, or harvest one from the model",
        path.display()
    )]
    Weights {
        /// The file.
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
    /// What was said of a store is not so.
    #[error("{}: {problem}; {remedy}", path.display())]
    Options {
        /// The store or the file.
        path: PathBuf,
        /// What is not so.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The folder has neither a manifest nor files that can be read.
    #[error(
        "{} is not a store: it has no `manifest.json` and no .parquet, .arrow, .safetensors or .npy files; if a harvest into it did not finish, run it again",
        dir.display()
    )]
    NotAStore {
        /// The folder.
        dir: PathBuf,
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
        /// What does not fit.
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
        /// How many were left out.
        skipped: usize,
        /// What is wrong with the first.
        problem: String,
    },
    /// The store has no such column.
    #[error("{} has no column `{column}`; it has {available}", path.display())]
    UnknownColumn {
        /// The store's folder.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The columns there are, in words.
        available: String,
    },
    /// No column was asked for.
    #[error("no column of {} was chosen; it has {available}", path.display())]
    NoColumn {
        /// The store's folder.
        path: PathBuf,
        /// The columns there are, in words.
        available: String,
    },

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
    /// The parquet reader gave up.
    #[error("{} is damaged or no parquet file: {source}; restore it or harvest the store again", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        source: ParquetError,
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
    /// A column is of another type or width than the manifest says, or may hold nulls.
    #[error("column `{column}` of {} is {found}, expected {expected}; write it as docs/store-format.md says", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What the manifest asks for, in words.
        expected: String,
        /// What the file has, in words.
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
        /// What the manifest asks for.
        expected: String,
        /// What the footer has.
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
        /// What is wrong with it.
        problem: String,
    },
    /// A stored value is NaN or infinite.
    #[error(
        "column `{column}` of {} holds {value} at row {row}, element {element}; leave such rows out with `--drop-non-finite`, or write the file again",
        path.display()
    )]
    StoredNonFinite {
        /// The shard.
        path: PathBuf,
        /// The column.
        column: String,
        /// Row in the shard.
        row: u64,
        /// Element of the row.
        element: usize,
        /// The value.
        value: f32,
    },

    /// A cursor of another store.
    #[error(
        "the position to go on from belongs to a store with manifest {found}, but {} has {expected}; give the store the run began with",
        path.display()
    )]
    OtherStore {
        /// The store's folder.
        path: PathBuf,
        /// The store's hash.
        expected: String,
        /// The cursor's hash.
        found: String,
    },
    /// A cursor of another order.
    #[error(
        "the position to go on from belongs to another order of the rows of {}; use the data seed and the pool size the run began with",
        path.display()
    )]
    OtherOrder {
        /// The store's folder.
        path: PathBuf,
    },
    /// A cursor past the end.
    #[error("the position to go on from is row {row} of {}, which has {rows}; the checkpoint is damaged", path.display())]
    CursorRange {
        /// The store's folder.
        path: PathBuf,
        /// The cursor's row.
        row: u64,
        /// Rows an epoch.
        rows: u64,
    },
    /// A pool that cannot hold two row groups.
    #[error(
        "a pool of {pool_bytes} bytes cannot hold two row groups of {}; it takes at least {needed} ({} MiB), or a store with smaller row groups",
        path.display(), needed.div_ceil(1 << 20)
    )]
    PoolTooSmall {
        /// The store's folder.
        path: PathBuf,
        /// The pool asked for.
        pool_bytes: u64,
        /// The smallest pool that works.
        needed: u64,
    },
    /// A filter that does not fit the store.
    #[error("cannot choose rows of {}: {problem}; {remedy}", path.display())]
    Filter {
        /// The store's folder.
        path: PathBuf,
        /// What does not fit.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A row names a token that the table does not have.
    #[error(
        "a row in row group {row_group} of {} is of position {position} of sequence {sequence}, which the tokens table does not have; harvest the store again",
        path.display()
    )]
    UnknownToken {
        /// The shard.
        path: PathBuf,
        /// The row group.
        row_group: usize,
        /// The row's sequence.
        sequence: u32,
        /// Its position.
        position: u32,
    },
    /// Sources that cannot be mixed.
    #[error("cannot mix rows: {problem}; give stores of the same model and hook point")]
    Mixture {
        /// What does not fit.
        problem: String,
    },
    /// Sequences were asked for that are not there.
    #[error("sequences {start}..{end} were asked for, but {} has {sequences}", path.display())]
    SequenceRange {
        /// The tokens table.
        path: PathBuf,
        /// First sequence asked for.
        start: u32,
        /// Sequence after the last asked for.
        end: u32,
        /// Sequences there are.
        sequences: u32,
    },

    /// A producer of rows gave more or fewer than were counted before.
    #[error(
        "{found} rows were harvested, but {expected} were counted before; check that the input is not being changed, and start again"
    )]
    Miscounted {
        /// Rows counted.
        expected: u64,
        /// Rows that came, so far where they were too many.
        found: u64,
    },

    /// The folder of a new store holds a finished one.
    #[error("{} already holds a store; choose another folder, or overwrite it with `--force`", dir.display())]
    StoreExists {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder of a new store holds a file named like a store's that is not known to be one's.
    #[error("{} is in the way of a new store and may not be saekit's; move it away or choose another folder", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// An unfinished store was begun with other settings than those it should go on with.
    #[error(
        "the unfinished store in {} was begun with {setting} {begun}, not {now}; give it the same to go on after its last shard, or start anew with `--force`",
        dir.display()
    )]
    OtherSettings {
        /// The folder.
        dir: PathBuf,
        /// What differs, in words.
        setting: String,
        /// What it was.
        begun: String,
        /// What it is now.
        now: String,
    },
    /// What is left of an unfinished store does not fit together.
    #[error("cannot go on with the unfinished store in {}: {problem}; start anew with `--force`", dir.display())]
    CannotGoOn {
        /// The folder.
        dir: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// A store was asked for that cannot be.
    #[error("cannot write such a store: {problem}")]
    Spec {
        /// What does not fit.
        problem: String,
    },
    /// A writer was used after it had failed.
    #[error("the writer of {} failed before; begin the store again", dir.display())]
    WriterFailed {
        /// The folder.
        dir: PathBuf,
    },
    /// A row names a sequence that was not pushed.
    #[error(
        "a row names sequence {sequence}, but only {sequences} were pushed; push a sequence before its rows"
    )]
    UnknownSequence {
        /// The row's sequence.
        sequence: u32,
        /// Sequences so far.
        sequences: u32,
    },
    /// More sequences than a shard can number.
    #[error("a store holds at most {limit} sequences; use a longer context or several stores")]
    TooManySequences {
        /// The limit.
        limit: u32,
    },
    /// A value that is not finite came to the writer.
    #[error(
        "`{hook}` is {value} at {place}, element {element}; check the model's weights and its input: such activations cannot be stored"
    )]
    NonFinite {
        /// The hook point.
        hook: String,
        /// The token or the row, in words.
        place: String,
        /// Element of the row.
        element: usize,
        /// The value.
        value: f32,
    },
    /// A finite value too large for the dtype came to the writer.
    #[error(
        "`{hook}` is {value} at {place}, element {element}, which {dtype} cannot hold; use `--dtype {remedy}`"
    )]
    Overflow {
        /// The hook point.
        hook: String,
        /// The token or the row, in words.
        place: String,
        /// Element of the row.
        element: usize,
        /// The value.
        value: f32,
        /// The dtype of the store.
        dtype: DType,
        /// A dtype that holds it.
        remedy: DType,
    },

    /// A file of somebody else's layout that cannot be read as what its name says.
    #[error("{} is damaged or no {layout} file: {problem}; restore it or write it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The layout its name promises.
        layout: &'static str,
        /// What is wrong with it.
        problem: String,
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
        /// What the file has, in words.
        found: String,
        /// What can be read, in words.
        expected: String,
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
    /// A column whose values of two bytes may be either dtype.
    #[error(
        "column `{column}` of {} has plain bytes, of which f16 and bf16 cannot be told apart; say which with `--two-bytes f16` or `--two-bytes bf16`",
        path.display()
    )]
    UnknownDType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A row that is missing or has another width than the others.
    #[error("column `{column}` of {} has {found} at row {row}, expected {expected}; drop or mend such rows", path.display())]
    IrregularRow {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Row in the file, where a row is a vector.
        row: u64,
        /// What the row has, in words.
        found: String,
        /// What every row should have, in words.
        expected: String,
    },
}

impl Error {
    /// This crate's error inside of a contract's.
    pub(crate) fn from_core(error: saekit_core::Error) -> Self {
        match error {
            saekit_core::Error::Implementation(source) => match source.downcast::<Self>() {
                Ok(own) => *own,
                Err(source) => Self::Core(saekit_core::Error::Implementation(source)),
            },
            other => Self::Core(other),
        }
    }
}

saekit_core::as_core_error!(Error);
