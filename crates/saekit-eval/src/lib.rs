//! What a codec loses: how well it reconstructs rows of a store, and what putting its
//! reconstruction in place of the activations costs the language model.
//!
//! * [`reconstruction()`] reads a [`RowSource`](saekit_core::RowSource) and gives the figures of
//!   [`saekit_core::metrics`].
//! * [`cross_entropy()`] splices a codec into a [`LanguageModel`](saekit_core::LanguageModel) and
//!   compares next-token losses.
//! * [`Evaluation`] is both in one file, with what was evaluated on what; its `Display` is a table
//!   of at most 80 columns.
//!
//! Any codec will do, of sparse or dense codes. `docs/metrics.md` says how each figure differs from
//! those other toolkits print under the same name.

mod cross_entropy;
mod error;
mod evaluation;
mod reconstruction;
mod table;

pub use cross_entropy::{Ablated, CrossEntropyOptions, CrossEntropyReport, cross_entropy};
pub use error::{Error, Result};
pub use evaluation::{EvaluatedOn, Evaluation};
pub use reconstruction::{ReconstructionOptions, ReconstructionReport, reconstruction};
