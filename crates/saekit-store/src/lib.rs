//! Activations on disk: the store's manifest, shards, tokens table and the shuffled row source.
//!
//! A *store* is a folder with `manifest.json`, `shards/shard-00000.parquet` and so on and, unless
//! the rows have no text behind them, `tokens.parquet`. `docs/store-format.md` specifies it; any
//! parquet writer can make one.
//!
//! * Writing: [`StoreWriter`] takes sequences of tokens and blocks of rows, in memory bounded by
//!   [`StoreSpec::shard_bytes`]. Without the manifest, which comes last, there is no store; another
//!   writer resumes after the last whole shard.
//! * Opening: [`Store::open`] checks the manifest and the footer of every file against each other;
//!   [`Store::verify`] reads everything and compares hashes.
//! * Training: [`Store::stream`] gives a [`RowSource`] that never ends, in a random order decided by
//!   a seed, and resumes from a [`Cursor`] at the exact row.
//! * Measuring: [`Store::scan`] gives every row once, in the order on disk.
//! * Contexts: [`Store::tokens`] reads sequences by number.
//!
//! ```
//! use saekit_core::{HookPoint, MatrixView};
//! use saekit_store::{
//!     ColumnSpec, RowBlock, RowSource as _, Store, StoreSpec, StoreWriter, StreamConfig,
//! };
//!
//! # fn main() -> saekit_core::Result<()> {
//! # let temporary = tempfile::tempdir().expect("a temporary folder");
//! # let dir = temporary.path();
//! let hook = HookPoint::new("blocks.2.hook_resid_post");
//! let columns = vec![ColumnSpec { name: hook.clone(), width: 2 }];
//! let mut writer =
//!     StoreWriter::create(dir, StoreSpec { columns, has_tokens: false, ..StoreSpec::default() })?;
//! let rows = [3.0, 4.0, 0.0, 5.0, -5.0, 0.0];
//! writer.push_rows(&RowBlock {
//!     sequences: &[],
//!     positions: &[],
//!     columns: &[MatrixView::new(3, 2, &rows)],
//! })?;
//! assert_eq!(writer.finish()?.columns[0].mean_norm, 5.0);
//!
//! let store = Store::open(dir)?;
//! let scale = store.column(&hook)?.scale;
//! let config = StreamConfig { seed: 1, columns: vec![(hook, scale)], ..StreamConfig::default() };
//! let mut stream = store.stream(&config)?;
//! stream.next_batch(2)?;
//! let here = stream.cursor(); // goes into a checkpoint
//! let batch = stream.next_batch(100)?.expect("a stream has no end");
//! assert_eq!((batch.rows(), batch.columns[0].cols()), (100, 2));
//! stream.seek(&here)?;
//! assert_eq!(stream.next_batch(100)?, Some(batch));
//! # Ok(())
//! # }
//! ```
//!
//! A source of another kind (several stores mixed, a foreign layout) is another implementation of
//! [`RowSource`]; nothing downstream knows more than that. [`LiveRows`] is one whose rows are
//! computed while they are used: the same as a store's, which is never written. A place where rows
//! go is a [`RowSink`].

#[cfg(target_endian = "big")]
compile_error!("shards are little-endian and are read without swapping bytes");

mod catalog;
mod convert;
mod error;
mod foreign;
mod format;
mod live;
mod memory;
mod open;
mod parquet;
mod place;
mod read;
mod select;
mod shard;
mod storage;
mod store;
mod stream;
mod tokens;
mod verify;
mod write;

// The contracts that the store implements, so that those who use it need not name the core too.
pub use saekit_core::{
    ColumnSpec, Cursor, RowBatch, RowBlock, RowSink, RowSource, Shuffle, TokenizedSequence,
};

pub use catalog::Skipped;
pub use convert::ConvertConfig;
pub use error::{DamageError, Error, OpenError, PlaceError, Result, StreamError, WriteError};
pub use format::dtype::DType;
pub use format::manifest::{ColumnInfo, FileInfo, Manifest, ShardInfo};
pub use format::scale::scale;
pub use format::spec::{Dataset, Positions, StoreSpec};
pub use live::LiveRows;
pub use live::config::LiveConfig;
pub use open::config::{Damaged, ForeignConfig, OpenConfig};
pub use place::choice::Choice;
pub use place::choose::{Chosen, choose};
pub use place::local::local_place;
pub use place::subject::Subject;
pub use read::profile::{ColumnProfile, NormQuantiles};
pub use select::filter::{RowFilter, Split, TokenSpans};
pub use select::row_selection::{RowCounts, RowSelection};
pub use storage::folder::Folder;
pub use storage::{Blob, Fault, Listed, Storage};
pub use store::Store;
pub use stream::config::StreamConfig;
pub use stream::mixture::Mixture;
pub use stream::read_ahead::ReadAhead;
pub use stream::scale::scale_of_first;
pub use stream::scanned::ScannedRows;
pub use stream::shuffled::ShuffledRows;
pub use tokens::Tokens;
pub use verify::Verified;
pub use write::store_writer::StoreWriter;
