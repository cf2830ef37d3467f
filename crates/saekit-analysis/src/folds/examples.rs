//! Firings in their contexts: the strongest, and samples of all strengths.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use saekit_core::rng::{Permutation, Rng};
use serde::{Deserialize, Serialize};

use super::quantiles::Groups;
use super::{Context, Fold, Latent};
use crate::Result;
use crate::index::{Firing, TextReader};
use crate::vocabulary::Vocabulary;

/// Two contexts count as nearly the same where, of so many tokens up to and including the firing, at
/// most [`DIFFERENT`] differ. A causal model has seen nothing of what comes after.
const COMPARED: u32 = 10;
const DIFFERENT: usize = 1;

/// Firings in their contexts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    /// The strongest firings, one a sequence, the strongest first.
    pub top: Vec<Example>,
    /// Firings of every strength, the strongest group first.
    pub quantiles: Vec<Quantile>,
}

/// A group of firings of similar strength.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantile {
    /// Smallest magnitude of the group.
    pub from: f32,
    /// Largest magnitude of the group.
    pub to: f32,
    /// Firings in the group.
    pub fires: u64,
    /// Some of them, drawn at random, the strongest first.
    pub examples: Vec<Example>,
}

/// A firing in its context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The sequence; the row's number where the store has no tokens.
    pub sequence: u32,
    /// Position of the firing in the sequence; 0 where the store has no tokens.
    pub position: u32,
    /// Value of the latent there.
    pub value: f32,
    /// Weaker firings in nearly the same context that were left out for this one.
    pub collapsed: u32,
    /// Position of the first token shown.
    pub start: u32,
    /// Index of the firing among the tokens shown.
    pub at: u32,
    /// The tokens shown. Empty where the store has no tokens, as are the next two.
    pub tokens: Vec<u32>,
    /// Their texts.
    pub texts: Vec<String>,
    /// The latent's value on each; 0 where it did not fire.
    pub values: Vec<f32>,
}

impl Fold for Examples {
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
        let mut shown = Shown { latent, context, text: context.index.text() };
        Ok(Self { top: shown.top()?, quantiles: shown.quantiles()? })
    }
}

/// `n` of the firings, drawn without replacement: the same for the same seed, sorted by place.
pub(crate) fn sample(latent: &Latent<'_>, context: &Context<'_>, n: usize) -> Result<Vec<Example>> {
    let mut drawn: Vec<usize> = order(latent, context).take(n).collect();
    drawn.sort_unstable();
    let mut shown = Shown { latent, context, text: context.index.text() };
    drawn.into_iter().map(|at| shown.example(at, 0)).collect()
}

/// The firings, by index, in the random order that decides which are drawn.
pub(super) fn order(latent: &Latent<'_>, context: &Context<'_>) -> impl Iterator<Item = usize> {
    let rng = Rng::new(context.settings.seed, "analysis.draw").child(u64::from(latent.id));
    let order = Permutation::new(rng, latent.firings.len() as u64);
    (0..latent.firings.len() as u64).map(move |i| order.get(i) as usize)
}

/// Shows firings of one latent.
struct Shown<'a> {
    latent: &'a Latent<'a>,
    context: &'a Context<'a>,
    text: Option<TextReader<'a>>,
}

impl Shown<'_> {
    fn top(&mut self) -> Result<Vec<Example>> {
        let wanted = self.context.settings.top;
        let mut looked_at = 4 * wanted;
        loop {
            let strongest = strongest(self.latent.firings, looked_at);
            let exhausted = strongest.len() < looked_at;
            let kept = self.distinct(&strongest, wanted)?;
            if kept.len() == wanted || exhausted {
                return kept.into_iter().map(|(at, n)| self.example(at, n)).collect();
            }
            looked_at *= 4;
        }
    }

    /// The first `wanted` of `candidates` with different contexts, and how many were left out for
    /// each.
    fn distinct(&mut self, candidates: &[usize], wanted: usize) -> Result<Vec<(usize, u32)>> {
        let mut kept: Vec<(usize, u32, Vec<u32>)> = Vec::new();
        for at in candidates {
            let context = self.before(&self.latent.firings[*at])?;
            if let Some(same) = kept.iter_mut().find(|kept| nearly_same(&kept.2, &context)) {
                same.1 += 1;
            } else if kept.len() < wanted {
                kept.push((*at, 0, context));
            } else {
                break;
            }
        }
        Ok(kept.into_iter().map(|(at, collapsed, _)| (at, collapsed)).collect())
    }

    /// The tokens up to and including a firing.
    fn before(&mut self, firing: &Firing) -> Result<Vec<u32>> {
        let Some(text) = &mut self.text else { return Ok(Vec::new()) };
        let end = firing.position + 1;
        text.tokens(firing.sequence, end.saturating_sub(COMPARED), end)
    }

    fn quantiles(&mut self) -> Result<Vec<Quantile>> {
        let settings = self.context.settings;
        let groups = Groups::of(self.latent.firings, settings.quantiles);
        let mut drawn = vec![Vec::new(); groups.len()];
        let enough = |group: usize| groups.fires(group).min(settings.per_quantile as u64) as usize;
        let mut missing: usize = (0..groups.len()).map(enough).sum();
        for at in order(self.latent, self.context) {
            if missing == 0 {
                break;
            }
            let group = groups.of_strength(self.latent.firings[at].strength());
            if drawn[group].len() < settings.per_quantile {
                drawn[group].push(at);
                missing -= 1;
            }
        }
        let mut quantiles = Vec::new();
        for group in (0..groups.len()).rev().filter(|group| groups.fires(*group) > 0) {
            let (from, to) = groups.range(group);
            sort_by_strength(self.latent.firings, &mut drawn[group]);
            let examples = drawn[group].iter().map(|at| self.example(*at, 0));
            let examples = examples.collect::<Result<_>>()?;
            quantiles.push(Quantile { from, to, fires: groups.fires(group), examples });
        }
        Ok(quantiles)
    }

    /// Firing number `at` with the tokens around it.
    fn example(&mut self, at: usize, collapsed: u32) -> Result<Example> {
        let (firings, settings) = (self.latent.firings, self.context.settings);
        let Firing { sequence, position, value, .. } = firings[at];
        let start = position.saturating_sub(settings.before);
        let end = position.saturating_add(settings.after).saturating_add(1);
        let (tokens, texts) = self.shown(sequence, start, end)?;
        let mut values = vec![0.0; tokens.len()];
        let first = firings.partition_point(|firing| firing.place() < (sequence, start));
        for firing in &firings[first..] {
            let index = firing.position.wrapping_sub(start) as usize;
            match values.get_mut(index) {
                Some(value) if firing.sequence == sequence => *value = firing.value,
                _ => break,
            }
        }
        let (start, at) = if tokens.is_empty() { (position, 0) } else { (start, position - start) };
        Ok(Example { sequence, position, value, collapsed, start, at, tokens, texts, values })
    }
}

impl Shown<'_> {
    /// The tokens of `sequence` from position `start` up to `end`, and their texts.
    fn shown(&mut self, sequence: u32, start: u32, end: u32) -> Result<(Vec<u32>, Vec<String>)> {
        let Some(text) = &mut self.text else { return Ok((Vec::new(), Vec::new())) };
        let before = start.min(Vocabulary::MARGIN);
        let all = text.tokens(sequence, start - before, end.saturating_add(Vocabulary::MARGIN))?;
        let from = (before as usize).min(all.len());
        let to = all.len().min(from + (end - start) as usize);
        let texts = self.context.vocabulary.context(&all, from, to);
        Ok((all[from..to].to_vec(), texts))
    }
}

fn nearly_same(a: &[u32], b: &[u32]) -> bool {
    // Contexts without tokens are never the same: nothing is known of them.
    let different = a.iter().zip(b).filter(|(a, b)| a != b).count();
    !a.is_empty() && a.len() == b.len() && different <= DIFFERENT
}

/// The strongest firing of each sequence, by index: at most `n`, the strongest first, of equal ones
/// the earlier.
pub(super) fn strongest(firings: &[Firing], n: usize) -> Vec<usize> {
    let mut heap = BinaryHeap::with_capacity(n + 1);
    let mut at = 0;
    for sequence in firings.chunk_by(|a, b| a.sequence == b.sequence) {
        let best = (0..sequence.len())
            .rev()
            .max_by(|a, b| sequence[*a].strength().total_cmp(&sequence[*b].strength()));
        if let Some(best) = best {
            // magnitudes are finite and not negative, so their bits order as they do
            heap.push(Reverse((sequence[best].strength().to_bits(), Reverse(at + best))));
        }
        if heap.len() > n {
            heap.pop();
        }
        at += sequence.len();
    }
    heap.into_sorted_vec().into_iter().map(|Reverse((_, Reverse(at)))| at).collect()
}

fn sort_by_strength(firings: &[Firing], indices: &mut [usize]) {
    indices
        .sort_by(|a, b| firings[*b].strength().total_cmp(&firings[*a].strength()).then(a.cmp(b)));
}
