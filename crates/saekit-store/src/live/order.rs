//! The order in which rows of a harvest are given out, known before any row is.

use std::ops::Range;
use std::path::{Path, PathBuf};

use saekit_core::files::sha256;

use crate::catalog::row_order::RowOrder;
use crate::error::{Result, StreamError, WriteError};
use crate::live::config::LiveConfig;
use crate::read::projection::Projection;
use crate::stream::pools::{self, Pools};

/// Stands in messages for the folder of a store.
const NOWHERE: &str = "the harvest";

/// Everything that decides the order.
#[derive(Debug)]
pub(super) struct LiveOrder {
    pub(super) config: LiveConfig,
    pub(super) projection: Projection,
    /// Rows of each row group.
    groups: Vec<u32>,
    pools: Pools,
}

impl LiveOrder {
    /// Fails where there are no rows, a column does not exist, or the pool cannot hold two row groups.
    pub(super) fn new(config: LiveConfig) -> Result<Self> {
        let LiveConfig { spec, rows, stream, .. } = &config;
        spec.check()?;
        if *rows == 0 {
            return Err(WriteError::Spec { problem: "no row would be in it".to_owned() }.into());
        }
        let projection = Projection::of_harvest(spec, &stream.columns, Path::new(NOWHERE))?;
        let groups = pools::row_groups(*rows, spec.shard_rows(), spec.row_group_rows());
        let largest = groups.iter().copied().max().unwrap_or(0);
        let group_bytes = u64::from(largest) * projection.row_bytes();
        let pool_bytes = stream.pool_bytes;
        let pools = Pools::new(groups.len(), group_bytes, pool_bytes).map_err(|needed| {
            StreamError::PoolTooSmall { path: PathBuf::from(NOWHERE), pool_bytes, needed }
        })?;
        Ok(Self { config, projection, groups, pools })
    }

    /// Row groups of a full shard.
    pub(super) fn groups_per_shard(&self) -> usize {
        self.config.spec.shard_rows().div_ceil(self.config.spec.row_group_rows())
    }

    /// Pools per epoch.
    pub(super) fn pools(&self) -> usize {
        self.pools.len()
    }

    /// The row groups of `pool`, by index.
    pub(super) fn groups_of(&self, pool: usize) -> Range<usize> {
        self.pools.range(pool)
    }

    fn pool_rows(&self, pool: usize) -> usize {
        self.groups[self.pools.range(pool)].iter().map(|rows| *rows as usize).sum()
    }

    /// The pool that holds row `row` of an epoch, and the first row of that pool.
    pub(super) fn locate(&self, row: u64) -> (usize, u64) {
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

    pub(super) fn row_order(&self) -> RowOrder {
        let (seed, groups) = (self.config.stream.seed, self.pools.groups_per_pool());
        RowOrder {
            path: PathBuf::from(NOWHERE),
            store_sha256: self.config.sha256.clone(),
            order_sha256: sha256(format!("live 1, seed {seed}, {groups} groups a pool").as_bytes()),
            rows: self.config.rows,
        }
    }
}
