use saekit_core::MatrixView;

use crate::error::Result;
use crate::rows::sequence::TokenizedSequence;

/// Rows on their way somewhere: row `i` of every column is the same token's.
#[derive(Clone, Copy, Debug)]
pub struct RowBlock<'a> {
    /// The sequence of each row, as [`RowSink::push_sequence`] numbered it; empty where there are no
    /// tokens.
    pub sequences: &'a [u32],
    /// The position of each row in its sequence; empty where there are no tokens.
    pub positions: &'a [u32],
    /// One matrix a column of the spec, in its order, `[rows, width]`, unscaled.
    pub columns: &'a [MatrixView<'a>],
}

impl RowBlock<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.rows())
    }
}

/// Where a harvest's rows go, in order, each sequence before its rows.
pub trait RowSink {
    /// Takes a sequence of tokens and returns its number.
    fn push_sequence(&mut self, sequence: &TokenizedSequence) -> Result<u32>;

    /// Takes the next rows. Those before [`first_row`](Self::first_row) are passed over.
    fn push_rows(&mut self, block: &RowBlock<'_>) -> Result<()>;

    /// The first row that has to be computed.
    fn first_row(&self) -> u64;

    /// Passes over the next `rows` rows, all of them before [`first_row`](Self::first_row), in the
    /// place of pushing them.
    fn skip_rows(&mut self, rows: u64) -> Result<()>;
}
