//! The columns that a source reads.

use saekit_core::{ColumnSpec, HookPoint, Matrix, RowBatch};

use crate::catalog::Catalog;
use crate::error::{Result, StreamError};
use crate::format::dtype::DType;

/// The columns a source reads, and the factors of their rows.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(super) columns: Vec<Selected>,
    specs: Vec<ColumnSpec>,
    pub(super) tokens: bool,
}

#[derive(Debug)]
pub(super) struct Selected {
    /// Place in the manifest.
    pub(super) index: usize,
    pub(super) dtype: DType,
    pub(super) row_bytes: usize,
    pub(super) scale: f32,
}

impl Selection {
    pub(crate) fn new(store: &Catalog, columns: &[(HookPoint, f32)]) -> Result<Self> {
        if columns.is_empty() {
            let available = store.manifest.available();
            return Err(StreamError::NoColumn { path: store.location(), available }.into());
        }
        let mut selection = Self { columns: vec![], specs: vec![], tokens: store.has_sequences };
        for (name, scale) in columns {
            let index = store.column_index(name)?;
            let info = &store.manifest.columns[index];
            let (dtype, row_bytes, scale) = (info.dtype, info.row_bytes(), *scale);
            selection.columns.push(Selected { index, dtype, row_bytes, scale });
            selection.specs.push(info.spec());
        }
        Ok(selection)
    }

    /// The columns of a batch.
    pub(crate) fn specs(&self) -> &[ColumnSpec] {
        &self.specs
    }

    /// Bytes a row takes in [`Rows`], its place in a random order included.
    pub(crate) fn row_bytes(&self) -> u64 {
        let values: usize = self.columns.iter().map(|column| column.row_bytes).sum();
        values as u64 + if self.tokens { 12 } else { 4 }
    }

    /// A batch with room for `rows` rows, to be given to [`Rows::copy`]; `spare` where that is as
    /// large, whatever it holds.
    pub(crate) fn batch_of(&self, rows: usize, spare: Option<RowBatch>) -> RowBatch {
        match spare.filter(|spare| spare.rows() == rows) {
            Some(mut batch) => {
                batch.sequences.clear();
                batch.positions.clear();
                batch
            }
            None => self.batch(rows),
        }
    }

    /// A batch with room for `rows` rows, to be given to [`Rows::copy`].
    pub(crate) fn batch(&self, rows: usize) -> RowBatch {
        let numbers = if self.tokens { rows } else { 0 };
        RowBatch {
            columns: self.specs.iter().map(|spec| Matrix::zeros(rows, spec.width)).collect(),
            sequences: Vec::with_capacity(numbers),
            positions: Vec::with_capacity(numbers),
        }
    }
}
