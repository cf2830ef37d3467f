//! The order of an epoch: which parts of a store share a pool, and in which order their rows come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use saekit_core::files::sha256;
use saekit_core::rng::Rng;

use saekit_core::Shuffle;

use crate::catalog::Catalog;
use crate::catalog::row_range::RowRange;
use crate::error::{Result, StreamError};
use crate::memory::give_back;
use crate::read::projection::Selection;
use crate::select::row_selection::RowSet;
use crate::stream::config::StreamConfig;
use crate::stream::pools::{self, Pools};
use crate::stream::slices::Parts;

/// Everything that decides the order of every epoch.
#[derive(Debug)]
pub(crate) struct Plan {
    seed: u64,
    shuffle: Shuffle,
    parts: Parts,
    pools: Pools,
    /// The rows that are used, where not all are.
    kept: Option<RowSet>,
    rows: u64,
}

/// The order of one epoch.
#[derive(Debug)]
pub(crate) struct Epoch<'a> {
    plan: &'a Plan,
    number: u64,
    /// Parts in their order, by place.
    order: Vec<u32>,
}

impl Plan {
    /// Pools of at most half of the pool's bytes each, since two are in memory at a time.
    ///
    /// Row groups are cut into parts of a multiple of `part_rows` rows, if that is given and a pool has
    /// too few of them.
    pub(crate) fn new(
        store: &Catalog,
        selection: &Selection,
        config: &StreamConfig,
        part_rows: Option<u32>,
    ) -> Result<Self> {
        let StreamConfig { seed, shuffle, pool_bytes, rows, .. } = config;
        let row_bytes = selection.row_bytes();
        let (seed, shuffle) = (*seed, *shuffle);
        let mut parts = Parts::whole(store.groups());
        if let (Shuffle::Full, Some(part_rows)) = (shuffle, part_rows) {
            let pools = pools_of(&parts, row_bytes, *pool_bytes);
            parts = parts.cut(part_rows, pools.map_or(0, |pools| pools.groups_per_pool()));
        }
        let pools = pools_of(&parts, row_bytes, *pool_bytes).map_err(|needed| {
            StreamError::PoolTooSmall { path: store.location(), pool_bytes: *pool_bytes, needed }
        })?;
        let kept = rows.clone();
        let rows = kept.as_ref().map_or(store.manifest.rows, |set| set.counts().kept);
        Ok(Self { seed, shuffle, parts, pools, kept, rows })
    }

    /// Rows of an epoch.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Hash of what decides the order beside the store.
    pub(crate) fn sha256(&self) -> String {
        let Self { seed, shuffle, pools, .. } = self;
        let (shuffle, groups_per_pool) = (shuffle.name(), pools.groups_per_pool());
        let (parts, rows) = (self.parts.len(), self.parts.most_rows());
        let mut text = format!(
            "shuffled 4, {shuffle}, seed {seed}, {groups_per_pool} of {parts} parts a pool, \
             of {rows} rows"
        );
        if let Some(kept) = &self.kept {
            text += &kept.sha256();
        }
        sha256(text.as_bytes())
    }

    /// Most rows of a pool.
    pub(crate) fn pool_rows(&self) -> usize {
        self.pools.groups_per_pool() * self.parts.largest() as usize
    }

    /// Rows of each part that are used, where not all are. They are counted when a row is to be found
    /// and not kept: a large store has many parts.
    fn kept_of_parts(&self) -> Result<Option<Vec<u32>>> {
        let Some(set) = &self.kept else { return Ok(None) };
        let count = |part: RowRange| Ok(set.used(part.places())?.iter().count() as u32);
        self.parts.iter().map(count).collect::<Result<_>>().map(Some)
    }

    /// Pools of an epoch.
    pub(crate) fn pools(&self) -> usize {
        self.pools.len()
    }

    /// The order of epoch `number`.
    pub(crate) fn epoch(&self, number: u64) -> Epoch<'_> {
        let order = match self.shuffle {
            Shuffle::Full => {
                spread(&self.parts, Rng::new(self.seed, "store.row-groups").child(number))
            }
            Shuffle::Window => (0..self.parts.len() as u32).collect(),
        };
        give_back();
        Epoch { plan: self, number, order }
    }
}

/// Pools for `parts`, or the least `pool_bytes` that will do.
fn pools_of(parts: &Parts, row_bytes: u64, pool_bytes: u64) -> Result<Pools, u64> {
    Pools::new(parts.len(), u64::from(parts.largest()) * row_bytes, pool_bytes)
}

/// A random order of `parts`, by place, in which those of each shard lie evenly.
///
/// A shard's rows were permuted when it was written, so what decides how well a pool is mixed is
/// that it has its share of every shard, not which parts those are. The parts of a shard, in random
/// order, are put at equal distances with a random beginning.
fn spread(parts: &Parts, rng: Rng) -> Vec<u32> {
    // First, since what lies below memory in use can be given back.
    let mut dealt = vec![0; parts.len()];
    let mut order: Vec<u32> = (0..parts.len() as u32).collect();
    rng.shuffle(&mut order);
    deal(parts, &order, &mut dealt);
    let mut left: Vec<_> = parts.of_shards().collect();
    let sizes: Vec<_> = left.iter().map(|places| places.len() as f64).collect();
    let mut at: Vec<_> = (0..sizes.len() as u64).map(|shard| rng.child(shard).uniform(0)).collect();
    // Positive numbers, so that their bits have their order.
    let key = |shard: usize, at: f64| Reverse(((at / sizes[shard]).to_bits(), shard));
    let has_parts = |shard: &usize| sizes[*shard] > 0.0;
    let mut waiting: BinaryHeap<_> =
        (0..sizes.len()).filter(has_parts).map(|shard| key(shard, at[shard])).collect();
    for place in &mut order {
        let Reverse((_, shard)) = waiting.pop().expect("a shard waits while it has parts");
        let next = left[shard].next().expect("a shard waits while it has parts");
        *place = dealt[next as usize];
        at[shard] += 1.0;
        if !left[shard].is_empty() {
            waiting.push(key(shard, at[shard]));
        }
    }
    order
}

/// Puts into `dealt` the parts in `order`, those of the first shard before those of the next.
fn deal(parts: &Parts, order: &[u32], dealt: &mut [u32]) {
    let mut next: Vec<_> = parts.of_shards().map(|places| places.start).collect();
    for place in order {
        let next = &mut next[parts.shard(*place)];
        dealt[*next as usize] = *place;
        *next += 1;
    }
}

impl Epoch<'_> {
    /// Places of the parts of `pool`.
    fn places(&self, pool: usize) -> &[u32] {
        &self.order[self.plan.pools.range(pool)]
    }

    /// The parts of `pool`.
    pub(crate) fn parts(&self, pool: usize) -> Vec<RowRange> {
        self.places(pool).iter().map(|place| self.plan.parts.get(*place)).collect()
    }

    /// Puts into `order` the order in which the rows of `pool` come.
    pub(crate) fn shuffle_rows(&self, pool: usize, order: &mut Vec<u32>) -> Result<()> {
        order.clear();
        let mut first = 0;
        for part in self.parts(pool) {
            match &self.plan.kept {
                None => order.extend(first..first + part.rows),
                Some(kept) => {
                    let used = kept.used(part.places())?;
                    order.extend(used.iter().map(|row| first + (row - part.first) as u32));
                }
            }
            first += part.rows;
        }
        pools::shuffle_rows(self.plan.seed, self.number, pool, order);
        Ok(())
    }

    /// The pool that holds row `row` of the epoch, and the row it begins with.
    pub(crate) fn locate(&self, row: u64) -> Result<(usize, u64)> {
        if row == 0 {
            return Ok((0, 0));
        }
        let kept = self.plan.kept_of_parts()?;
        let rows_of = |place: &u32| match &kept {
            None => u64::from(self.plan.parts.get(*place).rows),
            Some(kept) => u64::from(kept[*place as usize]),
        };
        let mut start = 0;
        for pool in 0..self.plan.pools() {
            let rows: u64 = self.places(pool).iter().map(rows_of).sum();
            if row < start + rows {
                return Ok((pool, start));
            }
            start += rows;
        }
        Ok((self.plan.pools(), start))
    }
}

/// How well rows are mixed, at full size but without any row on a disk: documents follow each other,
/// ordered by topic, and are cut into shards whose rows are permuted as [`StoreWriter`] does.
///
/// [`StoreWriter`]: crate::StoreWriter
#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet::page_writer::page_rows;

    const ROWS: u64 = 10_500_000;
    /// Rows of a document.
    const DOCUMENT: u64 = 1000;
    /// Rows of a shard of 1 GB and of a row group of 16 MiB, 768 values of two bytes each.
    const SHARD: u64 = 650_000;
    const GROUP: u64 = (16 << 20) / (2 * 768);
    /// With its sequence, its position and its place in a random order.
    const ROW_BYTES: u64 = 2 * 768 + 12;
    const BATCH: usize = 4096;

    /// The document of each row, in the order on disk.
    fn documents(shard_rows: u64) -> Vec<u32> {
        let mut documents = Vec::with_capacity(ROWS as usize);
        for (shard, start) in (0..ROWS).step_by(shard_rows as usize).enumerate() {
            let mut rows: Vec<u64> = (start..ROWS.min(start + shard_rows)).collect();
            Rng::new(5, "store.shard").child(shard as u64).shuffle(&mut rows);
            documents.extend(rows.iter().map(|row| (row / DOCUMENT) as u32));
        }
        documents
    }

    fn plan(shard_rows: u64, pool_bytes: u64, shuffle: Shuffle) -> Plan {
        let mut groups = Vec::new();
        for (shard, start) in (0..ROWS).step_by(shard_rows as usize).enumerate() {
            let end = ROWS.min(start + shard_rows);
            for (index, first) in (start..end).step_by(GROUP as usize).enumerate() {
                let rows = (end - first).min(GROUP) as u32;
                let (shard, index) = (shard as u32, index as u32);
                groups.push(RowRange { shard, index, skip: 0, rows, first });
            }
        }
        let mut parts = Parts::whole(groups);
        let mut pools = pools_of(&parts, ROW_BYTES, pool_bytes).unwrap();
        if shuffle == Shuffle::Full {
            parts = parts.cut(page_rows(2 * 768) as u32, pools.groups_per_pool());
            pools = pools_of(&parts, ROW_BYTES, pool_bytes).unwrap();
        }
        Plan { seed: 3, shuffle, parts, pools, kept: None, rows: ROWS }
    }

    /// Rows of an epoch by their number on disk.
    fn epoch(plan: &Plan, number: u64) -> Vec<u32> {
        let epoch = plan.epoch(number);
        let (mut rows, mut order) = (Vec::with_capacity(ROWS as usize), Vec::new());
        for pool in 0..plan.pools() {
            let parts = epoch.parts(pool);
            let places = parts.iter().flat_map(|g| g.first as u32..g.first as u32 + g.rows);
            let places: Vec<u32> = places.collect();
            epoch.shuffle_rows(pool, &mut order).unwrap();
            rows.extend(order.iter().map(|row| places[*row as usize]));
        }
        rows
    }

    /// Pairs of rows of one document in a batch, relative to rows drawn independently.
    fn same_document(documents: &[u32], rows: &[u32]) -> f64 {
        let mut pairs = 0;
        for batch in rows.chunks_exact(BATCH) {
            let mut found: Vec<u32> = batch.iter().map(|row| documents[*row as usize]).collect();
            found.sort_unstable();
            let of_one = found.chunk_by(|a, b| a == b).map(|run| run.len() * (run.len() - 1) / 2);
            pairs += of_one.sum::<usize>();
        }
        let batches = (rows.len() / BATCH) as f64;
        let pairs_a_batch = (BATCH * (BATCH - 1) / 2) as f64;
        let ideal = batches * pairs_a_batch * (DOCUMENT - 1) as f64 / (ROWS - 1) as f64;
        pairs as f64 / ideal
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "the figures of docs/store-format.md")]
    fn a_pool_of_512_mib_mixes_documents_as_well_as_independent_draws() {
        let of_large_shards = documents(SHARD);
        let full = plan(SHARD, 512 << 20, Shuffle::Full);
        let (first, second) = (epoch(&full, 0), epoch(&full, 1));
        assert_ne!(first, second);
        for rows in [&first, &second] {
            let mut sorted = rows.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().zip(0..ROWS as u32).all(|(row, expected)| *row == expected));
            let ratio = same_document(&of_large_shards, rows);
            println!("512 MiB, full: {ratio:.3} x");
            assert!(ratio < 1.1, "{ratio} times as many pairs of one document");
        }
        let window = epoch(&plan(SHARD, 512 << 20, Shuffle::Window), 0);
        let window = same_document(&of_large_shards, &window);
        println!("512 MiB, window: {window:.3} x");
        assert!(window > 2.0, "a window mixes neighbours only: {window}");
        for (shard_rows, pool_mib, bound) in [(SHARD, 128, 1.1), (SHARD / 10, 256, 1.5)] {
            let documents = documents(shard_rows);
            let small = epoch(&plan(shard_rows, pool_mib << 20, Shuffle::Full), 0);
            let ratio = same_document(&documents, &small);
            println!("{pool_mib} MiB, full, shards of {shard_rows} rows: {ratio:.3} x");
            assert!(ratio < bound, "{ratio} times as many pairs of one document");
        }
    }
}
