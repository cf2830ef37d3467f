//! The producing end of [`LiveRows`](crate::LiveRows): shards in memory, handed over in row groups.

use std::sync::mpsc::{Receiver, Sender};

use saekit_core::{Interrupt, RowBlock, RowSink, TokenizedSequence};

use crate::error::{Error, Result, WriteError};
use crate::live::config::LiveConfig;
use crate::write::row_collector::RowCollector;
use crate::write::shard_buffer::LiveGroup;

/// A request for row groups, and where the producer answers it.
#[derive(Debug)]
pub(crate) struct Request {
    /// The first row group that is requested of the first epoch.
    pub(crate) first_group: usize,
    pub(crate) groups: Sender<saekit_core::Result<LiveGroup>>,
    /// One for each row group that may be started, so that those on their way are never more than a
    /// shard.
    pub(crate) credits: Receiver<()>,
    pub(crate) stop: Interrupt,
}

/// Takes the rows of one epoch and sends the row groups of each shard, in the order that its rows would
/// have on disk.
#[derive(Debug)]
pub(crate) struct LiveSink<'a> {
    collector: RowCollector,
    request: &'a Request,
    /// Rows that the harvest was counted to have.
    expected: u64,
    shard: u64,
    /// Row groups at the beginning of the shard that were not requested.
    unwanted: usize,
    /// Row groups that may start without a credit: that many were acquired for groups later discarded.
    spare: usize,
}

impl<'a> LiveSink<'a> {
    /// An epoch from row group `first_group` on.
    pub(crate) fn new(
        config: &LiveConfig,
        (first_group, spare): (usize, usize),
        request: &'a Request,
    ) -> Self {
        let spec = config.spec.clone();
        let per_shard = spec.shard_rows().div_ceil(spec.row_group_rows());
        let shard = (first_group / per_shard) as u64;
        let first_row = shard * spec.shard_rows() as u64;
        let (unwanted, expected) = (first_group % per_shard, config.rows);
        Self {
            collector: RowCollector::new(spec, first_row),
            request,
            expected,
            shard,
            unwanted,
            spare,
        }
    }

    /// Sends the rest and returns how many credits were not needed; fails where there were fewer rows
    /// than expected.
    pub(crate) fn end(mut self) -> Result<usize> {
        if self.collector.rows != self.expected {
            return Err(self.miscounted(self.collector.rows));
        }
        if self.collector.shard.rows() > 0 {
            self.hand_over()?;
        }
        Ok(self.spare)
    }

    fn miscounted(&self, found: u64) -> Error {
        WriteError::Miscounted { expected: self.expected, found }.into()
    }

    /// Waits until another row group may be started.
    fn wait(&mut self) -> Result<()> {
        if self.spare > 0 {
            self.spare -= 1;
            return Ok(());
        }
        self.request.credits.recv().map_err(hung_up)
    }

    fn hand_over(&mut self) -> Result<()> {
        let RowCollector { spec, shard, .. } = &mut self.collector;
        shard.permute(&spec.shard_order(self.shard, shard.rows()));
        for group in shard.take_groups() {
            if self.unwanted > 0 {
                self.unwanted -= 1;
                self.spare += 1;
                continue;
            }
            self.request.groups.send(Ok(group)).map_err(hung_up)?;
        }
        self.shard += 1;
        Ok(())
    }
}

/// The consumer has gone, or has asked for something else.
fn hung_up<E>(_: E) -> Error {
    saekit_core::Error::Interrupted.into()
}

impl RowSink for LiveSink<'_> {
    fn push_sequence(&mut self, _: &TokenizedSequence) -> saekit_core::Result<u32> {
        Ok(self.collector.push_sequence()?)
    }

    fn push_rows(&mut self, block: &RowBlock<'_>) -> saekit_core::Result<()> {
        self.collector.check(block)?;
        let rows = self.collector.rows + block.rows() as u64;
        if rows > self.expected {
            return Err(self.miscounted(rows).into());
        }
        let group_rows = self.collector.spec.row_group_rows();
        let mut next = self.collector.skip(block.rows() as u64) as usize;
        while next < block.rows() {
            let begun = self.collector.shard.rows() % group_rows;
            if begun == 0 {
                self.wait()?;
            }
            next += self.collector.take(block, next, group_rows - begun, |_, _, _| ());
            if self.collector.is_full() {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    fn first_row(&self) -> u64 {
        self.collector.first_row
    }

    fn skip_rows(&mut self, rows: u64) -> saekit_core::Result<()> {
        Ok(self.collector.skip_all(rows)?)
    }
}
