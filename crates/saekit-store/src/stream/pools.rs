//! Pools of row groups, and the order of the rows in them, for stores and for harvests.

use std::ops::Range;

use saekit_core::rng::Rng;

/// Consecutive row groups share a pool: as few pools as hold them all, and as equal as row groups
/// allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pools {
    groups: usize,
    groups_per_pool: usize,
}

impl Pools {
    /// Pools of at most half of `pool_bytes` each, since two are in memory at a time, where the
    /// largest of `groups` row groups takes `group_bytes`. Otherwise the least `pool_bytes` that
    /// will do.
    pub(crate) fn new(groups: usize, group_bytes: u64, pool_bytes: u64) -> Result<Self, u64> {
        let groups_per_pool = pool_bytes / 2 / group_bytes.max(1);
        if groups_per_pool == 0 {
            return Err(2 * group_bytes);
        }
        Ok(Self { groups, groups_per_pool: groups_per_pool.min(groups.max(1) as u64) as usize })
    }

    /// Upper bound on the row groups of a pool.
    pub(crate) fn groups_per_pool(&self) -> usize {
        self.groups_per_pool
    }

    /// Number of pools.
    pub(crate) fn len(&self) -> usize {
        self.groups.div_ceil(self.groups_per_pool)
    }

    /// The row groups of `pool`, by place.
    pub(crate) fn range(&self, pool: usize) -> Range<usize> {
        let start = |pool: usize| pool * self.groups / self.len();
        start(pool)..start(pool + 1)
    }
}

/// Puts the rows of `pool`, which are given as they lie in it, in the order in which they come in
/// `epoch`.
pub(crate) fn shuffle_rows(seed: u64, epoch: u64, pool: usize, rows: &mut [u32]) {
    Rng::new(seed, "store.pool").child(epoch).child(pool as u64).shuffle(rows);
}

/// Rows of each row group of a store of `rows` rows, in order, where full shards and row groups hold
/// the numbers given.
pub(crate) fn row_groups(rows: u64, shard_rows: usize, group_rows: usize) -> Vec<u32> {
    let mut groups = Vec::new();
    let mut left = rows;
    while left > 0 {
        let mut shard = left.min(shard_rows as u64);
        left -= shard;
        while shard > 0 {
            let group = shard.min(group_rows as u64);
            shard -= group;
            groups.push(group as u32);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    #[test]
    fn a_pool_holds_half_of_the_bytes() {
        assert_eq!(Pools::new(10, 100, 199), Err(200));
        let pools = Pools::new(10, 100, 899).unwrap();
        assert_eq!((pools.groups_per_pool(), pools.len()), (4, 3));
        assert_eq!([0, 1, 2].map(|pool| pools.range(pool)), [0..3, 3..6, 6..10]);
        assert_eq!(Pools::new(3, 100, u64::MAX).unwrap().range(0), 0..3);
    }

    #[test]
    fn shards_end_row_groups() {
        assert_eq!(row_groups(23, 10, 4), [4, 4, 2, 4, 4, 2, 3]);
        assert_eq!(row_groups(0, 10, 4), [0; 0]);
    }

    proptest! {
        #[test]
        fn every_group_is_in_one_pool(groups in 1_usize..100, per_pool in 1_u64..40) {
            let pools = Pools::new(groups, 1, 2 * per_pool).unwrap();
            let all: Vec<_> = (0..pools.len()).flat_map(|pool| pools.range(pool)).collect();
            prop_assert_eq!(all, (0..groups).collect::<Vec<_>>());
            let sizes: Vec<_> = (0..pools.len()).map(|pool| pools.range(pool).len()).collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            prop_assert!(most - least <= 1 && *most <= per_pool as usize);
        }

        #[test]
        fn groups_are_those_of_a_store(rows in 0_u64..500, shard in 1_usize..90, group in 1_usize..90) {
            let groups = row_groups(rows, shard, group.min(shard));
            prop_assert_eq!(groups.iter().map(|rows| u64::from(*rows)).sum::<u64>(), rows);
            prop_assert!(groups.iter().all(|rows| (1..=group.min(shard) as u32).contains(rows)));
        }
    }
}
