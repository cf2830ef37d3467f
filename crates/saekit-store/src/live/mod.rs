//! Rows that go from a model straight into training, in the order of the store they would make.

pub(crate) mod config;
mod order;
mod pools;
pub(crate) mod sink;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use saekit_core::{
    ColumnSpec, Cursor, Interrupt, Result as CoreResult, RowBatch, RowSink, RowSource,
};

use self::config::LiveConfig;
use self::order::LiveOrder;
use self::pools::LivePools;
use self::sink::{LiveSink, Request};
use crate::error::Result;
use crate::stream::pooled::PooledRows;

/// Rows harvested while they are used, in the window order, epoch after epoch; nothing is written.
///
/// The rows are those of the store that the same harvest would write, rounded to the same dtype, and
/// [`next_batch`](RowSource::next_batch) returns them as that store's stream does in the window order. A
/// thread computes ahead. In memory are a pool ([`StreamConfig::pool_bytes`](crate::StreamConfig) / 2) and
/// a shard ([`StoreSpec::shard_bytes`](crate::StoreSpec)). Every epoch and every
/// [`seek`](RowSource::seek) starts the harvest again, without the rows before the shard of the requested
/// pool.
#[derive(Debug)]
pub struct LiveRows(PooledRows<LivePools>);

impl LiveRows {
    /// Calls `consume` with rows that `produce` computes in another thread, which ends with it.
    ///
    /// `produce` hands all sequences and rows, from the first on, to its sink. It is called once per
    /// epoch and after every seek, never twice at a time, and should stop when its interrupt is raised.
    /// Fails where a column does not exist or the pool cannot hold two row groups.
    pub fn scope<R>(
        config: LiveConfig,
        produce: impl Fn(&mut dyn RowSink, &Interrupt) -> CoreResult<()> + Send,
        consume: impl FnOnce(&mut Self) -> R,
    ) -> Result<R> {
        let order = Arc::new(LiveOrder::new(config)?);
        Ok(thread::scope(|scope| {
            let (sender, requests) = channel();
            let config = Arc::clone(&order);
            scope.spawn(move || answer(&config.config, &requests, &produce));
            consume(&mut Self(PooledRows::new(LivePools::new(order, sender))))
        }))
    }
}

/// Produces for one request after the other.
fn answer(
    config: &LiveConfig,
    requests: &Receiver<Request>,
    produce: &impl Fn(&mut dyn RowSink, &Interrupt) -> CoreResult<()>,
) {
    for request in requests {
        let Err(error) = produce_epochs(config, &request, produce);
        request.groups.send(Err(error)).ok(); // nobody waits for it after the consumer has gone
    }
}

/// Produces epoch after epoch until an error, such as that the consumer has gone.
fn produce_epochs(
    config: &LiveConfig,
    request: &Request,
    produce: &impl Fn(&mut dyn RowSink, &Interrupt) -> CoreResult<()>,
) -> CoreResult<Infallible> {
    let (mut first_group, mut spare) = (request.first_group, 0);
    loop {
        let mut sink = LiveSink::new(config, (first_group, spare), request);
        produce(&mut sink, &request.stop)?;
        spare = sink.end()?;
        first_group = 0;
    }
}

impl RowSource for LiveRows {
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
