use saekit_core::Matrix;
use serde::{Deserialize, Serialize};

use crate::format::spec::ColumnSpec;

/// Rows of activations, a batch at a time: all that training and evaluation know of where rows come
/// from.
///
/// What a source gives is decided by how it was made and by its position, never by threads or time.
pub trait RowSource: Send {
    /// The columns of every batch, in order.
    fn columns(&self) -> &[ColumnSpec];

    /// Rows until each has come once.
    fn rows_per_epoch(&self) -> u64;

    /// The next `rows` rows. A source that ends gives a shorter batch last and then `None`; one that
    /// goes on over epochs always gives `rows`.
    fn next_batch(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>>;

    /// Gives a batch back that is no longer needed, so that its memory is used again.
    fn recycle(&mut self, _batch: RowBatch) {}

    /// The position: the row that the next batch begins with.
    fn cursor(&self) -> Cursor;

    /// Goes to a position that a source of the same making gave; fails where it was another's.
    fn seek(&mut self, cursor: &Cursor) -> saekit_core::Result<()>;
}

impl<S: RowSource + ?Sized> RowSource for Box<S> {
    fn columns(&self) -> &[ColumnSpec] {
        (**self).columns()
    }

    fn rows_per_epoch(&self) -> u64 {
        (**self).rows_per_epoch()
    }

    fn next_batch(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        (**self).next_batch(rows)
    }

    fn recycle(&mut self, batch: RowBatch) {
        (**self).recycle(batch);
    }

    fn cursor(&self) -> Cursor {
        (**self).cursor()
    }

    fn seek(&mut self, cursor: &Cursor) -> saekit_core::Result<()> {
        (**self).seek(cursor)
    }
}

/// A batch of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RowBatch {
    /// One matrix a column, `[rows, width]`, multiplied by the scale that was asked for.
    pub columns: Vec<Matrix>,
    /// The sequence of each row in the tokens table; empty where there is none.
    pub sequences: Vec<u32>,
    /// The position of each row in its sequence; empty where there is no tokens table.
    pub positions: Vec<u32>,
}

impl RowBatch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Matrix::rows)
    }
}

/// A position in a [`RowSource`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// SHA-256 of the manifest of the store, hex.
    pub store_sha256: String,
    /// SHA-256, hex, of everything else that decides the order: the kind of source, its seed, pool
    /// size and columns.
    pub order_sha256: String,
    /// Epochs that are over.
    pub epoch: u64,
    /// Rows given in this epoch.
    pub row: u64,
    /// The positions of the sources it is made of, where it is made of several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Cursor>,
}
