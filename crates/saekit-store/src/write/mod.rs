//! Writing a store: rows are collected, permuted within a shard, and written shard by shard.

pub(crate) mod folder;
pub(crate) mod resume_state;
pub(crate) mod row_collector;
pub(crate) mod shard_buffer;
pub(crate) mod shard_file;
pub(crate) mod store_writer;
