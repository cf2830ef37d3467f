//! The row groups of a store, or parts of them: what pools are dealt.

use std::ops::Range;

use crate::catalog::row_range::RowRange;

/// Row groups of each shard, or parts of them, that a pool should have.
const SHARES: usize = 4;

/// Parts that a store is cut into at most, or twice as many, since they are of whole pages. An order of
/// them takes a few bytes for each.
const MOST_PARTS: u64 = 1 << 19;

/// Row groups in the order on disk, each as one part or cut into several. What parts there are is
/// worked out when it is asked, since a large store has many.
#[derive(Debug)]
pub(crate) struct Parts {
    groups: Vec<RowRange>,
    /// Most rows of a part.
    rows: u32,
    /// The first part of each group, and the number of all.
    starts: Vec<u32>,
    /// The first part of each shard after the first.
    shards: Vec<u32>,
}

impl Parts {
    /// Each of `groups` as one part.
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

    /// The groups, or where `in_pool` of them are too few for a good share of every shard, parts of
    /// them: a multiple of `part_rows` rows each, and as large as will do, since less is read at a
    /// time.
    pub(crate) fn cut(self, part_rows: u32, in_pool: usize) -> Self {
        let shards = self.shards.len() + 1;
        if in_pool >= self.len() || in_pool >= SHARES * shards {
            return self;
        }
        let rows = self.largest() as usize * in_pool / (SHARES * shards);
        let all: u64 = self.groups.iter().map(|group| u64::from(group.rows)).sum();
        let rows = (rows as u64).max(all / MOST_PARTS) as u32;
        Self::new(self.groups, (rows / part_rows).max(1) * part_rows)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.starts[self.groups.len()] as usize
    }

    /// Most rows that one may have.
    pub(crate) fn most_rows(&self) -> u32 {
        self.rows
    }

    /// Rows of the largest.
    pub(crate) fn largest(&self) -> u32 {
        self.groups.iter().map(|group| group.rows.min(self.rows)).max().unwrap_or(0)
    }

    /// The part at `place`.
    pub(crate) fn get(&self, place: u32) -> RowRange {
        let group = self.starts.partition_point(|start| *start <= place) - 1;
        self.groups[group].slice(self.rows, place - self.starts[group])
    }

    /// All of them, in the order on disk.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RowRange> {
        self.groups.iter().flat_map(|group| group.slices(self.rows))
    }

    /// The shard of the part at `place`.
    pub(crate) fn shard(&self, place: u32) -> usize {
        self.shards.partition_point(|start| *start <= place)
    }

    /// The parts of each shard.
    pub(crate) fn of_shards(&self) -> impl Iterator<Item = Range<u32>> {
        let starts = [0].into_iter().chain(self.shards.iter().copied());
        let ends = self.shards.iter().copied().chain([self.len() as u32]);
        starts.zip(ends).map(|(start, end)| start..end)
    }
}
