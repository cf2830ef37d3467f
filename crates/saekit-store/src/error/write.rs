//! Errors about rows on their way into a store, and about the folder they go to.

use std::path::PathBuf;

/// Rows cannot be written as a store, or handed to training instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
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
    /// An unfinished store was begun with other settings than those to resume with.
    #[error(
        "the unfinished store in {} was begun with {setting} {begun}, not {now}; give it the same to go on after its last shard, or start anew with `--force`",
        dir.display()
    )]
    OtherSettings {
        /// The folder.
        dir: PathBuf,
        /// The setting that differs, in words.
        setting: String,
        /// Its value then.
        begun: String,
        /// Its value now.
        now: String,
    },
    /// The files of an unfinished store contradict each other.
    #[error("cannot go on with the unfinished store in {}: {problem}; start anew with `--force`", dir.display())]
    CannotGoOn {
        /// The folder.
        dir: PathBuf,
        /// The contradiction.
        problem: String,
    },
    /// The specification of a store is not valid.
    #[error("cannot write such a store: {problem}")]
    Spec {
        /// The contradiction.
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
        /// The dtype of the store, by its name.
        dtype: &'static str,
        /// The name of a dtype that holds it.
        remedy: &'static str,
    },
}
