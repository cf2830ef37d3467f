//! Errors about reading rows of a store that is open: columns, orders, positions and values.

use std::path::PathBuf;

/// Rows of an open store cannot be read as requested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The store has no such column.
    #[error("{} has no column `{column}`; it has {available}", path.display())]
    UnknownColumn {
        /// The store's folder.
        path: PathBuf,
        /// The requested column.
        column: String,
        /// The columns there are, in words.
        available: String,
    },
    /// No column was requested.
    #[error("no column of {} was chosen; it has {available}", path.display())]
    NoColumn {
        /// The store's folder.
        path: PathBuf,
        /// The columns there are, in words.
        available: String,
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
        /// Rows per epoch.
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
        /// The requested pool.
        pool_bytes: u64,
        /// The smallest pool that works.
        needed: u64,
    },
    /// A filter that does not fit the store.
    #[error("cannot choose rows of {}: {problem}; {remedy}", path.display())]
    Filter {
        /// The store's folder.
        path: PathBuf,
        /// The contradiction.
        problem: String,
        /// How to mend it.
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
        /// The contradiction.
        problem: String,
    },
    /// Requested sequences do not exist.
    #[error("sequences {start}..{end} were asked for, but {} has {sequences}", path.display())]
    SequenceRange {
        /// The tokens table.
        path: PathBuf,
        /// First requested sequence.
        start: u32,
        /// Sequence after the last requested one.
        end: u32,
        /// Sequences there are.
        sequences: u32,
    },
}
