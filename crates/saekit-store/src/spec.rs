use saekit_core::{HookPoint, ModelInfo};
use serde::{Deserialize, Serialize};

use crate::DType;

/// A column of activations: the hook point it was read at and how wide its rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// The hook point, which is also the column's name.
    pub name: HookPoint,
    /// Values a row.
    pub width: usize,
}

/// The data a store was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// A name for people: a file's or a dataset's.
    pub name: String,
    /// SHA-256 of the input, hex, where it is known.
    pub sha256: Option<String>,
}

/// What a new store will hold.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreSpec {
    /// The model that computed the rows, if one did.
    pub model: Option<ModelInfo>,
    /// SHA-256 of the tokenizer's file, hex.
    pub tokenizer_sha256: Option<String>,
    /// The data it was made from.
    pub dataset: Option<Dataset>,
    /// Tokens a sequence, where all have as many (the last may be shorter).
    pub context_size: Option<usize>,
    /// Whether each sequence begins with BOS.
    pub prepend_bos: Option<bool>,
    /// Token ids whose rows were left out, ascending.
    pub excluded_tokens: Vec<u32>,
    /// Decides the order of the rows within each shard.
    pub seed: u64,
    /// The columns, at least one.
    pub columns: Vec<ColumnSpec>,
    /// How values are stored, in every column.
    pub dtype: DType,
    /// Payload of a full shard, bytes; the writer holds one shard in memory.
    pub shard_bytes: u64,
    /// Payload of a row group, bytes; the smallest unit the shuffle moves.
    pub row_group_bytes: u64,
    /// Whether rows carry a sequence and a position in a tokens table.
    pub has_tokens: bool,
}

impl StoreSpec {
    /// Default of [`shard_bytes`](Self::shard_bytes): 512 MiB.
    pub const SHARD_BYTES: u64 = 512 << 20;
    /// Default of [`row_group_bytes`](Self::row_group_bytes): 16 MiB, at which a pool of a few
    /// hundred MiB mixes rows from many places.
    pub const ROW_GROUP_BYTES: u64 = 16 << 20;
}

impl Default for StoreSpec {
    fn default() -> Self {
        Self {
            model: None,
            tokenizer_sha256: None,
            dataset: None,
            context_size: None,
            prepend_bos: None,
            excluded_tokens: Vec::new(),
            seed: 0,
            columns: Vec::new(),
            dtype: DType::F16,
            shard_bytes: Self::SHARD_BYTES,
            row_group_bytes: Self::ROW_GROUP_BYTES,
            has_tokens: true,
        }
    }
}
