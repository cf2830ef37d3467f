//! The tokens a latent fires on, and how far they alone decide its value.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Context, Fold, Latent};
use crate::Result;

/// Tokens that occur less often come after all others: a mean of one or two values says little.
const RARE: u64 = 3;

/// The tokens a latent fires on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The share of the variance of the latent's value, over all rows, that the identity of the
    /// token leaves open, in `0..=1`: 0 for a latent that is a function of the token, 1 for one that
    /// tokens say nothing about. `None` where that is not defined, as for one that never fired.
    ///
    /// One minus the adjusted correlation ratio (Kelley's epsilon squared): within-token over total
    /// variance, each sum of squares over its degrees of freedom.
    pub contextual: Option<f64>,
    /// Tokens with the largest mean value, those that occur at least three times first.
    pub top: Vec<TokenMean>,
}

/// A token and how a latent answers to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenMean {
    /// Its id.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// Mean value over all its occurrences in the rows analysed.
    pub mean: f64,
    /// Occurrences the latent fired on.
    pub fires: u64,
    /// Occurrences in the rows analysed.
    pub occurrences: u64,
}

/// The values on one token.
#[derive(Clone, Copy, Default)]
struct Sum {
    fires: u64,
    value: f64,
}

impl Fold for Option<Tokens> {
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
        if !context.has_tokens() {
            return Ok(None);
        }
        let mut sums = BTreeMap::<u32, Sum>::new();
        for firing in latent.firings {
            let sum = sums.entry(firing.token).or_default();
            sum.fires += 1;
            sum.value += f64::from(firing.value);
        }
        let top = top(&sums, context);
        Ok(Some(Tokens { contextual: contextual(latent, &sums, context), top }))
    }
}

fn contextual(
    latent: &Latent<'_>,
    sums: &BTreeMap<u32, Sum>,
    context: &Context<'_>,
) -> Option<f64> {
    let (rows, kinds) = (context.rows as f64, context.kinds_of_tokens as f64);
    let squares: f64 = latent.firings.iter().map(|f| f64::from(f.value).powi(2)).sum();
    let sum: f64 = sums.values().map(|sum| sum.value).sum();
    let total = squares - sum * sum / rows;
    let explained: f64 = sums
        .iter()
        .map(|(token, sum)| sum.value * sum.value / context.occurrences[*token as usize] as f64)
        .sum();
    let ratio = (squares - explained) / (rows - kinds) / (total / (rows - 1.0));
    (rows > kinds && total > 0.0).then(|| ratio.clamp(0.0, 1.0))
}

fn top(sums: &BTreeMap<u32, Sum>, context: &Context<'_>) -> Vec<TokenMean> {
    let mean = |(token, sum): (&u32, &Sum)| {
        let occurrences = context.occurrences[*token as usize];
        (*token, sum.value / occurrences as f64, sum.fires, occurrences)
    };
    let mut means: Vec<_> = sums.iter().map(mean).collect();
    means.sort_by(|a, b| {
        let rare = (a.3 < RARE).cmp(&(b.3 < RARE));
        rare.then_with(|| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal)).then(a.0.cmp(&b.0))
    });
    means.truncate(context.settings.tokens);
    let named = |(token, mean, fires, occurrences)| TokenMean {
        token,
        text: context.vocabulary.text(token),
        mean,
        fires,
        occurrences,
    };
    means.into_iter().map(named).collect()
}
