//! What is said of a latent: one file a section.

mod cofiring;
mod density;
mod examples;
mod histogram;
mod legibility;
mod logits;
mod neighbours;
mod quantiles;
mod tokens;

pub use cofiring::Cofiring;
pub use density::Density;
pub(crate) use examples::sample;
pub use examples::{Example, Examples, Quantile};
pub use histogram::Histogram;
pub use legibility::LEGIBILITY_RULE;
pub(crate) use legibility::legibility;
pub use logits::{Logits, TokenLogit};
pub use neighbours::Neighbour;
pub(crate) use quantiles::scale_end;
pub use tokens::{TokenMean, Tokens};

use crate::Result;
use crate::Settings;
use crate::index::{Firing, LatentIndex};
use crate::vocabulary::Vocabulary;

/// A section of a [`Feature`](crate::Feature), made from all firings of one latent.
///
/// Latents are folded in parallel and in no order: a fold sees one of them and what is the same for
/// all.
pub(crate) trait Fold: Sized {
    /// What is to be said of `latent`.
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self>;
}

/// One latent, as folds see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latent<'a> {
    /// Its number.
    pub(crate) id: u32,
    /// Its firings, by place.
    pub(crate) firings: &'a [Firing],
    /// The strength at which its scale ends: [`scale_end`].
    pub(crate) scale_end: Option<f32>,
    /// Rows it shares with each latent, `[d_code]`; its own firings at its own place.
    pub(crate) together: &'a [u32],
    /// Cosines of its decoder row with all, `[d_code]`.
    pub(crate) cosines: Option<&'a [f32]>,
    /// What it adds to each token's logit, `[d_vocab]`.
    pub(crate) logits: Option<&'a [f32]>,
}

/// What is the same for all latents.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) index: &'a LatentIndex,
    pub(crate) vocabulary: &'a Vocabulary,
    /// Rows analysed.
    pub(crate) rows: u64,
    /// Rows each latent fired in, `[d_code]`.
    pub(crate) fires: Vec<u64>,
    /// Rows of each token id; empty where the store has no tokens.
    pub(crate) occurrences: Vec<u64>,
    /// Token ids with a row.
    pub(crate) kinds_of_tokens: usize,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        index: &'a LatentIndex,
        vocabulary: &'a Vocabulary,
    ) -> Result<Self> {
        let occurrences = index.occurrences()?;
        Ok(Self {
            settings,
            index,
            vocabulary,
            rows: index.rows(),
            fires: index.fires(),
            kinds_of_tokens: occurrences.iter().filter(|rows| **rows > 0).count(),
            occurrences,
        })
    }

    pub(crate) fn has_tokens(&self) -> bool {
        !self.occurrences.is_empty()
    }
}

/// The `n` of `0..len` with the largest `value`, the largest first, of equal ones the smaller.
fn largest(len: usize, n: usize, value: impl Fn(usize) -> f32) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..len as u32).collect();
    let order = |a: &u32, b: &u32| value(*b as usize).total_cmp(&value(*a as usize)).then(a.cmp(b));
    let n = n.min(len);
    if n == 0 {
        return Vec::new();
    }
    ids.select_nth_unstable_by(n - 1, order);
    ids.truncate(n);
    ids.sort_unstable_by(order);
    ids
}
