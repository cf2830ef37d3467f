use crate::{ColumnSpec, Cursor, RowBatch, RowSource};

/// The rows of a store once, in the order on disk. See [`Store::scan`](crate::Store::scan).
#[derive(Debug)]
pub struct ScannedRows {}

impl RowSource for ScannedRows {
    fn columns(&self) -> &[ColumnSpec] {
        unimplemented!()
    }

    fn rows_per_epoch(&self) -> u64 {
        unimplemented!()
    }

    fn next_batch(&mut self, _rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        unimplemented!()
    }

    fn cursor(&self) -> Cursor {
        unimplemented!()
    }

    fn seek(&mut self, _cursor: &Cursor) -> saekit_core::Result<()> {
        unimplemented!()
    }
}
