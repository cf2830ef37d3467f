//! The tokens a latent makes likelier and less likely: the logit lens on its decoder row.

use serde::{Deserialize, Serialize};

/// The tokens whose logits the latent's decoder row raises and lowers most, by the direct path through
/// the unembedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logits {
    /// Most raised first.
    pub promoted: Vec<TokenLogit>,
    /// Most lowered first.
    pub suppressed: Vec<TokenLogit>,
}

/// A token and the change of its logit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenLogit {
    /// Its id.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// Change of the logit a unit of the latent's value.
    pub logit: f32,
}
