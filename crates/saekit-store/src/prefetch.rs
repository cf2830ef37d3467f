//! Pools of shuffled rows, read ahead by a thread of their own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use saekit_core::Interrupt;

use crate::plan::Plan;
use crate::rows::{Rows, Selection};
use crate::store::Inner;
use crate::{Error, Result};

/// The rows of a pool and the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub(crate) rows: Rows,
    pub(crate) order: Vec<u32>,
}

/// What the reading thread works from.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) store: Arc<Inner>,
    pub(crate) selection: Selection,
    pub(crate) plan: Plan,
}

/// The reading thread. Two pools go round between it and its owner, so there are never more.
#[derive(Debug)]
pub(crate) struct Prefetch {
    ready: Receiver<Result<Pool>>,
    spent: Sender<Pool>,
    stop: Interrupt,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Begins to read at pool `pool` of epoch `epoch`.
    pub(crate) fn start(job: &Arc<Job>, epoch: u64, pool: usize) -> Result<Self> {
        let (ready_sender, ready) = channel();
        let (spent, spent_receiver) = channel();
        for _ in 0..2 {
            spent.send(Pool::default()).expect("the receiver is in this function");
        }
        let stop = Interrupt::default();
        let (job, flag) = (Arc::clone(job), stop.clone());
        let dir = job.store.location();
        let thread = Builder::new()
            .name("saekit-store".to_owned())
            .spawn(move || read_ahead(&job, (epoch, pool), &spent_receiver, &ready_sender, &flag))
            .map_err(saekit_core::Error::io("start a reading thread for", &dir))?;
        Ok(Self { ready, spent, stop, thread: Some(thread) })
    }

    /// The next pool.
    pub(crate) fn next(&mut self) -> Result<Pool> {
        self.ready.recv().unwrap_or_else(|_| Err(self.panicked()))
    }

    /// Gives a pool back, to be filled again.
    pub(crate) fn recycle(&self, pool: Pool) {
        // Where the thread has ended, nobody needs the memory.
        self.spent.send(pool).ok();
    }

    fn panicked(&mut self) -> Error {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        Error::Core(saekit_core::Error::Interrupted)
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

/// Fills spent pools, one after the other, until an error or the owner's end.
fn read_ahead(
    job: &Job,
    (first_epoch, first_pool): (u64, usize),
    spent: &Receiver<Pool>,
    ready: &Sender<Result<Pool>>,
    stop: &Interrupt,
) {
    let mut from = first_pool;
    for number in first_epoch.. {
        let epoch = job.plan.epoch(number);
        for pool in from..job.plan.pools() {
            let Ok(mut filled) = spent.recv() else { return };
            let read = filled.rows.fill(&job.store, &job.selection, &epoch.groups(pool), stop);
            epoch.shuffle_rows(pool, &mut filled.order);
            let failed = read.is_err();
            if ready.send(read.map(|()| filled)).is_err() || failed {
                return;
            }
        }
        from = 0;
    }
}
