use saekit_core::{Batch, RowBatch};

/// Which of a source's columns are the input and the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// What the codec sees.
    pub input: usize,
    /// What it should write.
    pub target: usize,
}

impl Columns {
    /// The batch of a learner out of `rows`.
    pub(crate) fn of(self, rows: &RowBatch) -> Batch<'_> {
        Batch { input: rows.columns[self.input].view(), target: rows.columns[self.target].view() }
    }
}
