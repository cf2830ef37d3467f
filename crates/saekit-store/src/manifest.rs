use saekit_core::{HookPoint, ModelInfo};
use serde::{Deserialize, Serialize};

use crate::{DType, Dataset};

/// `manifest.json`: what a store holds, and the hash of each of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`Manifest::FORMAT`].
    pub format: String,
    /// Always [`Manifest::VERSION`].
    pub version: u32,
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
    #[serde(default)]
    pub excluded_tokens: Vec<u32>,
    /// Decided the order of the rows within each shard.
    pub seed: u64,
    /// Rows in all shards.
    pub rows: u64,
    /// Sequences in the tokens table; 0 where there is none.
    #[serde(default)]
    pub sequences: u64,
    /// The columns of activations, in the order of the shards.
    pub columns: Vec<ColumnInfo>,
    /// The tokens table, where there is one.
    pub tokens: Option<FileInfo>,
    /// The shards, in order.
    pub shards: Vec<ShardInfo>,
}

/// A column of activations and its statistics over all rows, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// The hook point, which is also the column's name.
    pub name: HookPoint,
    /// Values a row.
    pub width: usize,
    /// How a value is stored.
    pub dtype: DType,
    /// Mean Euclidean norm of the rows.
    pub mean_norm: f64,
    /// `sqrt(width) / mean_norm`: rows multiplied with it have mean norm `sqrt(width)`; 1 where
    /// `mean_norm` is 0.
    pub scale: f32,
    /// Mean row, `[width]`, unscaled.
    pub mean: Vec<f32>,
}

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Path relative to the store's folder, with `/`.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

/// A shard of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    /// Path relative to the store's folder, with `/`.
    pub file: String,
    /// Rows it holds.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

impl Manifest {
    /// What `format` says.
    pub const FORMAT: &str = "saekit-store";
    /// The version of the format this crate writes and reads.
    pub const VERSION: u32 = 1;
}
