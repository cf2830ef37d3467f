//! Names of a store's files, columns and footer keys.

/// The file without which there is no store.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The tokens table.
pub(crate) const TOKENS: &str = "tokens.parquet";
/// The folder of the shards.
pub(crate) const SHARDS: &str = "shards";
/// Held by whoever writes into the folder.
pub(crate) const LOCK: &str = ".saekit-store-lock";
/// Marks a folder in which a store was begun, so that what is left of it can be cleared safely.
pub(crate) const UNFINISHED: &str = ".saekit-store-unfinished";
/// The progress of a store that is being written.
pub(crate) const STATE: &str = ".saekit-store-state";

/// Shard column: number of the row's sequence in the tokens table.
pub(crate) const SEQUENCE: &str = "sequence";
/// Shard column: position of the row in its sequence.
pub(crate) const POSITION: &str = "position";

/// Footer key: dtype of the activations.
pub(crate) const DTYPE_KEY: &str = "dtype";
/// Folder of rows that are being put in a random order.
pub(crate) const BUCKETS: &str = ".saekit-convert";
/// Footer key: order of the bytes of a value.
pub(crate) const BYTE_ORDER_KEY: &str = "byte_order";
/// The only byte order there is.
pub(crate) const LITTLE: &str = "little";

/// Path of shard number `index`, relative to the store.
pub(crate) fn shard_file(index: usize) -> String {
    format!("{SHARDS}/shard-{index:05}.parquet")
}
