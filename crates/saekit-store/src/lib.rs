//! Activations on disk: the store's manifest, shards, tokens table and the shuffled row source.
//!
//! A *store* is a folder with `manifest.json`, `shards/shard-00000.parquet` and so on and, unless
//! the rows have no text behind them, `tokens.parquet`. `docs/store-format.md` specifies it; any
//! parquet writer can make one.
//!
//! * Writing: [`StoreWriter`] takes sequences of tokens and blocks of rows, in memory bounded by
//!   [`StoreSpec::shard_bytes`]. Without the manifest, which comes last, there is no store.
//! * Opening: [`Store::open`] checks the manifest and the footer of every file against each other;
//!   [`Store::verify`] reads everything and compares hashes.
//! * Training: [`Store::stream`] gives a [`RowSource`] that never ends, in a random order decided by
//!   a seed, and goes on from a [`Cursor`] to the exact row.
//! * Measuring: [`Store::scan`] gives every row once, in the order on disk.
//! * Contexts: [`Store::tokens`] reads sequences by number.
//!
//! A source of another kind (several stores mixed, a foreign layout, a model that is run on the
//! fly) is another implementation of [`RowSource`]; nothing downstream knows more than that.

#[cfg(target_endian = "big")]
compile_error!("shards are little-endian and are read without swapping bytes");

mod dtype;
mod error;
mod layout;
mod manifest;
mod plan;
mod prefetch;
mod rows;
mod scan;
mod shard_reader;
mod shard_writer;
mod shuffle;
mod source;
mod spec;
mod stats;
mod store;
mod tokens;
mod writer;

pub use dtype::DType;
pub use error::{Error, Result};
pub use manifest::{ColumnInfo, FileInfo, Manifest, ShardInfo};
pub use scan::ScannedRows;
pub use shuffle::{ShuffledRows, StreamConfig};
pub use source::{Cursor, RowBatch, RowSource};
pub use spec::{ColumnSpec, Dataset, StoreSpec};
pub use store::Store;
pub use tokens::{TokenizedSequence, Tokens};
pub use writer::{RowBlock, StoreWriter};
