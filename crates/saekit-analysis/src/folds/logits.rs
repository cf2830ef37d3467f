//! The tokens a latent makes likelier and less likely: the logit lens on its decoder row
//! (nostalgebraist, 2020; on dictionaries: Bricken et al., 2023).

use serde::{Deserialize, Serialize};

use super::{Context, Fold, Latent, largest};
use crate::Result;

/// The tokens whose logits the latent's decoder row raises and lowers most, by the direct path through
/// the unembedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logits {
    /// Most raised first.
    pub promoted: Vec<TokenLogit>,
    /// Most lowered first.
    pub suppressed: Vec<TokenLogit>,
}

/// A token and the change of its logit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenLogit {
    /// Its id.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// Change of the logit a unit of the latent's value, before the final norm divides it by the
    /// size of the residual stream.
    pub logit: f32,
}

impl Fold for Option<Logits> {
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
        let Some(logits) = latent.logits else { return Ok(None) };
        let named = |token: u32| TokenLogit {
            token,
            text: context.vocabulary.text(token),
            logit: logits[token as usize],
        };
        let list = |sign: f32| {
            let ids = largest(logits.len(), context.settings.tokens, |id| sign * logits[id]);
            ids.into_iter().map(named).collect()
        };
        Ok(Some(Logits { promoted: list(1.0), suppressed: list(-1.0) }))
    }
}
