use std::sync::Arc;

use saekit_core::files::sha256;
use saekit_core::{HookPoint, Interrupt};

use crate::rows::{Group, Rows, Selection};
use crate::store::Inner;
use crate::{ColumnSpec, Cursor, Result, RowBatch, RowSource};

/// The rows of a store once, in the order on disk; made by [`Store::scan`](crate::Store::scan).
///
/// A row group is in memory at a time. The last batch may be shorter than was asked for; after it
/// comes `None`.
#[derive(Debug)]
pub struct ScannedRows {
    store: Arc<Inner>,
    selection: Selection,
    groups: Vec<Group>,
    /// First row of each group, and the number of rows.
    starts: Vec<u64>,
    row: u64,
    /// The group in memory.
    loaded: Option<usize>,
    rows: Rows,
}

impl ScannedRows {
    pub(crate) fn new(store: Arc<Inner>, columns: &[(HookPoint, f32)]) -> Result<Self> {
        let selection = Selection::new(&store, columns)?;
        let groups = store.groups();
        let mut starts = vec![0];
        for group in &groups {
            starts.push(starts[starts.len() - 1] + u64::from(group.rows));
        }
        let rows = Rows::default();
        Ok(Self { store, selection, groups, starts, row: 0, loaded: None, rows })
    }

    fn fill(&mut self, rows: usize) -> Result<RowBatch> {
        let mut batch = self.selection.batch(rows);
        for to in 0..rows {
            let row = self.row + to as u64;
            let group = self.starts.partition_point(|start| *start <= row) - 1;
            if self.loaded != Some(group) {
                self.load(group)?;
            }
            let row = (row - self.starts[group]) as usize;
            self.rows.copy(row, (&self.store, &self.selection), to, &mut batch)?;
        }
        Ok(batch)
    }

    fn load(&mut self, group: usize) -> Result<()> {
        self.loaded = None;
        let groups = &self.groups[group..=group];
        self.rows.fill(&self.store, &self.selection, groups, &Interrupt::default())?;
        self.loaded = Some(group);
        Ok(())
    }

    fn order_sha256() -> String {
        sha256(b"scanned 1")
    }
}

impl RowSource for ScannedRows {
    fn columns(&self) -> &[ColumnSpec] {
        self.selection.specs()
    }

    fn rows_per_epoch(&self) -> u64 {
        self.store.manifest.rows
    }

    fn next_batch(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        let rows = (self.rows_per_epoch() - self.row).min(rows as u64) as usize;
        if rows == 0 {
            return Ok(None);
        }
        let batch = self.fill(rows)?;
        self.row += rows as u64;
        Ok(Some(batch))
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            store_sha256: self.store.sha256.clone(),
            order_sha256: Self::order_sha256(),
            epoch: 0,
            row: self.row,
        }
    }

    fn seek(&mut self, cursor: &Cursor) -> saekit_core::Result<()> {
        self.store.check_cursor(cursor, &Self::order_sha256())?;
        self.row = cursor.row;
        Ok(())
    }
}
