use saekit_core::HookPoint;

use crate::{ColumnSpec, Cursor, RowBatch, RowSource};

/// How to stream a store.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamConfig {
    /// Decides the order of every epoch.
    pub seed: u64,
    /// Memory for rows, bytes: half is consumed while the other half is read.
    pub pool_bytes: u64,
    /// The columns to read, and the factor their rows are multiplied by.
    pub columns: Vec<(HookPoint, f32)>,
}

impl StreamConfig {
    /// Default of [`pool_bytes`](Self::pool_bytes): 256 MiB.
    pub const POOL_BYTES: u64 = 256 << 20;
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self { seed: 0, pool_bytes: Self::POOL_BYTES, columns: Vec::new() }
    }
}

/// The rows of a store in a random order, epoch after epoch. See [`Store::stream`](crate::Store::stream).
#[derive(Debug)]
pub struct ShuffledRows {}

impl RowSource for ShuffledRows {
    fn columns(&self) -> &[ColumnSpec] {
        unimplemented!()
    }

    fn rows_per_epoch(&self) -> u64 {
        unimplemented!()
    }

    fn next_batch(&mut self, _rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        unimplemented!()
    }

    fn cursor(&self) -> Cursor {
        unimplemented!()
    }

    fn seek(&mut self, _cursor: &Cursor) -> saekit_core::Result<()> {
        unimplemented!()
    }
}
