use std::path::PathBuf;

use saekit_core::HookPoint;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an analysis could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of a contract or of what stands behind it.
    #[error("{0}")]
    Core(#[from] saekit_core::Error),
    /// The codec was made for rows of another width.
    #[error(
        "the codec reads rows of width {codec}, but those of `{column}` are {found} wide; analyse it \
         on a store of the model and hook point it was trained on"
    )]
    Width {
        /// The codec's width.
        codec: usize,
        /// The column.
        column: HookPoint,
        /// Its width.
        found: usize,
    },
    /// The folder holds a whole analysis.
    #[error(
        "{} holds an analysis already; choose another folder with `--out`, or start over with \
         `--force`", dir.display()
    )]
    Finished {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds something that is no analysis.
    #[error("{} holds something that is no analysis; choose another folder", dir.display())]
    NotAnAnalysis {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder was begun with another codec or store.
    #[error(
        "{} was begun with another {what}; give the same again, choose another folder with `--out`, \
         or start over with `--force`", dir.display()
    )]
    OtherPlan {
        /// The folder.
        dir: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// The folder has no finished analysis.
    #[error("{} holds no finished analysis; make one with `saekit analyze`", dir.display())]
    NoAnalysis {
        /// The folder.
        dir: PathBuf,
    },
    /// There are more rows than their numbers can say.
    #[error("{rows} rows are too many: an analysis takes at most 4,294,967,295; analyse a part")]
    TooManyRows {
        /// Rows of the store.
        rows: u64,
    },
    /// A row refers to a token that does not exist.
    #[error(
        "a row of {} refers to position {position} of sequence {sequence}, which does not exist; \
         run `saekit inspect --verify` on it and harvest again", store.display()
    )]
    NoSuchToken {
        /// The store.
        store: PathBuf,
        /// The sequence.
        sequence: u32,
        /// The position.
        position: u32,
    },
    /// A code is NaN or infinite.
    #[error(
        "latent {latent} is {value} in row {row} of the store; the rows or the codec's weights are \
         broken: run `saekit inspect --verify` on the store"
    )]
    NonFinite {
        /// The latent.
        latent: usize,
        /// The row, counted in the order on disk.
        row: u64,
        /// The value.
        value: f32,
    },
    /// Too little memory was allowed.
    #[error("{memory} bytes of memory are too few for {d_code} latents; allow at least {needed}")]
    Memory {
        /// What was allowed.
        memory: u64,
        /// Number of latents.
        d_code: usize,
        /// What is needed.
        needed: u64,
    },
    /// A latent that does not exist.
    #[error("there is no latent {latent}: they are numbered 0 to {}", d_code.saturating_sub(1))]
    NoSuchLatent {
        /// The latent asked for.
        latent: u32,
        /// Number of latents.
        d_code: usize,
    },
    /// A file of the analysis has another size than it should.
    #[error(
        "{} holds {found} bytes, expected {expected}; remove the folder it is in and analyse again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// A file of the latent index is not as it was written.
    #[error(
        "{} was changed after it was written; remove the folder it is in and analyse again",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A table could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// Why.
        source: parquet::errors::ParquetError,
    },
}

saekit_core::as_core_error!(Error);
