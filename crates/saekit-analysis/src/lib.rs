//! What the latents of a codec stand for, on the rows of a store.
//!
//! * [`Analysis`] is a folder in which an analysis is made: first the [`LatentIndex`], every firing
//!   by latent, in one pass over the rows that can be stopped and gone on with; then the folds over
//!   each latent's firings, which give a [`Feature`] each.
//! * [`Finished`] reads it: features by number, and further firings at random.
//! * [`Subject`] is what is analysed and what helps to understand it. Without a model there are no
//!   promoted tokens, without a tokenizer no texts, without a store's tokens no contexts: the
//!   [`Summary`] says what is missing and why.
//!
//! `docs/analysis-format.md` specifies the folder.

#[cfg(target_endian = "big")]
compile_error!("the latent index is little-endian and is read without swapping bytes");

mod analysis;
mod blocks;
mod error;
mod feature;
mod folds;
mod index;
mod settings;
mod summary;
mod tables;
mod vocabulary;

pub use analysis::{Analysis, Finished, Subject};
pub use error::{Error, Result};
pub use feature::{Feature, Flag};
pub use folds::{
    Cofiring, Density, Example, Examples, Histogram, LEGIBILITY_RULE, Logits, Neighbour, Quantile,
    TokenLogit, TokenMean, Tokens,
};
pub use index::{Firing, IndexSource, LatentIndex};
pub use settings::Settings;
pub use summary::{ChosenRows, Missing, Summary};
