//! The order of a shuffled epoch: which row groups share a pool, and in which order their rows come.

use std::ops::Range;

use saekit_core::files::sha256;
use saekit_core::rng::Rng;

use crate::rows::{Group, Selection};
use crate::store::Inner;
use crate::{Error, Result};

/// Everything that decides the order of every epoch.
#[derive(Debug)]
pub(crate) struct Plan {
    seed: u64,
    groups: Vec<Group>,
    groups_per_pool: usize,
    rows: u64,
}

/// The order of one epoch.
#[derive(Debug)]
pub(crate) struct Epoch<'a> {
    plan: &'a Plan,
    number: u64,
    /// Row groups in their order, by place in the plan.
    order: Vec<u32>,
}

impl Plan {
    /// Pools of at most half of `pool_bytes` each, since two are in memory at a time.
    pub(crate) fn new(
        store: &Inner,
        selection: &Selection,
        seed: u64,
        pool_bytes: u64,
    ) -> Result<Self> {
        let groups = store.groups();
        let largest = groups.iter().map(|group| u64::from(group.rows)).max().unwrap_or(0);
        let group_bytes = largest * selection.row_bytes();
        let groups_per_pool = pool_bytes / 2 / group_bytes.max(1);
        if groups_per_pool == 0 {
            let (path, needed) = (store.dir.clone(), 2 * group_bytes);
            return Err(Error::PoolTooSmall { path, pool_bytes, needed });
        }
        let groups_per_pool = groups_per_pool.min(groups.len() as u64) as usize;
        Ok(Self { seed, groups, groups_per_pool, rows: store.manifest.rows })
    }

    /// Rows of an epoch.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Hash of what decides the order beside the store.
    pub(crate) fn sha256(&self) -> String {
        let text =
            format!("shuffled 1, seed {}, {} groups a pool", self.seed, self.groups_per_pool);
        sha256(text.as_bytes())
    }

    /// Pools of an epoch: as few as hold it, and as equal as row groups allow.
    pub(crate) fn pools(&self) -> usize {
        self.groups.len().div_ceil(self.groups_per_pool)
    }

    fn pool_range(&self, pool: usize) -> Range<usize> {
        let start = |pool: usize| pool * self.groups.len() / self.pools();
        start(pool)..start(pool + 1)
    }

    /// The order of epoch `number`.
    pub(crate) fn epoch(&self, number: u64) -> Epoch<'_> {
        let mut order: Vec<u32> = (0..self.groups.len() as u32).collect();
        Rng::new(self.seed, "store.row-groups").child(number).shuffle(&mut order);
        Epoch { plan: self, number, order }
    }
}

impl Epoch<'_> {
    /// The row groups of `pool`.
    pub(crate) fn groups(&self, pool: usize) -> Vec<Group> {
        let order = &self.order[self.plan.pool_range(pool)];
        order.iter().map(|place| self.plan.groups[*place as usize]).collect()
    }

    /// Puts into `order` the order in which the `rows` rows of `pool` come.
    pub(crate) fn shuffle_rows(&self, pool: usize, rows: usize, order: &mut Vec<u32>) {
        order.clear();
        order.extend(0..rows as u32);
        Rng::new(self.plan.seed, "store.pool").child(self.number).child(pool as u64).shuffle(order);
    }

    /// The pool that holds row `row` of the epoch, and the row it begins with.
    pub(crate) fn locate(&self, row: u64) -> (usize, u64) {
        let mut start = 0;
        for pool in 0..self.plan.pools() {
            let rows: u64 = self.groups(pool).iter().map(|group| u64::from(group.rows)).sum();
            if row < start + rows {
                return (pool, start);
            }
            start += rows;
        }
        (self.plan.pools(), start)
    }
}
