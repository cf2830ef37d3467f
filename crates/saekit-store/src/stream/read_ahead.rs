//! Batches made ready while the one before is used.

use saekit_core::{ColumnSpec, Cursor, RowBatch, RowSource};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request to the thread.
enum Request {
    Batch(usize),
    Recycle(RowBatch),
    Seek(Cursor),
}

/// A batch, or the error in its place, and where the source stands after it.
type Answer = (saekit_core::Result<Option<RowBatch>>, Cursor);

/// A source whose next batch is made in a thread of its own, while the caller is busy with the last.
///
/// It gives the same batches as the source. A batch is prepared once two of the same size were requested;
/// otherwise the rows that are sampled before a run would be in memory twice. A request for another
/// size then costs the time to seek back.
#[derive(Debug)]
pub struct ReadAhead {
    columns: Vec<ColumnSpec>,
    rows_per_epoch: u64,
    /// Where the source stands after the batches that were handed over.
    cursor: Cursor,
    /// Rows from the beginning after which no more are expected.
    limit: Option<u64>,
    /// Rows of the batch that is being made.
    ahead: Option<usize>,
    /// Rows of the batch that was requested last.
    last: Option<usize>,
    requests: Option<Sender<Request>>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
    waited: Duration,
}

impl ReadAhead {
    /// Takes over `source`, of which no more than `limit` rows from the beginning are expected: what
    /// comes after them is not made ready.
    ///
    /// # Panics
    /// If the system has no more threads.
    pub fn new(mut source: impl RowSource + 'static, limit: Option<u64>) -> Self {
        let (requests, received) = channel();
        let (sender, answers) = channel();
        let (columns, rows_per_epoch) = (source.columns().to_vec(), source.rows_per_epoch());
        let cursor = source.cursor();
        let work = move || {
            for request in received {
                let made = match request {
                    Request::Batch(rows) => source.next_batch(rows),
                    Request::Seek(cursor) => source.seek(&cursor).map(|()| None),
                    Request::Recycle(batch) => {
                        source.recycle(batch);
                        continue;
                    }
                };
                if sender.send((made, source.cursor())).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("saekit-batches".to_owned()).spawn(work);
        let thread = Some(thread.expect("a thread can be started"));
        let (requests, waited) = (Some(requests), Duration::ZERO);
        Self {
            columns,
            rows_per_epoch,
            cursor,
            limit,
            ahead: None,
            last: None,
            requests,
            answers,
            thread,
            waited,
        }
    }

    /// Whether rows after those handed over are expected.
    fn expects_more(&self) -> bool {
        let given = self.cursor.epoch * self.rows_per_epoch + self.cursor.row;
        self.limit.is_none_or(|limit| given < limit)
    }

    /// Time that callers have waited for batches.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    fn ask(&mut self, request: Request) {
        if let Some(requests) = &self.requests {
            requests.send(request).ok(); // where the thread has ended, the answer will tell
        }
    }

    /// Waits for the next answer of the thread.
    fn answer(&mut self) -> Answer {
        match self.answers.recv() {
            Ok(answer) => answer,
            Err(_) => match self.thread.take().map(JoinHandle::join) {
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                _ => (Err(saekit_core::Error::Interrupted), self.cursor.clone()),
            },
        }
    }

    /// Discards the batch that is being made.
    fn go_back(&mut self) -> saekit_core::Result<()> {
        if self.ahead.take().is_none() {
            return Ok(());
        }
        self.answer().0.ok();
        self.ask(Request::Seek(self.cursor.clone()));
        self.answer().0.map(drop)
    }

    fn take(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        if self.ahead != Some(rows) {
            self.go_back()?;
            self.ask(Request::Batch(rows));
        }
        self.ahead = None;
        let (made, cursor) = self.answer();
        self.cursor = cursor;
        let made = made?;
        let again = self.last.replace(rows) == Some(rows);
        if again && self.expects_more() && made.as_ref().is_some_and(|batch| batch.rows() == rows) {
            self.ask(Request::Batch(rows));
            self.ahead = Some(rows);
        }
        Ok(made)
    }
}

impl RowSource for ReadAhead {
    fn columns(&self) -> &[ColumnSpec] {
        &self.columns
    }

    fn rows_per_epoch(&self) -> u64 {
        self.rows_per_epoch
    }

    fn next_batch(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        let begun = Instant::now();
        let batch = self.take(rows);
        self.waited += begun.elapsed();
        batch
    }

    fn recycle(&mut self, batch: RowBatch) {
        self.ask(Request::Recycle(batch));
    }

    fn cursor(&self) -> Cursor {
        self.cursor.clone()
    }

    fn seek(&mut self, cursor: &Cursor) -> saekit_core::Result<()> {
        if self.ahead.take().is_some() {
            self.answer().0.ok();
        }
        self.ask(Request::Seek(cursor.clone()));
        let (sought, cursor) = self.answer();
        self.cursor = cursor;
        sought.map(drop)
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
