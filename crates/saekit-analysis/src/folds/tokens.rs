//! The tokens a latent fires on, and how far they alone decide its value.

use serde::{Deserialize, Serialize};

/// The tokens a latent fires on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tokens {
    /// The share of the variance of the latent's value that the identity of the token leaves open, in
    /// `0..=1`: 0 for a latent that is a function of the token, 1 for one that tokens say nothing
    /// about. `None` where it never fired.
    pub contextual: Option<f64>,
    /// Tokens with the largest mean value.
    pub top: Vec<TokenMean>,
}

/// A token and how a latent answers to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenMean {
    /// Its id.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// Mean value over all its occurrences in the rows analysed.
    pub mean: f64,
    /// Occurrences the latent fired on.
    pub fires: u64,
    /// Occurrences in the rows analysed.
    pub occurrences: u64,
}
