use std::sync::Arc;

use saekit_core::{ColumnSpec, Cursor, RowBatch, RowSource};

use crate::catalog::Catalog;
use crate::error::Result;
use crate::shard::Shard;
use crate::stream::config::StreamConfig;
use crate::stream::pool_reader::{Job, Place, Pool, Prefetch};

/// The rows of a store in a random order, epoch after epoch; made by
/// [`Store::stream`](crate::Store::stream).
///
/// An epoch deals the row groups of all shards, or parts of them, to pools, so that each pool has its
/// share of every shard; the rows of a pool come in a random order of their own. Two pools are in memory, of which
/// a thread fills one. Since rows were permuted within their shard when it was written, a batch has
/// rows of many shards and documents (`docs/store-format.md` has figures).
///
/// Fails, as a batch is asked for, where a shard was damaged, replaced, or holds a value that is not
/// finite; the position stays where it was.
#[derive(Debug)]
pub struct ShuffledRows {
    job: Arc<Job>,
    config: StreamConfig,
    epoch: u64,
    row: u64,
    limit: Option<u64>,
    /// The pool being consumed.
    current: Option<Pool>,
    prefetch: Option<Prefetch>,
    /// A batch that came back.
    spare: Option<RowBatch>,
}

impl ShuffledRows {
    pub(crate) fn new(store: Arc<Catalog>, config: &StreamConfig) -> Result<Self> {
        let part_rows = part_rows(&store, |shard| shard.part_rows());
        let job = Job::new(store, config, part_rows)?;
        Ok(Self {
            job: Arc::new(job),
            config: config.clone(),
            epoch: 0,
            row: 0,
            limit: config.limit,
            current: None,
            prefetch: None,
            spare: None,
        })
    }

    /// The job whose order has the hash `sha256`: this one, or the one that it would be if the files
    /// lay elsewhere, since row groups far away are not cut into parts. This one if it is neither.
    fn job_of(&self, sha256: &str) -> Arc<Job> {
        let is_meant = |job: &Job| job.plan.sha256() == sha256;
        let store = &self.job.store;
        let other = |part_rows| Job::new(Arc::clone(store), &self.config, part_rows).ok();
        let cut = || other(part_rows(store, |shard| shard.least_part_rows()));
        if is_meant(&self.job) {
            return Arc::clone(&self.job);
        }
        let found = other(None).filter(is_meant).or_else(|| cut().filter(is_meant));
        found.map_or_else(|| Arc::clone(&self.job), Arc::new)
    }

    fn fill(&mut self, rows: usize) -> Result<RowBatch> {
        let job = Arc::clone(&self.job);
        let source = (&*job.store, &job.selection);
        let mut batch = job.selection.batch_of(rows, self.spare.take());
        let mut filled = 0;
        while filled < rows {
            let mut current = self.take_current()?;
            let take = (rows - filled).min(current.order.len() - current.next);
            for row in &current.order[current.next..current.next + take] {
                current.rows.copy(*row as usize, source, filled, &mut batch)?;
                filled += 1;
            }
            current.next += take;
            self.advance(take as u64);
            self.current = Some(current);
        }
        Ok(batch)
    }

    fn advance(&mut self, rows: u64) {
        self.row += rows;
        if self.row == self.job.plan.rows() {
            (self.epoch, self.row) = (self.epoch + 1, 0);
        }
    }

    /// The pool that holds the next row.
    fn take_current(&mut self) -> Result<Pool> {
        if let Some(current) = self.current.take() {
            if current.next < current.order.len() {
                return Ok(current);
            }
            if let Some(prefetch) = &self.prefetch {
                prefetch.recycle(current);
            }
        }
        if let Some(prefetch) = &mut self.prefetch
            && let Some(pool) = prefetch.next()?
        {
            return Ok(pool);
        }
        let first = Place { epoch: self.epoch, row: self.row };
        let last = self.last().filter(|last| first <= *last);
        let mut prefetch = Prefetch::start(&self.job, first, last)?;
        let pool = prefetch.next()?.expect("the first pool is not after the last");
        self.prefetch = Some(prefetch);
        Ok(pool)
    }

    /// The last row that is expected, if that was said.
    fn last(&self) -> Option<Place> {
        let (rows, last) = (self.job.plan.rows(), self.limit?.checked_sub(1)?);
        Some(Place { epoch: last / rows, row: last % rows })
    }

    /// Goes to a position; the next batch begins to read there.
    fn go_to(&mut self, epoch: u64, row: u64) {
        self.current = None;
        self.prefetch = None;
        (self.epoch, self.row) = (epoch, row);
    }
}

/// Rows of a part that every shard with rows can be read in, if each says what its own are.
fn part_rows(store: &Catalog, of: impl Fn(&dyn Shard) -> Option<u32>) -> Option<u32> {
    let has_rows = |shard: &&dyn Shard| shard.group_rows().iter().any(|rows| *rows > 0);
    store.shards.iter().map(AsRef::as_ref).filter(has_rows).map(of).min().flatten()
}

impl RowSource for ShuffledRows {
    fn columns(&self) -> &[ColumnSpec] {
        self.job.selection.specs()
    }

    fn rows_per_epoch(&self) -> u64 {
        self.job.plan.rows()
    }

    fn next_batch(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        let (epoch, row) = (self.epoch, self.row);
        match self.fill(rows) {
            Ok(batch) => Ok(Some(batch)),
            Err(error) => {
                self.go_to(epoch, row);
                Err(error.into())
            }
        }
    }

    fn recycle(&mut self, batch: RowBatch) {
        self.spare = Some(batch);
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            store_sha256: self.job.store.sha256.clone(),
            order_sha256: self.job.plan.sha256(),
            epoch: self.epoch,
            row: self.row,
            parts: Vec::new(),
        }
    }

    fn seek(&mut self, cursor: &Cursor) -> saekit_core::Result<()> {
        self.job = self.job_of(&cursor.order_sha256);
        let plan = &self.job.plan;
        self.job.store.check_cursor(cursor, &plan.sha256(), plan.rows())?;
        let wraps = cursor.row == self.job.plan.rows();
        let (epoch, row) = if wraps { (cursor.epoch + 1, 0) } else { (cursor.epoch, cursor.row) };
        self.go_to(epoch, row);
        Ok(())
    }
}
