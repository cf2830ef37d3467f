use serde::{Deserialize, Serialize};

use crate::folds::{Cofiring, Density, Examples, Histogram, Logits, Neighbour, Tokens};

/// What is known of one latent: a section a fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its number.
    pub latent: u32,
    /// How well it can be told what it stands for, in `0..=1`; pages show the largest first.
    pub telling: f64,
    /// What to be wary of.
    pub flags: Vec<Flag>,
    /// How often it fires, and how strongly.
    pub density: Density,
    /// The distribution of its values.
    pub histogram: Histogram,
    /// The tokens it fires on.
    pub tokens: Option<Tokens>,
    /// The tokens it makes likelier and less likely.
    pub logits: Option<Logits>,
    /// The latents that write nearly the same direction.
    pub neighbours: Option<Vec<Neighbour>>,
    /// The latents that fire in the same rows.
    pub cofiring: Vec<Cofiring>,
    /// Firings in their contexts.
    pub examples: Examples,
}

/// What to be wary of in a latent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// It fired in none of the rows.
    Dead,
    /// It fired in more than [`Flag::DENSE_ABOVE`] of the rows.
    Dense,
    /// Its decoder row has a cosine of at least [`Flag::DUPLICATE_FROM`] with another latent's.
    Duplicate,
}

impl Flag {
    /// Density above which a latent counts as dense.
    pub const DENSE_ABOVE: f64 = 0.1;
    /// Cosine from which on two decoder rows count as duplicates.
    pub const DUPLICATE_FROM: f32 = 0.9;

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Dense => "dense",
            Self::Duplicate => "duplicate",
        }
    }
}
