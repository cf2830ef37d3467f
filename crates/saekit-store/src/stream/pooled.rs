//! Rows that come pool by pool, shuffled within each pool. Streams of a store and of a harvest share
//! this; they differ in where a pool comes from.

use std::fmt::Debug;

use saekit_core::{ColumnSpec, Cursor, Result, RowBatch, RowSource};

use crate::catalog::row_order::RowOrder;
use crate::read::projection::BatchShape;

/// A row of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) epoch: u64,
    pub(crate) row: u64,
}

/// Rows in memory, and the order in which they are given out.
#[derive(Debug)]
pub(crate) struct Pool<R> {
    pub(crate) rows: R,
    /// Rows of the pool, by their index in it.
    pub(crate) order: Vec<u32>,
    /// The first entry of `order` that was not given out yet.
    pub(crate) next: usize,
}

/// Gives pools one after the other, epoch after epoch.
pub(crate) trait PoolSource: Debug + Send {
    /// The rows of a pool.
    type Rows: Debug + Send;

    fn shape(&self) -> &BatchShape;

    fn rows_per_epoch(&self) -> u64;

    fn row_order(&self) -> RowOrder;

    /// Takes on the order of `cursor` where the source can; otherwise does nothing.
    fn adapt_to(&mut self, _cursor: &Cursor) {}

    /// Waits for the pool after the last one; for the pool that holds the row `at` if this is the first
    /// call, or the first since [`stop`](Self::stop). The memory of `spent` is used again.
    fn next_pool(
        &mut self,
        at: Position,
        spent: Option<Pool<Self::Rows>>,
    ) -> Result<Pool<Self::Rows>>;

    /// Stops the work on pools that were not given yet.
    fn stop(&mut self);

    /// Copies row `row` of a pool into row `to` of `batch`, converted and scaled. Rows come in
    /// ascending order of `to`.
    fn copy_row(&self, rows: &Self::Rows, row: u32, to: usize, batch: &mut RowBatch) -> Result<()>;
}

/// The rows of a [`PoolSource`] in batches.
#[derive(Debug)]
pub(crate) struct PooledRows<S: PoolSource> {
    source: S,
    position: Position,
    /// The pool that is being given out.
    current: Option<Pool<S::Rows>>,
    /// A batch that was recycled.
    spare: Option<RowBatch>,
}

impl<S: PoolSource> PooledRows<S> {
    /// Begins at the first row of the first epoch.
    pub(crate) fn new(source: S) -> Self {
        Self { source, position: Position::default(), current: None, spare: None }
    }

    fn fill(&mut self, rows: usize) -> Result<RowBatch> {
        let mut batch = self.source.shape().batch_of(rows, self.spare.take());
        let mut filled = 0;
        while filled < rows {
            let mut pool = self.take_pool()?;
            let take = (rows - filled).min(pool.order.len() - pool.next);
            for row in &pool.order[pool.next..pool.next + take] {
                self.source.copy_row(&pool.rows, *row, filled, &mut batch)?;
                filled += 1;
            }
            pool.next += take;
            self.advance(take as u64);
            self.current = Some(pool);
        }
        Ok(batch)
    }

    /// The pool that holds the next row.
    fn take_pool(&mut self) -> Result<Pool<S::Rows>> {
        match self.current.take() {
            Some(pool) if pool.next < pool.order.len() => Ok(pool),
            spent => self.source.next_pool(self.position, spent),
        }
    }

    fn advance(&mut self, rows: u64) {
        self.position.row += rows;
        if self.position.row == self.source.rows_per_epoch() {
            self.position = Position { epoch: self.position.epoch + 1, row: 0 };
        }
    }

    /// Moves to a position; the next batch starts to read or to produce there.
    fn go_to(&mut self, position: Position) {
        self.current = None;
        self.source.stop();
        self.position = position;
    }
}

impl<S: PoolSource> RowSource for PooledRows<S> {
    fn columns(&self) -> &[ColumnSpec] {
        self.source.shape().specs()
    }

    fn rows_per_epoch(&self) -> u64 {
        self.source.rows_per_epoch()
    }

    fn next_batch(&mut self, rows: usize) -> Result<Option<RowBatch>> {
        let before = self.position;
        let filled = self.fill(rows).inspect_err(|_| self.go_to(before));
        filled.map(Some)
    }

    fn recycle(&mut self, batch: RowBatch) {
        self.spare = Some(batch);
    }

    fn cursor(&self) -> Cursor {
        self.source.row_order().cursor(self.position.epoch, self.position.row)
    }

    fn seek(&mut self, cursor: &Cursor) -> Result<()> {
        self.source.adapt_to(cursor);
        self.source.row_order().check(cursor)?;
        let Cursor { epoch, row, .. } = *cursor;
        let is_end = row == self.source.rows_per_epoch();
        self.go_to(if is_end {
            Position { epoch: epoch + 1, row: 0 }
        } else {
            Position { epoch, row }
        });
        Ok(())
    }
}
