use std::sync::Arc;

use saekit_core::files::sha256;
use saekit_core::{ColumnSpec, Cursor, HookPoint, Interrupt, RowBatch, RowSource};

use crate::catalog::Catalog;
use crate::catalog::row_order::RowOrder;
use crate::catalog::row_range::RowRange;
use crate::error::Result;
use crate::read::projection::{Projection, StoreView};
use crate::read::row_buffer::RowBuffer;
use crate::select::row_selection::{RowSelection, UsedRows};

/// Rows whose use is looked up at once.
const USED_AT_ONCE: u64 = 1 << 16;

/// The rows of a store once, in the order on disk; made by [`Store::scan`](crate::Store::scan).
///
/// A slice of a row group is in memory at a time, small enough for a cache. The last batch may be
/// shorter than requested; after it comes `None`.
#[derive(Debug)]
pub struct ScannedRows {
    store: Arc<Catalog>,
    projection: Projection,
    set: Option<RowSelection>,
    /// The used rows from about [`place`](Self::place) on.
    used: Option<UsedRows>,
    groups: Vec<RowRange>,
    /// Rows given out.
    row: u64,
    /// The row of the store to look at next.
    place: u64,
    /// The slice in memory.
    loaded: Option<RowRange>,
    rows: RowBuffer,
    /// A batch that was recycled.
    spare: Option<RowBatch>,
}

impl ScannedRows {
    pub(crate) fn new(
        store: Arc<Catalog>,
        columns: &[(HookPoint, f32)],
        set: Option<RowSelection>,
    ) -> Result<Self> {
        let projection = Projection::of_store(&store, columns)?;
        let (groups, rows) = (store.groups(), RowBuffer::default());
        Ok(Self {
            store,
            projection,
            set,
            used: None,
            groups,
            row: 0,
            place: 0,
            loaded: None,
            rows,
            spare: None,
        })
    }

    fn fill(&mut self, rows: usize) -> Result<RowBatch> {
        let mut batch = self.projection.shape().batch_of(rows, self.spare.take());
        for to in 0..rows {
            let place = self.next_place()?;
            let loaded = match self.loaded.filter(|loaded| loaded.places().contains(&place)) {
                Some(loaded) => loaded,
                None => self.load(place)?,
            };
            let row = (place - loaded.first) as usize;
            self.rows.copy_row(self.view(), row, to, &mut batch)?;
            self.place = place + 1;
        }
        Ok(batch)
    }

    fn view(&self) -> StoreView<'_> {
        StoreView { store: &self.store, projection: &self.projection }
    }

    /// The next row of the store that is used; there is one.
    fn next_place(&mut self) -> Result<u64> {
        let Some(set) = &self.set else { return Ok(self.place) };
        let rows = self.store.manifest.rows;
        let mut place = self.place;
        while place < rows {
            let used = match self.used.take().filter(|used| used.range().contains(&place)) {
                Some(used) => used,
                None => set.used(place..rows.min(place + USED_AT_ONCE))?,
            };
            let end = used.range().end;
            let found = (place..end).find(|row| used.contains(*row));
            self.used = Some(used);
            if let Some(row) = found {
                return Ok(row);
            }
            place = end;
        }
        unreachable!("no more rows are asked for than are used")
    }

    /// Reads the slice that has the row at `place`.
    fn load(&mut self, place: u64) -> Result<RowRange> {
        self.loaded = None;
        let group = self.groups[self.groups.partition_point(|group| group.first <= place) - 1];
        let slice_rows = self.store.shards[group.shard as usize].slice_rows().unwrap_or(group.rows);
        let slice = group.slice(slice_rows, (place - group.first) as u32 / slice_rows);
        let view = StoreView { store: &self.store, projection: &self.projection };
        self.rows.read(view, &[slice], &Interrupt::default())?;
        self.loaded = Some(slice);
        Ok(slice)
    }

    fn row_order(&self) -> RowOrder {
        let set = self.set.as_ref().map_or_else(String::new, RowSelection::sha256);
        let sha256 = sha256(format!("scanned 1{set}").as_bytes());
        self.store.row_order(sha256, self.rows_per_epoch())
    }

    /// The row of the store that comes after `rows` that are used.
    fn place_after(&self, rows: u64) -> Result<u64> {
        let Some(set) = &self.set else { return Ok(rows) };
        let mut left = rows as usize;
        for group in &self.groups {
            let used = set.used(group.places())?;
            let count = used.iter().count();
            if left < count {
                return Ok(used.iter().nth(left).unwrap_or(group.places().end));
            }
            left -= count;
        }
        Ok(self.store.manifest.rows)
    }
}

impl RowSource for ScannedRows {
    fn columns(&self) -> &[ColumnSpec] {
        self.projection.shape().specs()
    }

    fn rows_per_epoch(&self) -> u64 {
        self.set.as_ref().map_or(self.store.manifest.rows, |set| set.counts().kept)
    }

    fn next_batch(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        let rows = (self.rows_per_epoch() - self.row).min(rows as u64) as usize;
        if rows == 0 {
            return Ok(None);
        }
        let place = self.place;
        let batch = self.fill(rows).inspect_err(|_| self.place = place)?;
        self.row += rows as u64;
        Ok(Some(batch))
    }

    fn recycle(&mut self, batch: RowBatch) {
        self.spare = Some(batch);
    }

    fn cursor(&self) -> Cursor {
        self.row_order().cursor(0, self.row)
    }

    fn seek(&mut self, cursor: &Cursor) -> saekit_core::Result<()> {
        self.row_order().check(cursor)?;
        (self.row, self.place) = (cursor.row, self.place_after(cursor.row)?);
        Ok(())
    }
}
