use serde::{Deserialize, Serialize};

use crate::Result;
use crate::folds::{
    Cofiring, Context, Density, Examples, Fold, Histogram, Latent, Logits, Neighbour, Tokens,
    legibility,
};

/// Declares [`Feature`] and how it is made: a section is its name and the type that folds it.
macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident: $fold:ty,)*) => {
        /// One latent as the analysis found it: one section per fold.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Feature {
            /// Its number.
            pub latent: u32,
            /// How easily a person can tell what it stands for, in `0..=1`:
            /// [`LEGIBILITY_RULE`](crate::LEGIBILITY_RULE).
            pub legibility: f64,
            /// Warnings: dead, dense, duplicate.
            pub flags: Vec<Flag>,
            $($(#[$doc])* pub $section: $fold,)*
        }

        impl Feature {
            /// Folds every section of `latent`.
            pub(crate) fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
                let mut feature = Self {
                    latent: latent.id,
                    legibility: 0.0,
                    flags: Vec::new(),
                    $($section: <$fold as Fold>::of(latent, context)?,)*
                };
                let contextual = feature.tokens.as_ref().and_then(|tokens| tokens.contextual);
                feature.legibility = legibility(latent, context, contextual)?;
                feature.flags = Flag::of(&feature);
                Ok(feature)
            }
        }
    };
}

sections! {
    /// How often it fires, and how strongly.
    density: Density,
    /// The distribution of its values.
    histogram: Histogram,
    /// The tokens it fires on; `None` where the store has no tokens.
    tokens: Option<Tokens>,
    /// The tokens it makes likelier and less likely; `None` without a model.
    logits: Option<Logits>,
    /// The latents that write nearly the same direction; `None` where the codec has no decoder rows.
    neighbours: Option<Vec<Neighbour>>,
    /// The latents that fire in the same rows.
    cofiring: Vec<Cofiring>,
    /// Firings in their contexts.
    examples: Examples,
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

    /// The flags of `feature`.
    fn of(feature: &Feature) -> Vec<Self> {
        let nearest = feature.neighbours.as_ref().and_then(|list| list.first());
        let flags = [
            (Self::Dead, feature.density.fires == 0),
            (Self::Dense, feature.density.density > Self::DENSE_ABOVE),
            (Self::Duplicate, nearest.is_some_and(|near| near.cosine >= Self::DUPLICATE_FROM)),
        ];
        flags.into_iter().filter(|(_, raised)| *raised).map(|(flag, _)| flag).collect()
    }
}
