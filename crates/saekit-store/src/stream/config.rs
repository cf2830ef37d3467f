//! How to stream a store: the order, the memory, the columns and the rows.

use saekit_core::HookPoint;
use serde::{Deserialize, Serialize};

use crate::select::row_selection::RowSet;

/// How to stream a store.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Decides the order of every epoch.
    pub seed: u64,
    /// How far rows move.
    pub shuffle: Shuffle,
    /// Memory for rows, bytes: half is consumed while the other half is read.
    pub pool_bytes: u64,
    /// The columns to read, and the factor their rows are multiplied by.
    pub columns: Vec<(HookPoint, f32)>,
    /// The rows to use, chosen from the same store; all unless given.
    pub rows: Option<RowSet>,
    /// Rows from the beginning after which no more are expected, so that what comes then is not read
    /// ahead. They can be had nevertheless.
    pub limit: Option<u64>,
}

impl StreamConfig {
    /// Default of [`pool_bytes`](Self::pool_bytes): 256 MiB.
    pub const POOL_BYTES: u64 = 256 << 20;
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            shuffle: Shuffle::default(),
            pool_bytes: Self::POOL_BYTES,
            columns: Vec::new(),
            rows: None,
            limit: None,
        }
    }
}

/// How far rows move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shuffle {
    /// Over the whole store: each pool has as many rows of each shard as its size allows, other
    /// ones in every epoch.
    #[default]
    Full,
    /// Within pools of consecutive row groups: the order that rows have as they are harvested, so
    /// that training from a store and training while harvesting see the same.
    Window,
}

impl Shuffle {
    /// Its name in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Window => "window",
        }
    }
}
