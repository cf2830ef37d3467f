//! How to stream a store: the order, the memory, the columns and the rows.

use saekit_core::{HookPoint, Shuffle};

use crate::select::row_selection::RowSelection;

/// Settings of a stream of a store.
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
    pub rows: Option<RowSelection>,
    /// Rows, counted from the beginning, after which no more are expected: later rows are not read ahead,
    /// but are returned if requested.
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
