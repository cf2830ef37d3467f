//! What the latents of a codec stand for, on the rows of a store.

mod feature;
mod folds;
mod settings;
mod summary;

pub use feature::{Feature, Flag};
pub use folds::{
    Cofiring, Density, Example, Examples, Histogram, Logits, Neighbour, Quantile, TokenLogit,
    TokenMean, Tokens,
};
pub use settings::Settings;
pub use summary::{Missing, Summary};
