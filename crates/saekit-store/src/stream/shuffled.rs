//! The rows of a store in a random order.

use std::sync::Arc;

use saekit_core::{ColumnSpec, Cursor, Result as CoreResult, RowBatch, RowSource};

use crate::catalog::Catalog;
use crate::catalog::row_order::RowOrder;
use crate::error::Result;
use crate::read::projection::BatchShape;
use crate::read::row_buffer::RowBuffer;
use crate::shard::Shard;
use crate::stream::config::StreamConfig;
use crate::stream::pool_reader::{Prefetch, ReadJob, StorePool};
use crate::stream::pooled::{PoolSource, PooledRows, Position};

/// The rows of a store in a random order, epoch after epoch; made by
/// [`Store::stream`](crate::Store::stream).
///
/// An epoch deals the row groups of all shards, or slices of them, to pools, so that each pool has its
/// share of every shard. The rows of a pool come in a random order of their own. Two pools are in memory;
/// a thread fills one while the other is given out. Since rows were permuted within their shard when it
/// was written, a batch has rows of many shards and documents (`docs/store-format.md` has figures).
///
/// `next_batch` fails where a shard was damaged or replaced, or holds a value that is not finite; the
/// position stays where it was.
#[derive(Debug)]
pub struct ShuffledRows(PooledRows<StorePools>);

/// The pools of a store, read ahead by a thread.
#[derive(Debug)]
struct StorePools {
    job: Arc<ReadJob>,
    config: StreamConfig,
    /// Runs from the first pool that is asked for.
    prefetch: Option<Prefetch>,
}

impl ShuffledRows {
    pub(crate) fn new(store: Arc<Catalog>, config: &StreamConfig) -> Result<Self> {
        let slice_rows = slice_rows(&store, |shard| shard.slice_rows());
        let job = Arc::new(ReadJob::new(store, config, slice_rows)?);
        Ok(Self(PooledRows::new(StorePools { job, config: config.clone(), prefetch: None })))
    }
}

impl StorePools {
    /// The job whose order has the hash `sha256`, or this one if there is none.
    ///
    /// The order depends on where the files lie: row groups far away are not cut into slices. A run may
    /// resume from a copy elsewhere, so the orders of both places are tried, and that of whole row
    /// groups.
    fn job_of(&self, sha256: &str) -> Arc<ReadJob> {
        let is_meant = |job: &ReadJob| job.order.sha256() == sha256;
        let store = &self.job.store;
        let other = |slice_rows| ReadJob::new(Arc::clone(store), &self.config, slice_rows).ok();
        let cut = || other(slice_rows(store, |shard| shard.min_slice_rows()));
        if is_meant(&self.job) {
            return Arc::clone(&self.job);
        }
        let found = other(None).filter(is_meant).or_else(|| cut().filter(is_meant));
        found.map_or_else(|| Arc::clone(&self.job), Arc::new)
    }

    /// The last row that is expected, if the caller set a limit.
    fn last(&self) -> Option<Position> {
        let (rows, last) = (self.job.order.rows(), self.config.limit?.checked_sub(1)?);
        Some(Position { epoch: last / rows, row: last % rows })
    }
}

/// Rows of a slice that every shard with rows can be read in, if each has such; `of` asks a shard.
fn slice_rows(store: &Catalog, of: impl Fn(&dyn Shard) -> Option<u32>) -> Option<u32> {
    let has_rows = |shard: &&dyn Shard| shard.group_rows().iter().any(|rows| *rows > 0);
    store.shards.iter().map(AsRef::as_ref).filter(has_rows).map(of).min().flatten()
}

impl PoolSource for StorePools {
    type Rows = RowBuffer;

    fn shape(&self) -> &BatchShape {
        self.job.projection.shape()
    }

    fn rows_per_epoch(&self) -> u64 {
        self.job.order.rows()
    }

    fn row_order(&self) -> RowOrder {
        let order = &self.job.order;
        self.job.store.row_order(order.sha256(), order.rows())
    }

    fn adapt_to(&mut self, cursor: &Cursor) {
        self.job = self.job_of(&cursor.order_sha256);
    }

    fn next_pool(&mut self, at: Position, spent: Option<StorePool>) -> CoreResult<StorePool> {
        if let Some(prefetch) = &mut self.prefetch {
            if let Some(pool) = spent {
                prefetch.recycle(pool);
            }
            if let Some(pool) = prefetch.next()? {
                return Ok(pool);
            }
        }
        let last = self.last().filter(|last| at <= *last);
        let mut prefetch = Prefetch::start(&self.job, at, last)?;
        let pool = prefetch.next()?.expect("the first pool is not after the last");
        self.prefetch = Some(prefetch);
        Ok(pool)
    }

    fn stop(&mut self) {
        self.prefetch = None;
    }

    fn copy_row(
        &self,
        rows: &RowBuffer,
        row: u32,
        to: usize,
        batch: &mut RowBatch,
    ) -> CoreResult<()> {
        Ok(rows.copy_row(self.job.view(), row as usize, to, batch)?)
    }
}

impl RowSource for ShuffledRows {
    fn columns(&self) -> &[ColumnSpec] {
        self.0.columns()
    }

    fn rows_per_epoch(&self) -> u64 {
        self.0.rows_per_epoch()
    }

    fn next_batch(&mut self, rows: usize) -> CoreResult<Option<RowBatch>> {
        self.0.next_batch(rows)
    }

    fn recycle(&mut self, batch: RowBatch) {
        self.0.recycle(batch);
    }

    fn cursor(&self) -> Cursor {
        self.0.cursor()
    }

    fn seek(&mut self, cursor: &Cursor) -> CoreResult<()> {
        self.0.seek(cursor)
    }
}
