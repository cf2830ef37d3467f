//! The contracts every other crate is written against, and the few types they share.
//!
//! Nothing here computes much, and nothing here knows a device, a file format of the ecosystem or
//! a tensor library: rows of activations are [`Matrix`] values in host memory, and a device is the
//! private business of whoever implements a contract.
//!
//! * [`Codec`]: rows to [`Codes`] and back. A trained autoencoder is one.
//! * [`Learner`]: a training method in mid-run, one [`Batch`] a step, finished into a codec.
//! * [`RowSource`] and [`RowSink`]: who gives rows of activations, and who takes them.
//! * [`LanguageModel`] and [`Tokenizer`]: activations at a [`HookPoint`], next-token losses with an
//!   optional [`Edit`] of those activations, and the vocabulary.
//! * [`metrics`]: the definitions of the figures we report.
//! * [`rng`]: counter-based random numbers, so that a seed and an index decide everything.
//! * [`files`]: writes that are whole or absent; [`input`]: reads that name what is there instead.
//! * [`border`]: panics of libraries as errors.
//! * [`pieces`]: tokens as text.
//! * [`number`], [`text`]: numbers and lists as people read them.

pub mod border;
mod codec;
mod codes;
mod error;
pub mod files;
pub mod input;
mod interrupt;
mod learner;
mod matrix;
pub mod metrics;
mod model;
pub mod number;
pub mod pieces;
mod progress;
mod provenance;
pub mod rng;
mod rows;
mod stand_in;
pub mod text;

pub use codec::{Codec, CodecShape};
pub use codes::{Codes, SparseCodes};
pub use error::{BoxError, Error, Result};
pub use interrupt::{Hold, Interrupt};
pub use learner::{Batch, Learner, Progress, Scales, State, StateTensor, StepReport};
pub use matrix::{Matrix, MatrixView};
pub use model::{Edit, Encoding, HookPoint, LanguageModel, ModelInfo, TokenBatch, Tokenizer};
pub use progress::{Observer, Silent};
pub use provenance::Provenance;
pub use rows::{
    ColumnSpec, Cursor, RowBatch, RowBlock, RowSink, RowSource, Shuffle, TokenizedSequence,
};
pub use stand_in::{STAND_IN_BYTES, stand_in};
