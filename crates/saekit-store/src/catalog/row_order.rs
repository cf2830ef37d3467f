//! The order of a source: its cursors have to agree with it.

use std::path::PathBuf;

use saekit_core::Cursor;

use crate::error::{Result, StreamError};

/// The rows of a source and their order.
#[derive(Debug)]
pub(crate) struct RowOrder {
    /// The store, for messages.
    pub(crate) path: PathBuf,
    pub(crate) store_sha256: String,
    pub(crate) order_sha256: String,
    /// Rows per epoch.
    pub(crate) rows: u64,
}

impl RowOrder {
    /// The cursor of row `row` of an epoch.
    pub(crate) fn cursor(self, epoch: u64, row: u64) -> Cursor {
        let Self { store_sha256, order_sha256, .. } = self;
        Cursor { store_sha256, order_sha256, epoch, row, parts: Vec::new() }
    }

    /// Fails where `cursor` belongs to another store or another order, or lies past the end.
    pub(crate) fn check(self, cursor: &Cursor) -> Result<()> {
        let (path, rows) = (self.path, self.rows);
        if cursor.store_sha256 != self.store_sha256 {
            let (expected, found) = (self.store_sha256, cursor.store_sha256.clone());
            return Err(StreamError::OtherStore { path, expected, found }.into());
        }
        if cursor.order_sha256 != self.order_sha256 {
            return Err(StreamError::OtherOrder { path }.into());
        }
        if cursor.row > rows {
            return Err(StreamError::CursorRange { path, row: cursor.row, rows }.into());
        }
        Ok(())
    }
}
