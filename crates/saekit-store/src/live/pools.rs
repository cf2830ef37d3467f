//! The pools of a harvest, from the row groups that a producer hands over.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use saekit_core::{Error as CoreError, Interrupt, Result, RowBatch};

use crate::catalog::row_order::RowOrder;
use crate::live::order::LiveOrder;
use crate::live::sink::Request;
use crate::read::projection::BatchShape;
use crate::stream::pooled::{Pool, PoolSource, Position};
use crate::stream::pools;
use crate::write::shard_buffer::LiveGroup;

/// How often a wait for rows checks whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// Asks a producer for row groups and makes pools of them.
#[derive(Debug)]
pub(super) struct LivePools {
    order: Arc<LiveOrder>,
    requests: Sender<Request>,
    /// Answers the request of the last start.
    producer: Option<Producer>,
}

/// The rows of a pool.
#[derive(Debug)]
pub(super) struct LiveBuffer {
    groups: Vec<LiveGroup>,
    /// First row of each group, counted over the pool.
    starts: Vec<u32>,
}

/// The consumer's end of a request, and which pool comes next.
#[derive(Debug)]
struct Producer {
    groups: Receiver<Result<LiveGroup>>,
    credits: Sender<()>,
    stop: Interrupt,
    epoch: u64,
    pool: usize,
}

impl LivePools {
    pub(super) fn new(order: Arc<LiveOrder>, requests: Sender<Request>) -> Self {
        Self { order, requests, producer: None }
    }

    /// Requests row groups from `pool` of epoch `epoch` on.
    fn start(&self, epoch: u64, pool: usize) -> Producer {
        let (sender, groups) = channel();
        let (credits, spent) = channel();
        for _ in 0..self.order.groups_per_shard() {
            credits.send(()).expect("the receiver is in this function");
        }
        let stop = Interrupt::default();
        let first_group = self.order.groups_of(pool).start;
        let request = Request { first_group, groups: sender, credits: spent, stop: stop.clone() };
        // If the producer has gone, the request is dropped, and waiting for its groups fails.
        self.requests.send(request).ok();
        Producer { groups, credits, stop, epoch, pool }
    }
}

impl PoolSource for LivePools {
    type Rows = LiveBuffer;

    fn shape(&self) -> &BatchShape {
        self.order.projection.shape()
    }

    fn rows_per_epoch(&self) -> u64 {
        self.order.config.rows
    }

    fn row_order(&self) -> RowOrder {
        self.order.row_order()
    }

    fn next_pool(
        &mut self,
        at: Position,
        spent: Option<Pool<LiveBuffer>>,
    ) -> Result<Pool<LiveBuffer>> {
        drop(spent); // before the next pool arrives, so that only one is in memory
        if let Some(producer) = &mut self.producer {
            return producer.next(&self.order);
        }
        let (pool, start) = self.order.locate(at.row);
        let mut producer = self.start(at.epoch, pool);
        let mut first = producer.next(&self.order)?;
        first.next = (at.row - start) as usize;
        self.producer = Some(producer);
        Ok(first)
    }

    fn stop(&mut self) {
        self.producer = None;
    }

    fn copy_row(&self, rows: &LiveBuffer, row: u32, to: usize, batch: &mut RowBatch) -> Result<()> {
        let index = rows.starts.partition_point(|start| *start <= row) - 1;
        let (group, row) = (&rows.groups[index], (row - rows.starts[index]) as usize);
        for (column, matrix) in self.order.projection.columns.iter().zip(&mut batch.columns) {
            let stored = &group.columns[column.index][row * column.row_bytes..][..column.row_bytes];
            // Every value is finite: the sink refused others.
            column.dtype.load(stored, column.scale, matrix.row_mut(to));
        }
        if self.shape().has_tokens() {
            batch.sequences.push(group.sequences[row]);
            batch.positions.push(group.positions[row]);
        }
        Ok(())
    }
}

impl Producer {
    /// Waits for the next pool.
    fn next(&mut self, order: &LiveOrder) -> Result<Pool<LiveBuffer>> {
        let (mut groups, mut starts, mut rows) = (Vec::new(), Vec::new(), 0);
        for _ in order.groups_of(self.pool) {
            let mut group = self.receive(&order.config.interrupt)?;
            self.credits.send(()).ok(); // if the producer has gone, it needs none
            group.keep(|index| order.projection.columns.iter().any(|c| c.index == index));
            starts.push(rows as u32);
            rows += group.rows;
            groups.push(group);
        }
        let mut shuffled: Vec<u32> = (0..rows as u32).collect();
        pools::shuffle_rows(order.config.stream.seed, self.epoch, self.pool, &mut shuffled);
        self.pool += 1;
        if self.pool == order.pools() {
            (self.epoch, self.pool) = (self.epoch + 1, 0);
        }
        Ok(Pool { rows: LiveBuffer { groups, starts }, order: shuffled, next: 0 })
    }

    fn receive(&self, interrupt: &Interrupt) -> Result<LiveGroup> {
        loop {
            match self.groups.recv_timeout(PATIENCE) {
                Ok(group) => return group,
                Err(RecvTimeoutError::Timeout) => interrupt.check()?,
                // The producer panicked; the scope of its thread passes that on.
                Err(RecvTimeoutError::Disconnected) => return Err(CoreError::Interrupted),
            }
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.stop.raise();
    }
}
