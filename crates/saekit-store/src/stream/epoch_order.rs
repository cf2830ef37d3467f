//! The order of an epoch: which slices of a store share a pool, and in which order their rows come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use saekit_core::Shuffle;
use saekit_core::files::sha256;
use saekit_core::rng::Rng;

use crate::catalog::Catalog;
use crate::catalog::row_range::RowRange;
use crate::error::{Result, StreamError};
use crate::memory::trim_heap;
use crate::read::projection::Projection;
use crate::select::row_selection::RowSelection;
use crate::stream::config::StreamConfig;
use crate::stream::pools::{self, Pools};
use crate::stream::slices::Slices;

/// Everything that decides the order of every epoch.
#[derive(Debug)]
pub(crate) struct EpochOrder {
    seed: u64,
    shuffle: Shuffle,
    slices: Slices,
    pools: Pools,
    /// The rows that are used; `None` if all are.
    used: Option<RowSelection>,
    rows: u64,
}

/// The order of one epoch.
#[derive(Debug)]
pub(crate) struct Epoch<'a> {
    all: &'a EpochOrder,
    number: u64,
    /// Indices of the slices, in the order of this epoch.
    order: Vec<u32>,
}

impl EpochOrder {
    /// Divides the store into pools of at most half of the pool's bytes each, since two are in memory
    /// at a time.
    ///
    /// If a pool would have too few row groups, they are cut into slices of a multiple of `slice_rows`
    /// rows; `None` keeps row groups whole.
    pub(crate) fn new(
        store: &Catalog,
        projection: &Projection,
        config: &StreamConfig,
        slice_rows: Option<u32>,
    ) -> Result<Self> {
        let StreamConfig { seed, shuffle, pool_bytes, rows, .. } = config;
        let row_bytes = projection.row_bytes();
        let (seed, shuffle) = (*seed, *shuffle);
        let mut slices = Slices::whole(store.groups());
        if let (Shuffle::Full, Some(slice_rows)) = (shuffle, slice_rows) {
            let pools = pools_of(&slices, row_bytes, *pool_bytes);
            slices = slices.cut(slice_rows, pools.map_or(0, |pools| pools.groups_per_pool()));
        }
        let pools = pools_of(&slices, row_bytes, *pool_bytes).map_err(|needed| {
            StreamError::PoolTooSmall { path: store.location(), pool_bytes: *pool_bytes, needed }
        })?;
        let used = rows.clone();
        let rows = used.as_ref().map_or(store.manifest.rows, |set| set.counts().kept);
        Ok(Self { seed, shuffle, slices, pools, used, rows })
    }

    /// Rows per epoch.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Hash of everything beside the store that decides the order. The number counts the ways that
    /// rows were ever shuffled, so that a cursor of an older saekit is refused instead of
    /// continued in another order.
    pub(crate) fn sha256(&self) -> String {
        let Self { seed, shuffle, pools, .. } = self;
        let (shuffle, groups_per_pool) = (shuffle.name(), pools.groups_per_pool());
        let (slices, rows) = (self.slices.len(), self.slices.most_rows());
        let mut text = format!(
            "shuffled 4, {shuffle}, seed {seed}, {groups_per_pool} of {slices} parts a pool, \
             of {rows} rows"
        );
        if let Some(used) = &self.used {
            text += &used.sha256();
        }
        sha256(text.as_bytes())
    }

    /// Upper bound on the rows of a pool.
    pub(crate) fn pool_rows(&self) -> usize {
        self.pools.groups_per_pool() * self.slices.largest() as usize
    }

    /// For each slice how many of its rows are used; `None` if all are. Counted when a row is looked
    /// up, and not kept, since a large store has many slices.
    fn used_per_slice(&self) -> Result<Option<Vec<u32>>> {
        let Some(used) = &self.used else { return Ok(None) };
        let count = |slice: RowRange| Ok(used.used(slice.places())?.iter().count() as u32);
        self.slices.iter().map(count).collect::<Result<_>>().map(Some)
    }

    /// Pools per epoch.
    pub(crate) fn pools(&self) -> usize {
        self.pools.len()
    }

    /// The order of epoch `number`.
    pub(crate) fn epoch(&self, number: u64) -> Epoch<'_> {
        let order = match self.shuffle {
            Shuffle::Full => {
                let rng = Rng::new(self.seed, "store.row-groups").child(number);
                stratified_order(&self.slices, rng)
            }
            Shuffle::Window => (0..self.slices.len() as u32).collect(),
        };
        trim_heap();
        Epoch { all: self, number, order }
    }
}

/// Pools for `slices`; the error is the least `pool_bytes` that suffices.
fn pools_of(slices: &Slices, row_bytes: u64, pool_bytes: u64) -> Result<Pools, u64> {
    Pools::new(slices.len(), u64::from(slices.largest()) * row_bytes, pool_bytes)
}

/// A random order of `slices`, by index, in which the slices of each shard are evenly spread.
///
/// A shard's rows were permuted when it was written. A pool is therefore well mixed if it has its share
/// of every shard, whichever slices those are. The slices of a shard, in random order, are placed at
/// equal distances with a random start.
fn stratified_order(slices: &Slices, rng: Rng) -> Vec<u32> {
    // Allocated first, so that it lies below `order` in memory, where `trim_heap` can return it.
    let mut grouped = vec![0; slices.len()];
    let mut order: Vec<u32> = (0..slices.len() as u32).collect();
    rng.shuffle(&mut order);
    group_by_shard(slices, &order, &mut grouped);
    let mut left: Vec<_> = slices.of_shards().collect();
    let sizes: Vec<_> = left.iter().map(|indices| indices.len() as f64).collect();
    let mut at: Vec<_> = (0..sizes.len() as u64).map(|shard| rng.child(shard).uniform(0)).collect();
    // The bits of positive floats sort as the floats do.
    let key = |shard: usize, at: f64| Reverse(((at / sizes[shard]).to_bits(), shard));
    let has_slices = |shard: &usize| sizes[*shard] > 0.0;
    let mut waiting: BinaryHeap<_> =
        (0..sizes.len()).filter(has_slices).map(|shard| key(shard, at[shard])).collect();
    for index in &mut order {
        let Reverse((_, shard)) = waiting.pop().expect("a shard waits while it has slices");
        let next = left[shard].next().expect("a shard waits while it has slices");
        *index = grouped[next as usize];
        at[shard] += 1.0;
        if !left[shard].is_empty() {
            waiting.push(key(shard, at[shard]));
        }
    }
    order
}

/// Copies the slices in `order` to `grouped`, sorted by shard; within a shard they keep their order.
fn group_by_shard(slices: &Slices, order: &[u32], grouped: &mut [u32]) {
    let mut next: Vec<_> = slices.of_shards().map(|indices| indices.start).collect();
    for index in order {
        let next = &mut next[slices.shard(*index)];
        grouped[*next as usize] = *index;
        *next += 1;
    }
}

impl Epoch<'_> {
    /// Indices of the slices of `pool`.
    fn indices(&self, pool: usize) -> &[u32] {
        &self.order[self.all.pools.range(pool)]
    }

    /// The slices of `pool`.
    pub(crate) fn slices(&self, pool: usize) -> Vec<RowRange> {
        self.indices(pool).iter().map(|index| self.all.slices.get(*index)).collect()
    }

    /// Replaces `order` by the order in which the rows of `pool` are given out.
    pub(crate) fn shuffle_rows(&self, pool: usize, order: &mut Vec<u32>) -> Result<()> {
        order.clear();
        let mut first = 0;
        for slice in self.slices(pool) {
            match &self.all.used {
                None => order.extend(first..first + slice.rows),
                Some(used) => {
                    let used = used.used(slice.places())?;
                    order.extend(used.iter().map(|row| first + (row - slice.first) as u32));
                }
            }
            first += slice.rows;
        }
        pools::shuffle_rows(self.all.seed, self.number, pool, order);
        Ok(())
    }

    /// The pool that holds row `row` of the epoch, and the first row of that pool.
    pub(crate) fn locate(&self, row: u64) -> Result<(usize, u64)> {
        if row == 0 {
            return Ok((0, 0));
        }
        let used = self.all.used_per_slice()?;
        let rows_of = |index: &u32| match &used {
            None => u64::from(self.all.slices.get(*index).rows),
            Some(used) => u64::from(used[*index as usize]),
        };
        let mut start = 0;
        for pool in 0..self.all.pools() {
            let rows: u64 = self.indices(pool).iter().map(rows_of).sum();
            if row < start + rows {
                return Ok((pool, start));
            }
            start += rows;
        }
        Ok((self.all.pools(), start))
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

    fn epoch_order(shard_rows: u64, pool_bytes: u64, shuffle: Shuffle) -> EpochOrder {
        let mut groups = Vec::new();
        for (shard, start) in (0..ROWS).step_by(shard_rows as usize).enumerate() {
            let end = ROWS.min(start + shard_rows);
            for (index, first) in (start..end).step_by(GROUP as usize).enumerate() {
                let rows = (end - first).min(GROUP) as u32;
                let (shard, index) = (shard as u32, index as u32);
                groups.push(RowRange { shard, index, skip: 0, rows, first });
            }
        }
        let mut slices = Slices::whole(groups);
        let mut pools = pools_of(&slices, ROW_BYTES, pool_bytes).unwrap();
        if shuffle == Shuffle::Full {
            slices = slices.cut(page_rows(2 * 768) as u32, pools.groups_per_pool());
            pools = pools_of(&slices, ROW_BYTES, pool_bytes).unwrap();
        }
        EpochOrder { seed: 3, shuffle, slices, pools, used: None, rows: ROWS }
    }

    /// Rows of an epoch by their number on disk.
    fn epoch(order: &EpochOrder, number: u64) -> Vec<u32> {
        let epoch = order.epoch(number);
        let (mut rows, mut of_pool) = (Vec::with_capacity(ROWS as usize), Vec::new());
        for pool in 0..order.pools() {
            let slices = epoch.slices(pool);
            let places = slices.iter().flat_map(|g| g.first as u32..g.first as u32 + g.rows);
            let places: Vec<u32> = places.collect();
            epoch.shuffle_rows(pool, &mut of_pool).unwrap();
            rows.extend(of_pool.iter().map(|row| places[*row as usize]));
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
        let full = epoch_order(SHARD, 512 << 20, Shuffle::Full);
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
        let window = epoch(&epoch_order(SHARD, 512 << 20, Shuffle::Window), 0);
        let window = same_document(&of_large_shards, &window);
        println!("512 MiB, window: {window:.3} x");
        assert!(window > 2.0, "a window mixes neighbours only: {window}");
        for (shard_rows, pool_mib, bound) in [(SHARD, 128, 1.1), (SHARD / 10, 256, 1.5)] {
            let documents = documents(shard_rows);
            let small = epoch(&epoch_order(shard_rows, pool_mib << 20, Shuffle::Full), 0);
            let ratio = same_document(&documents, &small);
            println!("{pool_mib} MiB, full, shards of {shard_rows} rows: {ratio:.3} x");
            assert!(ratio < bound, "{ratio} times as many pairs of one document");
        }
    }
}
