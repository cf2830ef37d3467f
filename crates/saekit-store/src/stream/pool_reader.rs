//! Pools of shuffled rows, read ahead by a thread of their own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use saekit_core::Interrupt;

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::read::projection::{Projection, StoreView};
use crate::read::row_buffer::RowBuffer;
use crate::stream::config::StreamConfig;
use crate::stream::epoch_order::EpochOrder;
use crate::stream::pooled::{Pool, Position};

/// Rows of a store, as they are in memory and in order.
pub(crate) type StorePool = Pool<RowBuffer>;

/// The work of the reading thread.
#[derive(Debug)]
pub(crate) struct ReadJob {
    pub(crate) store: Arc<Catalog>,
    pub(crate) projection: Projection,
    pub(crate) order: EpochOrder,
}

impl ReadJob {
    /// Reads `store` as `config` says; row groups may be cut into slices of a multiple of `slice_rows`
    /// rows.
    pub(crate) fn new(
        store: Arc<Catalog>,
        config: &StreamConfig,
        slice_rows: Option<u32>,
    ) -> Result<Self> {
        let projection = Projection::of_store(&store, &config.columns)?;
        let order = EpochOrder::new(&store, &projection, config, slice_rows)?;
        Ok(Self { store, projection, order })
    }

    pub(crate) fn view(&self) -> StoreView<'_> {
        StoreView { store: &self.store, projection: &self.projection }
    }

    /// A pool without rows, with room for those of every pool.
    fn empty_pool(&self) -> StorePool {
        let rows = self.order.pool_rows();
        let order = Vec::with_capacity(rows);
        Pool { rows: RowBuffer::with_capacity(&self.projection, rows), order, next: 0 }
    }
}

/// The reading thread. Two pools go back and forth between it and its owner; there are never more.
#[derive(Debug)]
pub(crate) struct Prefetch {
    ready: Receiver<Result<StorePool>>,
    spent: Sender<StorePool>,
    stop: Interrupt,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Starts to read at the row `first`; no pool after the one with `last` is read.
    pub(crate) fn start(
        job: &Arc<ReadJob>,
        first: Position,
        last: Option<Position>,
    ) -> Result<Self> {
        let (ready_sender, ready) = channel();
        let (spent, spent_receiver) = channel();
        for _ in 0..2 {
            spent.send(job.empty_pool()).expect("the receiver is in this function");
        }
        let stop = Interrupt::default();
        let (job, flag) = (Arc::clone(job), stop.clone());
        let dir = job.store.location();
        let thread = Builder::new()
            .name("saekit-store".to_owned())
            .spawn(move || read_ahead(&job, (first, last), &spent_receiver, &ready_sender, &flag))
            .map_err(saekit_core::Error::io("start a reading thread for", &dir))?;
        Ok(Self { ready, spent, stop, thread: Some(thread) })
    }

    /// Waits for the next pool; `None` after the last requested one.
    pub(crate) fn next(&mut self) -> Result<Option<StorePool>> {
        match self.ready.recv() {
            Ok(pool) => pool.map(Some),
            Err(_) => self.ended(),
        }
    }

    /// Gives a pool back, to be filled again.
    pub(crate) fn recycle(&self, pool: StorePool) {
        // Where the thread has ended, nobody needs the memory.
        self.spent.send(pool).ok();
    }

    fn ended(&mut self) -> Result<Option<StorePool>> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            Some(Ok(())) => Ok(None),
            None => Err(Error::Core(saekit_core::Error::Interrupted)),
        }
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.stop.raise();
        // The thread waits for a spent pool or works on one; a closed channel ends the first.
        self.spent = channel().0;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Fills spent pools, one after the other, until an error or the owner's end. Only here the order of an
/// epoch is in memory.
fn read_ahead(
    job: &ReadJob,
    (first, last): (Position, Option<Position>),
    spent: &Receiver<StorePool>,
    ready: &Sender<Result<StorePool>>,
    stop: &Interrupt,
) {
    let mut begin = first.row;
    for number in first.epoch.. {
        let epoch = job.order.epoch(number);
        let (from, start) = match epoch.locate(begin) {
            Ok(place) => place,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let (mut row, mut skipped) = (start, (begin - start) as usize);
        for pool in from..job.order.pools() {
            let Ok(mut filled) = spent.recv() else { return };
            let read = filled.rows.read(job.view(), &epoch.slices(pool), stop);
            let read = read.and_then(|()| epoch.shuffle_rows(pool, &mut filled.order));
            filled.next = std::mem::take(&mut skipped);
            row += filled.order.len() as u64;
            let is_last = last.is_some_and(|last| last < Position { epoch: number, row });
            let failed = read.is_err();
            if ready.send(read.map(|()| filled)).is_err() || failed || is_last {
                return;
            }
        }
        begin = 0;
    }
}
