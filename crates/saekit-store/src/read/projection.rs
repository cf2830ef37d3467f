//! The columns that a source reads, and the batches that they make.

use std::path::Path;

use saekit_core::{ColumnSpec, HookPoint, Matrix, RowBatch};

use crate::catalog::Catalog;
use crate::error::{Result, StreamError};
use crate::format::dtype::DType;
use crate::format::manifest::in_words;
use crate::format::spec::StoreSpec;

/// Columns that were chosen of a store, and the factors of their rows.
#[derive(Debug)]
pub(crate) struct Projection {
    pub(crate) columns: Vec<ProjectedColumn>,
    shape: BatchShape,
}

/// A column that was chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProjectedColumn {
    /// Its index among all columns of the store.
    pub(crate) index: usize,
    pub(crate) dtype: DType,
    /// Bytes per row as stored.
    pub(crate) row_bytes: usize,
    pub(crate) scale: f32,
}

/// The columns of a batch.
#[derive(Debug)]
pub(crate) struct BatchShape {
    specs: Vec<ColumnSpec>,
    /// Whether rows have a sequence and a position.
    has_tokens: bool,
}

/// Chosen columns of an open store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreView<'a> {
    pub(crate) store: &'a Catalog,
    pub(crate) projection: &'a Projection,
}

impl Projection {
    /// Columns of an open store, each with the factor of its rows.
    pub(crate) fn of_store(store: &Catalog, columns: &[(HookPoint, f32)]) -> Result<Self> {
        let stored = store.manifest.columns.iter().map(|column| (column.spec(), column.dtype));
        let stored: Vec<_> = stored.collect();
        Self::new(&stored, columns, store.has_sequences, store.storage.location())
    }

    /// Columns of the store that a harvest would write.
    pub(crate) fn of_harvest(
        spec: &StoreSpec,
        columns: &[(HookPoint, f32)],
        path: &Path,
    ) -> Result<Self> {
        let stored = spec.columns.iter().map(|column| (column.clone(), spec.dtype));
        let stored: Vec<_> = stored.collect();
        Self::new(&stored, columns, spec.has_tokens, path)
    }

    fn new(
        stored: &[(ColumnSpec, DType)],
        columns: &[(HookPoint, f32)],
        has_tokens: bool,
        path: &Path,
    ) -> Result<Self> {
        let available = || in_words(stored.iter().map(|(spec, _)| spec.name.as_str()));
        let path = || path.to_owned();
        if columns.is_empty() {
            return Err(StreamError::NoColumn { path: path(), available: available() }.into());
        }
        let mut chosen = Self { columns: vec![], shape: BatchShape { specs: vec![], has_tokens } };
        for (name, scale) in columns {
            let found = stored.iter().position(|(spec, _)| spec.name == *name);
            let Some(index) = found else {
                let (column, available) = (name.to_string(), available());
                return Err(StreamError::UnknownColumn { path: path(), column, available }.into());
            };
            let (spec, dtype) = stored[index].clone();
            let (row_bytes, scale) = (dtype.row_bytes(spec.width), *scale);
            chosen.columns.push(ProjectedColumn { index, dtype, row_bytes, scale });
            chosen.shape.specs.push(spec);
        }
        Ok(chosen)
    }

    /// The columns of a batch.
    pub(crate) fn shape(&self) -> &BatchShape {
        &self.shape
    }

    /// Bytes per row of a pool: its values and numbers as stored, and its place in a random order.
    pub(crate) fn row_bytes(&self) -> u64 {
        let values: usize = self.columns.iter().map(|column| column.row_bytes).sum();
        values as u64 + if self.shape.has_tokens { 12 } else { 4 }
    }
}

impl BatchShape {
    pub(crate) fn specs(&self) -> &[ColumnSpec] {
        &self.specs
    }

    pub(crate) fn has_tokens(&self) -> bool {
        self.has_tokens
    }

    /// A batch for `rows` rows, whose values are still to be written; `spare` is used where it has as
    /// many rows, whatever it holds.
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

    /// A new batch for `rows` rows.
    pub(crate) fn batch(&self, rows: usize) -> RowBatch {
        let numbers = if self.has_tokens { rows } else { 0 };
        RowBatch {
            columns: self.specs.iter().map(|spec| Matrix::zeros(rows, spec.width)).collect(),
            sequences: Vec::with_capacity(numbers),
            positions: Vec::with_capacity(numbers),
        }
    }
}
