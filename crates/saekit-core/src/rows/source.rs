use serde::{Deserialize, Serialize};

use crate::{HookPoint, Matrix, Result};

/// Gives rows of activations, a batch at a time. Training and evaluation know nothing else of where
/// rows come from.
///
/// The settings of a source and its position decide which rows it gives, never threads or time.
pub trait RowSource: Send {
    /// The columns of every batch, in order.
    fn columns(&self) -> &[ColumnSpec];

    /// Rows per epoch: after as many, each row has come once.
    fn rows_per_epoch(&self) -> u64;

    /// Returns the next `rows` rows. A source that ends returns a shorter batch last and then `None`; an
    /// endless source starts the next epoch and always returns `rows`.
    fn next_batch(&mut self, rows: usize) -> Result<Option<RowBatch>>;

    /// Takes back a batch that is no longer needed, so that the source can use its memory again.
    fn recycle(&mut self, _batch: RowBatch) {}

    /// The position of the first row of the next batch.
    fn cursor(&self) -> Cursor;

    /// Moves to a position that [`cursor`](Self::cursor) returned. Fails where the cursor belongs to a
    /// source with other rows or another order.
    fn seek(&mut self, cursor: &Cursor) -> Result<()>;
}

impl<S: RowSource + ?Sized> RowSource for Box<S> {
    fn columns(&self) -> &[ColumnSpec] {
        (**self).columns()
    }

    fn rows_per_epoch(&self) -> u64 {
        (**self).rows_per_epoch()
    }

    fn next_batch(&mut self, rows: usize) -> Result<Option<RowBatch>> {
        (**self).next_batch(rows)
    }

    fn recycle(&mut self, batch: RowBatch) {
        (**self).recycle(batch);
    }

    fn cursor(&self) -> Cursor {
        (**self).cursor()
    }

    fn seek(&mut self, cursor: &Cursor) -> Result<()> {
        (**self).seek(cursor)
    }
}

/// A batch of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RowBatch {
    /// One matrix per column, `[rows, width]`, multiplied by the requested scale.
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
    /// SHA-256, hex, of everything else that decides the order: the kind of source, its seed and the
    /// size of its pools.
    pub order_sha256: String,
    /// Finished epochs.
    pub epoch: u64,
    /// Rows of this epoch that were given out.
    pub row: u64,
    /// The cursors of the sources that a mixture is made of; empty for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Cursor>,
}

/// A column of activations: the hook point it was read at and the width of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// The hook point, which is also the column's name.
    pub name: HookPoint,
    /// Values per row.
    pub width: usize,
}

/// How far a source moves rows from the order in which they were harvested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shuffle {
    /// Over all rows: each pool has as many rows of each shard as its size allows, and other rows in
    /// every epoch.
    #[default]
    Full,
    /// Within pools of consecutive row groups. Training during a harvest sees the rows in this order,
    /// so a store streamed with it gives the same batches.
    Window,
}

impl Shuffle {
    /// Its name in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Window => "window",
        }
    }
}
