//! Legibility: how easily a person can tell what a latent stands for. It orders the pages.
//!
//! ```text
//! c          = the smaller of two shares of firings that five words explain
//! legibility = c^5 (7 + contextual) / 8
//! ```
//! It is a rule for sorting, not a measurement: no published score has this form, and none of its
//! constants was fitted. They were set by hand, by looking at the order that they give. Each says below
//! which effect it has.

use std::collections::BTreeMap;

use super::examples::{order, strongest};
use super::{Context, Latent};
use crate::Result;
use crate::index::{Firing, TextReader};

/// Firings drawn at random. A share of so many firings has a standard error of at most 1/32.
const DRAWN: usize = 256;
/// Strongest firings, at most one per sequence.
const STRONGEST: usize = 20;
/// Words that explain a latent: as many as a short description can list.
const LISTED: usize = 5;
/// Pseudo-count: shrinks the score of latents with few firings. A latent that fires 24 times reaches at
/// most half the share.
const PSEUDO_COUNT: usize = 24;
/// Power of the share. A high one parts the best latents: a share of 0.9 gives 0.59, one of 0.5 gives
/// 0.03.
const POWER: i32 = 5;
/// Weight of the share beside `contextual`, which has weight 1: it can raise a score by a seventh at most.
/// It decides between latents of similar shares and never lifts a latent without words.
const SHARE_WEIGHT: f64 = 7.0;

/// How pages are ordered, for people.
pub const LEGIBILITY_RULE: &str = "Features that are easiest to understand come first. For 256 random \
     firings and for the 20 strongest (at most one per sequence), saekit counts how often the token, \
     or the one before it, is one of five words. Legibility is the fifth power of the smaller share, \
     times (7 + contextual) / 8. Features that do one thing lead; of two similar ones, the one that \
     does more than name its token.";

/// The legibility of a latent, in `0..=1`, by [`LEGIBILITY_RULE`]; 0 without tokens. `contextual` is the
/// latent's score of that name.
///
/// A word is a token that holds a letter and is not special; without a tokenizer every token counts as
/// a word. The share of the random firings is taken of [`PSEUDO_COUNT`] more firings than there are.
pub(crate) fn legibility(
    latent: &Latent<'_>,
    context: &Context<'_>,
    contextual: Option<f64>,
) -> Result<f64> {
    let (Some(mut text), Some(contextual)) = (context.index.text(), contextual) else {
        return Ok(0.0);
    };
    let drawn: Vec<usize> = order(latent, context).take(DRAWN).collect();
    let strong = strongest(latent.firings, STRONGEST);
    let mut best = 0.0_f64;
    for back in [0, 1] {
        let mut words = |indices: &[usize]| words(latent, context, &mut text, indices, back);
        best = best.max(covered(&words(&drawn)?, &words(&strong)?));
    }
    Ok(best.powi(POWER) * (SHARE_WEIGHT + contextual) / (SHARE_WEIGHT + 1.0))
}

/// The token `back` places before each firing of `indices`, or `None` where that is not a word.
fn words(
    latent: &Latent<'_>,
    context: &Context<'_>,
    text: &mut TextReader<'_>,
    indices: &[usize],
    back: u32,
) -> Result<Vec<Option<u32>>> {
    let word = |at: &usize| {
        let Firing { sequence, position, .. } = latent.firings[*at];
        let Some(position) = position.checked_sub(back) else { return Ok(None) };
        let token = text.token(sequence, position)?;
        Ok(token.filter(|token| context.vocabulary.is_word(*token)))
    };
    indices.iter().map(word).collect()
}

/// How much of `drawn` and of `strong` the commonest words of `drawn` make up: the smaller share of the two.
fn covered(drawn: &[Option<u32>], strong: &[Option<u32>]) -> f64 {
    let mut counts = BTreeMap::<u32, usize>::new();
    for word in drawn.iter().flatten() {
        *counts.entry(*word).or_default() += 1;
    }
    let mut commonest: Vec<(u32, usize)> = counts.into_iter().collect();
    commonest.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    commonest.truncate(LISTED);
    let listed = |word: &&u32| commonest.iter().any(|(other, _)| other == *word);
    let hits = |words: &[Option<u32>]| words.iter().flatten().filter(listed).count() as f64;
    let random = hits(drawn) / (drawn.len() + PSEUDO_COUNT) as f64;
    random.min(hits(strong) / strong.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_words_cover_what_they_cover() {
        let words = |list: &[u32]| list.iter().map(|w| (*w > 0).then_some(*w)).collect::<Vec<_>>();
        // 0 is no word; 1 to 5 are the commonest, of 6 and 7 there is one each
        let drawn = words(&[1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 0, 0, 0, 0]);
        assert_eq!(covered(&drawn, &words(&[1, 5])), 10.0 / 40.0);
        assert_eq!(covered(&drawn, &words(&[1, 6, 7, 0])), 0.25);
        assert_eq!(covered(&[], &[]), 0.0);
    }
}
