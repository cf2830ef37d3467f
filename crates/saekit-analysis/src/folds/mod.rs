//! What is said of a latent: one file a section.

mod cofiring;
mod density;
mod examples;
mod histogram;
mod logits;
mod neighbours;
mod tokens;

pub use cofiring::Cofiring;
pub use density::Density;
pub use examples::{Example, Examples, Quantile};
pub use histogram::Histogram;
pub use logits::{Logits, TokenLogit};
pub use neighbours::Neighbour;
pub use tokens::{TokenMean, Tokens};
