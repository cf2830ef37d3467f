//! How well it can be told what a latent stands for: what pages are ordered by.

use std::collections::BTreeMap;

use super::examples::order;
use super::{Context, Fold, Latent};
use crate::Result;

/// Firings drawn to judge a latent by.
const DRAWN: usize = 256;
/// Tokens a description may list.
const LISTED: usize = 3;

/// The rule, for people.
pub const TELLING_RULE: &str = "TBD";

/// See [`TELLING_RULE`].
pub(crate) struct Telling(pub(crate) f64);

impl Fold for Telling {
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
        let Some(mut text) = context.index.text() else { return Ok(Self(0.0)) };
        let mut own = BTreeMap::<u32, usize>::new();
        let mut previous = BTreeMap::<u32, usize>::new();
        let mut drawn = 0;
        for at in order(latent, context).take(DRAWN) {
            let firing = &latent.firings[at];
            drawn += 1;
            *own.entry(firing.token).or_default() += 1;
            if let Some(position) = firing.position.checked_sub(1)
                && let Some(token) = text.token(firing.sequence, position)?
            {
                *previous.entry(token).or_default() += 1;
            }
        }
        let covered = covered(own).max(covered(previous));
        Ok(Self(covered as f64 / drawn.max(1) as f64))
    }
}

/// Firings on the commonest tokens.
fn covered(counts: BTreeMap<u32, usize>) -> usize {
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts.iter().take(LISTED).sum()
}
