//! Rows that go from a model straight into training, in the order of the store they would make.

pub(crate) mod config;
pub(crate) mod sink;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use saekit_core::files::sha256;
use saekit_core::{ColumnSpec, Cursor, HookPoint, Interrupt, Matrix, RowBatch, RowSink, RowSource};

use crate::error::{Result, StreamError, WriteError};
use crate::format::manifest::in_words;
use crate::format::spec::StoreSpec;
use crate::live::config::LiveConfig;
use crate::live::sink::{Line, LiveSink};
use crate::stream::pools::{self, Pools};
use crate::write::shard_buffer::LiveGroup;

/// How often a wait for rows looks whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// Rows harvested while they are used, in the window order, epoch after epoch; nothing is written.
///
/// The rows are those of the store that the same harvest would write, rounded to the same dtype,
/// and [`next_batch`](RowSource::next_batch) gives them as that store's stream does in the window
/// order. A thread computes ahead; in memory are a pool ([`StreamConfig::pool_bytes`] / 2) and a
/// shard ([`StoreSpec::shard_bytes`]). Every epoch, and every [`seek`](RowSource::seek), begins to
/// produce anew, but for rows before the wanted pool's shard.
#[derive(Debug)]
pub struct LiveRows {
    plan: Arc<Plan>,
    lines: Sender<Line>,
    running: Option<Running>,
    current: Option<Current>,
    epoch: u64,
    row: u64,
}

/// Everything that decides the order.
#[derive(Debug)]
struct Plan {
    config: LiveConfig,
    columns: Vec<Selected>,
    specs: Vec<ColumnSpec>,
    /// Rows of each row group.
    groups: Vec<u32>,
    pools: Pools,
}

/// A column that is given out.
#[derive(Debug)]
struct Selected {
    /// Place in the spec.
    index: usize,
    row_bytes: usize,
    scale: f32,
}

/// The line to the producer, and what comes next on it.
#[derive(Debug)]
struct Running {
    groups: Receiver<Result<LiveGroup, saekit_core::Error>>,
    credits: Sender<()>,
    stop: Interrupt,
    epoch: u64,
    pool: usize,
}

/// The pool being consumed.
#[derive(Debug)]
struct Current {
    groups: Vec<LiveGroup>,
    /// First row of each group.
    starts: Vec<u32>,
    order: Vec<u32>,
    next: usize,
}

impl LiveRows {
    /// Calls `consume` with rows that `produce` computes in another thread, which ends with it.
    ///
    /// `produce` hands all sequences and rows, from the first on, to the sink it is given; it is
    /// called once an epoch and after every seek, never twice at a time, and should stop where its
    /// interrupt is raised. Fails where the columns do not exist or the pool cannot hold two row
    /// groups.
    pub fn scope<R>(
        config: LiveConfig,
        produce: impl Fn(&mut dyn RowSink, &Interrupt) -> saekit_core::Result<()> + Send,
        consume: impl FnOnce(&mut Self) -> R,
    ) -> Result<R> {
        let plan = Arc::new(Plan::new(config)?);
        Ok(thread::scope(|scope| {
            let (lines, receiver) = channel();
            let producer = Arc::clone(&plan);
            scope.spawn(move || work(&producer, &receiver, &produce));
            let (running, current) = (None, None);
            consume(&mut Self { plan, lines, running, current, epoch: 0, row: 0 })
        }))
    }

    fn fill(&mut self, rows: usize) -> Result<RowBatch, saekit_core::Error> {
        let mut batch = self.plan.batch(rows);
        let mut filled = 0;
        while filled < rows {
            let mut current = self.take_current()?;
            let take = (rows - filled).min(current.order.len() - current.next);
            for row in &current.order[current.next..current.next + take] {
                current.copy(*row, &self.plan, filled, &mut batch);
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
        if self.row == self.plan.config.rows {
            (self.epoch, self.row) = (self.epoch + 1, 0);
        }
    }

    /// The pool that holds the next row.
    fn take_current(&mut self) -> Result<Current, saekit_core::Error> {
        if let Some(current) = self.current.take().filter(|c| c.next < c.order.len()) {
            return Ok(current);
        }
        if let Some(running) = &mut self.running {
            return running.next(&self.plan);
        }
        let (pool, start) = self.plan.locate(self.row);
        let mut running = self.start(pool);
        let mut current = running.next(&self.plan)?;
        current.next = (self.row - start) as usize;
        self.running = Some(running);
        Ok(current)
    }

    /// Asks for the row groups from `pool` of this epoch on.
    fn start(&self, pool: usize) -> Running {
        let (sender, groups) = channel();
        let (credits, spent) = channel();
        for _ in 0..self.plan.groups_per_shard() {
            credits.send(()).expect("the receiver is in this function");
        }
        let stop = Interrupt::default();
        let first_group = self.plan.pools.range(pool).start;
        let line = Line { first_group, groups: sender, credits: spent, stop: stop.clone() };
        // Where the producer has gone, so will its end of the line.
        self.lines.send(line).ok();
        Running { groups, credits, stop, epoch: self.epoch, pool }
    }

    /// Goes to a position; the next batch begins to produce there.
    fn go_to(&mut self, epoch: u64, row: u64) {
        self.current = None;
        self.running = None;
        (self.epoch, self.row) = (epoch, row);
    }
}

impl RowSource for LiveRows {
    fn columns(&self) -> &[ColumnSpec] {
        &self.plan.specs
    }

    fn rows_per_epoch(&self) -> u64 {
        self.plan.config.rows
    }

    fn next_batch(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        let (epoch, row) = (self.epoch, self.row);
        match self.fill(rows) {
            Ok(batch) => Ok(Some(batch)),
            Err(error) => {
                self.go_to(epoch, row);
                Err(error)
            }
        }
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            store_sha256: self.plan.config.sha256.clone(),
            order_sha256: self.plan.order_sha256(),
            epoch: self.epoch,
            row: self.row,
            parts: Vec::new(),
        }
    }

    fn seek(&mut self, cursor: &Cursor) -> saekit_core::Result<()> {
        self.plan.check_cursor(cursor)?;
        let wraps = cursor.row == self.plan.config.rows;
        let (epoch, row) = if wraps { (cursor.epoch + 1, 0) } else { (cursor.epoch, cursor.row) };
        self.go_to(epoch, row);
        Ok(())
    }
}

impl Plan {
    fn new(config: LiveConfig) -> Result<Self> {
        let LiveConfig { spec, rows, stream, .. } = &config;
        spec.check()?;
        if *rows == 0 {
            return Err(WriteError::Spec { problem: "no row would be in it".to_owned() }.into());
        }
        let columns = stream.columns.iter().map(|column| Selected::new(spec, column));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        if columns.is_empty() {
            return Err(
                StreamError::NoColumn { path: nowhere(), available: available(spec) }.into()
            );
        }
        let groups = pools::row_groups(*rows, spec.shard_rows(), spec.row_group_rows());
        let numbers = if spec.has_tokens { 12 } else { 4 };
        let values: usize = columns.iter().map(|column| column.row_bytes).sum();
        let largest = groups.iter().copied().max().unwrap_or(0);
        let group_bytes = u64::from(largest) * (values as u64 + numbers);
        let pool_bytes = stream.pool_bytes;
        let pools = Pools::new(groups.len(), group_bytes, pool_bytes)
            .map_err(|needed| StreamError::PoolTooSmall { path: nowhere(), pool_bytes, needed })?;
        let specs = columns.iter().map(|column| spec.columns[column.index].clone()).collect();
        Ok(Self { config, columns, specs, groups, pools })
    }

    /// Row groups of a full shard.
    fn groups_per_shard(&self) -> usize {
        self.config.spec.shard_rows().div_ceil(self.config.spec.row_group_rows())
    }

    fn pool_rows(&self, pool: usize) -> usize {
        self.groups[self.pools.range(pool)].iter().map(|rows| *rows as usize).sum()
    }

    /// The pool that holds row `row` of an epoch, and the row it begins with.
    fn locate(&self, row: u64) -> (usize, u64) {
        let mut start = 0;
        for pool in 0..self.pools.len() {
            let end = start + self.pool_rows(pool) as u64;
            if row < end {
                return (pool, start);
            }
            start = end;
        }
        (self.pools.len(), start)
    }

    fn order_sha256(&self) -> String {
        let (seed, groups) = (self.config.stream.seed, self.pools.groups_per_pool());
        sha256(format!("live 1, seed {seed}, {groups} groups a pool").as_bytes())
    }

    fn check_cursor(&self, cursor: &Cursor) -> Result<()> {
        let (path, rows) = (nowhere(), self.config.rows);
        if cursor.store_sha256 != self.config.sha256 {
            let (expected, found) = (self.config.sha256.clone(), cursor.store_sha256.clone());
            return Err(StreamError::OtherStore { path, expected, found }.into());
        }
        if cursor.order_sha256 != self.order_sha256() {
            return Err(StreamError::OtherOrder { path }.into());
        }
        if cursor.row > rows {
            return Err(StreamError::CursorRange { path, row: cursor.row, rows }.into());
        }
        Ok(())
    }

    /// A batch with room for `rows` rows.
    fn batch(&self, rows: usize) -> RowBatch {
        let numbers = if self.config.spec.has_tokens { rows } else { 0 };
        RowBatch {
            columns: self.specs.iter().map(|spec| Matrix::zeros(rows, spec.width)).collect(),
            sequences: Vec::with_capacity(numbers),
            positions: Vec::with_capacity(numbers),
        }
    }
}

impl Selected {
    fn new(spec: &StoreSpec, (name, scale): &(HookPoint, f32)) -> Result<Self> {
        let found = spec.columns.iter().position(|column| column.name == *name);
        let Some(index) = found else {
            let (column, available) = (name.to_string(), available(spec));
            return Err(StreamError::UnknownColumn { path: nowhere(), column, available }.into());
        };
        let row_bytes = spec.dtype.row_bytes(spec.columns[index].width);
        Ok(Self { index, row_bytes, scale: *scale })
    }
}

/// What messages have in the place of a store's folder.
fn nowhere() -> PathBuf {
    PathBuf::from("the harvest")
}

fn available(spec: &StoreSpec) -> String {
    in_words(spec.columns.iter().map(|column| column.name.as_str()))
}

impl Running {
    /// The next pool.
    fn next(&mut self, plan: &Plan) -> saekit_core::Result<Current> {
        let (mut groups, mut starts, mut rows) = (Vec::new(), Vec::new(), 0);
        for _ in plan.pools.range(self.pool) {
            let mut group = self.receive(&plan.config.interrupt)?;
            self.credits.send(()).ok(); // where the producer has gone, it needs none
            group.keep(|index| plan.columns.iter().any(|column| column.index == index));
            starts.push(rows as u32);
            rows += group.rows;
            groups.push(group);
        }
        let mut order: Vec<u32> = (0..rows as u32).collect();
        pools::shuffle_rows(plan.config.stream.seed, self.epoch, self.pool, &mut order);
        self.pool += 1;
        if self.pool == plan.pools.len() {
            (self.epoch, self.pool) = (self.epoch + 1, 0);
        }
        Ok(Current { groups, starts, order, next: 0 })
    }

    fn receive(&self, interrupt: &Interrupt) -> saekit_core::Result<LiveGroup> {
        loop {
            match self.groups.recv_timeout(PATIENCE) {
                Ok(group) => return group,
                Err(RecvTimeoutError::Timeout) => interrupt.check()?,
                // It panicked, which the scope passes on.
                Err(RecvTimeoutError::Disconnected) => return Err(saekit_core::Error::Interrupted),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

impl Current {
    /// Copies row `row` into row `to` of `batch`, converted and scaled.
    fn copy(&self, row: u32, plan: &Plan, to: usize, batch: &mut RowBatch) {
        let place = self.starts.partition_point(|start| *start <= row) - 1;
        let (group, row) = (&self.groups[place], (row - self.starts[place]) as usize);
        for (column, matrix) in plan.columns.iter().zip(&mut batch.columns) {
            let stored = &group.columns[column.index][row * column.row_bytes..][..column.row_bytes];
            plan.config.spec.dtype.load(stored, column.scale, matrix.row_mut(to));
        }
        if plan.config.spec.has_tokens {
            batch.sequences.push(group.sequences[row]);
            batch.positions.push(group.positions[row]);
        }
    }
}

/// Produces for one line after the other.
fn work(
    plan: &Plan,
    lines: &Receiver<Line>,
    produce: &impl Fn(&mut dyn RowSink, &Interrupt) -> saekit_core::Result<()>,
) {
    for line in lines {
        let Err(error) = serve(plan, &line, produce);
        line.groups.send(Err(error)).ok(); // nobody listens where it was hung up
    }
}

/// Produces epoch after epoch until an error, such as that the line was hung up.
fn serve(
    plan: &Plan,
    line: &Line,
    produce: &impl Fn(&mut dyn RowSink, &Interrupt) -> saekit_core::Result<()>,
) -> saekit_core::Result<Infallible> {
    let (mut first_group, mut spare) = (line.first_group, 0);
    loop {
        let mut sink = LiveSink::new(&plan.config, (first_group, spare), line);
        produce(&mut sink, &line.stop)?;
        spare = sink.end()?;
        first_group = 0;
    }
}
