//! Firings in their contexts: the strongest, and samples of all strengths.

use serde::{Deserialize, Serialize};

/// Firings in their contexts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Examples {
    /// The strongest firings, one a sequence, the strongest first.
    pub top: Vec<Example>,
    /// Firings of every strength, the strongest group first.
    pub quantiles: Vec<Quantile>,
}

/// A group of firings of similar strength.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// Smallest value of the group.
    pub from: f32,
    /// Largest value of the group.
    pub to: f32,
    /// Firings in the group.
    pub fires: u64,
    /// Some of them, drawn at random, the strongest first.
    pub examples: Vec<Example>,
}

/// A firing in its context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The sequence; the row's number where the store has no tokens.
    pub sequence: u32,
    /// Position of the firing in the sequence; 0 where the store has no tokens.
    pub position: u32,
    /// Value of the latent there.
    pub value: f32,
    /// Weaker firings in nearly the same context that were left out for this one.
    pub collapsed: u32,
    /// Position of the first token shown.
    pub start: u32,
    /// Index of the firing among the tokens shown.
    pub at: u32,
    /// The tokens shown. Empty where the store has no tokens, as are the next two.
    pub tokens: Vec<u32>,
    /// Their texts.
    pub texts: Vec<String>,
    /// The latent's value on each; 0 where it did not fire.
    pub values: Vec<f32>,
}
