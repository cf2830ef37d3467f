//! The row groups of a store, or slices of them: the units that are dealt to pools.

use std::ops::Range;

use crate::catalog::row_range::RowRange;

/// Slices of each shard that a pool should have.
const SHARES: usize = 4;

/// Upper bound on the slices of a store (2x in the worst case, since slices end on page boundaries). An
/// epoch order costs 4 bytes per slice.
const MOST_SLICES: u64 = 1 << 19;

/// Row groups in the order on disk, each whole or cut into slices. Slices are numbered in that order.
/// Each is computed when it is asked for, since a large store has many.
#[derive(Debug)]
pub(crate) struct Slices {
    groups: Vec<RowRange>,
    /// Upper bound on the rows of a slice.
    rows: u32,
    /// Index of the first slice of each group, then the number of all.
    starts: Vec<u32>,
    /// Index of the first slice of each shard after the first.
    shards: Vec<u32>,
}

impl Slices {
    /// Each of `groups` is one slice.
    pub(crate) fn whole(groups: Vec<RowRange>) -> Self {
        Self::new(groups, u32::MAX)
    }

    fn new(groups: Vec<RowRange>, rows: u32) -> Self {
        let (mut starts, mut shards) = (vec![0], Vec::new());
        let mut last = 0;
        for group in &groups {
            let start = starts[starts.len() - 1];
            shards.resize(group.shard as usize, start);
            last += group.rows.div_ceil(rows);
            starts.push(last);
        }
        Self { groups, rows, starts, shards }
    }

    /// Keeps the groups whole if `in_pool` of them give a pool a good share of every shard. Otherwise
    /// cuts them into slices of a multiple of `slice_rows` rows. Slices are as large as that allows,
    /// since small reads are slower.
    pub(crate) fn cut(self, slice_rows: u32, in_pool: usize) -> Self {
        let shards = self.shards.len() + 1;
        if in_pool >= self.len() || in_pool >= SHARES * shards {
            return self;
        }
        let rows = self.largest() as usize * in_pool / (SHARES * shards);
        let all: u64 = self.groups.iter().map(|group| u64::from(group.rows)).sum();
        let rows = (rows as u64).max(all / MOST_SLICES) as u32;
        Self::new(self.groups, (rows / slice_rows).max(1) * slice_rows)
    }

    /// Number of slices.
    pub(crate) fn len(&self) -> usize {
        self.starts[self.groups.len()] as usize
    }

    /// The bound on the rows of a slice that it was made with.
    pub(crate) fn most_rows(&self) -> u32 {
        self.rows
    }

    /// Rows of the largest slice.
    pub(crate) fn largest(&self) -> u32 {
        self.groups.iter().map(|group| group.rows.min(self.rows)).max().unwrap_or(0)
    }

    /// Slice number `index`.
    pub(crate) fn get(&self, index: u32) -> RowRange {
        let group = self.starts.partition_point(|start| *start <= index) - 1;
        self.groups[group].slice(self.rows, index - self.starts[group])
    }

    /// All slices, in the order on disk.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RowRange> {
        self.groups.iter().flat_map(|group| group.slices(self.rows))
    }

    /// The shard of slice number `index`.
    pub(crate) fn shard(&self, index: u32) -> usize {
        self.shards.partition_point(|start| *start <= index)
    }

    /// For each shard the indices of its slices.
    pub(crate) fn of_shards(&self) -> impl Iterator<Item = Range<u32>> {
        let starts = [0].into_iter().chain(self.shards.iter().copied());
        let ends = self.shards.iter().copied().chain([self.len() as u32]);
        starts.zip(ends).map(|(start, end)| start..end)
    }
}
