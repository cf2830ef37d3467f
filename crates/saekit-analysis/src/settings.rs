use serde::{Deserialize, Serialize};

/// How much an analysis shows, and what decides its random choices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Strongest firings shown of a latent.
    pub top: usize,
    /// Groups of equally many firings, by strength.
    pub quantiles: usize,
    /// Firings drawn from each group.
    pub per_quantile: usize,
    /// Tokens shown before a firing.
    pub before: u32,
    /// Tokens shown after a firing.
    pub after: u32,
    /// Bins of the histogram of values.
    pub bins: usize,
    /// Tokens listed as top, promoted and suppressed.
    pub tokens: usize,
    /// Neighbours and co-firing latents listed.
    pub related: usize,
    /// Decides which firings are drawn.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            top: 20,
            quantiles: 5,
            per_quantile: 5,
            before: 20,
            after: 10,
            bins: 40,
            tokens: 10,
            related: 8,
            seed: 0,
        }
    }
}
