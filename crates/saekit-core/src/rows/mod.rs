//! Rows of activations on their way: who gives them, who takes them, and which token each is of.

mod sequence;
mod sink;
mod source;

pub use sequence::TokenizedSequence;
pub use sink::{RowBlock, RowSink};
pub use source::{ColumnSpec, Cursor, RowBatch, RowSource, Shuffle};
