use crate::{MatrixView, Result, TokenizedSequence};

/// Rows on their way into a [`RowSink`]: row `i` of every column belongs to the same token.
#[derive(Clone, Copy, Debug)]
pub struct RowBlock<'a> {
    /// The sequence of each row, as [`RowSink::push_sequence`] numbered it; empty where there are no
    /// tokens.
    pub sequences: &'a [u32],
    /// The position of each row in its sequence; empty where there are no tokens.
    pub positions: &'a [u32],
    /// One matrix per column, `[rows, width]`, in the order that the sink expects, unscaled.
    pub columns: &'a [MatrixView<'a>],
}

impl RowBlock<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.rows())
    }
}

/// Takes the rows of a harvest, in order, each sequence before its rows.
pub trait RowSink {
    /// Takes a sequence of tokens and returns its number.
    fn push_sequence(&mut self, sequence: &TokenizedSequence) -> Result<u32>;

    /// Takes the next rows and ignores those before [`first_row`](Self::first_row).
    fn push_rows(&mut self, block: &RowBlock<'_>) -> Result<()>;

    /// The first row that has to be computed: the sink has those before it from an earlier harvest.
    fn first_row(&self) -> u64;

    /// Skips the next `rows` rows, all before [`first_row`](Self::first_row), instead of pushing them.
    fn skip_rows(&mut self, rows: u64) -> Result<()>;
}
