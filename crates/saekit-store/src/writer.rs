use std::path::Path;

use saekit_core::MatrixView;

use crate::{Manifest, Result, StoreSpec, TokenizedSequence};

/// Rows to be stored: row `i` of every column is the same token's.
#[derive(Clone, Copy, Debug)]
pub struct RowBlock<'a> {
    /// The sequence of each row, as [`StoreWriter::push_sequence`] numbered it; empty in a store
    /// without tokens.
    pub sequences: &'a [u32],
    /// The position of each row in its sequence; empty in a store without tokens.
    pub positions: &'a [u32],
    /// One matrix a column of the spec, in its order, `[rows, width]`, unscaled.
    pub columns: &'a [MatrixView<'a>],
}

/// Writes a store, shard by shard.
///
/// Shards are written when full; the manifest comes last. A writer that fails or is dropped leaves
/// no manifest, and the next writer in the same folder clears what is left.
#[derive(Debug)]
pub struct StoreWriter {}

impl StoreWriter {
    /// Begins a store in `dir`, which is created where it is missing.
    ///
    /// Refuses a folder that holds a finished store, or files named like a store's that no
    /// unfinished store accounts for; leftovers of an unfinished one are removed.
    pub fn create(dir: impl AsRef<Path>, spec: StoreSpec) -> Result<Self> {
        let _ = (dir, spec);
        unimplemented!()
    }

    /// Appends a sequence to the tokens table and returns its number.
    pub fn push_sequence(&mut self, sequence: &TokenizedSequence) -> Result<u32> {
        let _ = sequence;
        unimplemented!()
    }

    /// Appends rows; fails, with nothing appended, at the first value that is not finite or that the
    /// dtype cannot hold.
    pub fn push_rows(&mut self, block: &RowBlock<'_>) -> Result<()> {
        let _ = block;
        unimplemented!()
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        unimplemented!()
    }

    /// Writes what is left and then the manifest; fails where no row was pushed.
    pub fn finish(self) -> Result<Manifest> {
        unimplemented!()
    }
}
