//! The contents of an open store: its manifest, its shards and its tokens table.

pub(crate) mod row_order;
pub(crate) mod row_range;

use std::path::PathBuf;
use std::sync::Arc;

use saekit_core::HookPoint;

use self::row_order::RowOrder;
use self::row_range::RowRange;
use crate::error::{Result, StreamError};
use crate::format::manifest::Manifest;
use crate::shard::Shard;
use crate::storage::Storage;
use crate::tokens::Tokens;

/// A damaged file that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Rows that it should have had, if that is known.
    pub rows: Option<u64>,
    /// The problem, as its error says it.
    pub problem: String,
}

/// The contents of an open store. [`Store`](crate::Store) and the sources made from it share one.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) manifest: Manifest,
    /// Identifies the rows: the hash of the manifest, combined with the names of skipped files.
    pub(crate) sha256: String,
    pub(crate) shards: Vec<Arc<dyn Shard>>,
    pub(crate) tokens: Option<Tokens>,
    /// Whether rows have a sequence and a position.
    pub(crate) has_sequences: bool,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) notes: Vec<String>,
    /// False where the manifest was inferred from files of other tools.
    pub(crate) has_manifest: bool,
}

impl Catalog {
    /// Where the store is, for messages.
    pub(crate) fn location(&self) -> PathBuf {
        self.storage.location().to_owned()
    }

    /// Index in the manifest of the column called `name`.
    pub(crate) fn column_index(&self, name: &HookPoint) -> Result<usize> {
        let found = self.manifest.columns.iter().position(|column| column.name == *name);
        found.ok_or_else(|| {
            StreamError::UnknownColumn {
                path: self.location(),
                column: name.to_string(),
                available: self.manifest.available(),
            }
            .into()
        })
    }

    /// An order of the rows, with `rows` rows per epoch and the hash `order_sha256`.
    pub(crate) fn row_order(&self, order_sha256: String, rows: u64) -> RowOrder {
        let (path, store_sha256) = (self.location(), self.sha256.clone());
        RowOrder { path, store_sha256, order_sha256, rows }
    }

    /// The row groups that have rows, in the order on disk.
    pub(crate) fn groups(&self) -> Vec<RowRange> {
        let mut first = 0;
        let count = self.shards.iter().map(|shard| shard.group_rows().len()).sum();
        let mut groups = Vec::with_capacity(count);
        for (shard, reader) in self.shards.iter().enumerate() {
            for (index, rows) in reader.group_rows().iter().enumerate() {
                let (shard, index) = (shard as u32, index as u32);
                groups.push(RowRange { shard, index, skip: 0, rows: *rows, first });
                first += u64::from(*rows);
            }
        }
        groups.retain(|group| group.rows > 0);
        groups
    }
}
