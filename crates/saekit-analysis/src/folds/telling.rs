//! How well it can be told what a latent stands for: what pages are ordered by.

use std::collections::BTreeMap;

use super::examples::{order, strongest};
use super::{Context, Latent};
use crate::Result;
use crate::index::{Firing, TextReader};

/// Firings drawn to judge a latent by.
const DRAWN: usize = 256;
/// Strongest firings, one a sequence, to judge it by.
const STRONGEST: usize = 20;
/// Words that a description may list.
const LISTED: usize = 5;
/// Added to the number of firings drawn, so that a few are not trusted as many are.
const DOUBT: usize = 24;

/// How pages are ordered, for people.
pub const TELLING_RULE: &str = "Features whose meaning is easiest to tell come first. Of 256 firings \
     drawn at random and of the 20 strongest, one a sequence, it is counted on how many the token \
     itself, or the one before it, is among five words. Telling is the fifth power of the smaller \
     share, times (7 + contextual) / 8: features that do one thing lead, and of two alike the one \
     that does more than name its token.";

/// See [`TELLING_RULE`]: in `0..=1`, and 0 without tokens. `contextual` is the latent's score of that
/// name.
///
/// A word is a token with a letter that is not special; without a tokenizer every token counts as
/// one. The share of the firings drawn is taken of 24 more than there are, so that a few are not
/// trusted as many are.
pub(crate) fn telling(
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
    Ok(best.powi(5) * (7.0 + contextual) / 8.0)
}

/// The word `back` tokens before each of the firings numbered `indices`, where it is one.
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

/// The smaller of two shares that the commonest words of `drawn` have: in `drawn` and in `strong`.
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
    let random = hits(drawn) / (drawn.len() + DOUBT) as f64;
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
