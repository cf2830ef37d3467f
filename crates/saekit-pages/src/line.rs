use std::cmp::Ordering;

use saekit_analysis::{Example, Feature, Flag};

/// A feature on one line: in the site's index, in the report, in a list in the terminal.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureLine {
    /// Its number.
    pub latent: u32,
    /// How well it can be told what it stands for, in `0..=1`.
    pub legibility: f64,
    /// Fraction of the rows it fires in.
    pub density: f64,
    /// Value of largest magnitude; `None` where it never fired.
    pub max: Option<f32>,
    /// Strength at which colours are full; `None` where it never fired.
    pub scale_end: Option<f32>,
    /// How far its value depends on more than the token, in `0..=1`, where that is known.
    pub contextual: Option<f64>,
    /// What to be wary of.
    pub flags: Vec<Flag>,
    /// The tokens it fires on most strongly, in the mean over their occurrences.
    pub tokens: Vec<String>,
    /// Its strongest firing; `None` where it never fired or tokens are not known.
    pub snippet: Option<Snippet>,
}

/// A firing with a few tokens around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Snippet {
    /// The tokens' texts.
    pub texts: Vec<String>,
    /// The latent's value on each.
    pub values: Vec<f32>,
    /// Index of the firing.
    pub at: usize,
}

impl FeatureLine {
    /// What one line says of `feature`.
    pub fn of(feature: &Feature) -> Self {
        let tokens = feature.tokens.as_ref();
        let top = tokens.map_or(&[][..], |tokens| &tokens.top).iter().filter(|top| top.fires > 0);
        Self {
            latent: feature.latent,
            legibility: feature.legibility,
            density: feature.density.density,
            max: feature.density.max,
            scale_end: feature.density.scale_end,
            contextual: tokens.and_then(|tokens| tokens.contextual),
            flags: feature.flags.clone(),
            tokens: top.map(|top| top.text.clone()).collect(),
            snippet: feature.examples.top.first().and_then(Snippet::of),
        }
    }

    /// The order of an index: the most legible first, latents that are equally legible by number, the
    /// dead last.
    pub fn by_legibility(a: &Self, b: &Self) -> Ordering {
        let alive = a.is_dead().cmp(&b.is_dead());
        alive.then(b.legibility.total_cmp(&a.legibility)).then(a.latent.cmp(&b.latent))
    }

    /// Whether it never fired.
    fn is_dead(&self) -> bool {
        self.flags.contains(&Flag::Dead)
    }
}

impl Snippet {
    /// Tokens shown before the firing.
    pub const BEFORE: usize = 8;
    /// Tokens shown after the firing.
    pub const AFTER: usize = 5;

    /// `example`, cut short; `None` where its tokens are not known.
    pub fn of(example: &Example) -> Option<Self> {
        let at = example.at as usize;
        let from = at.saturating_sub(Self::BEFORE);
        let to = example.texts.len().min(at + Self::AFTER + 1);
        let texts = example.texts.get(from..to).filter(|_| at < to)?.to_vec();
        let values = (from..to).map(|i| example.values.get(i).copied().unwrap_or(0.0)).collect();
        Some(Self { texts, values, at: at - from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(tokens: usize, at: u32) -> Example {
        Example {
            sequence: 0,
            position: 9,
            value: 2.0,
            collapsed: 0,
            start: 0,
            at,
            tokens: vec![0; tokens],
            texts: (0..tokens).map(|i| i.to_string()).collect(),
            values: (0..tokens).map(|i| i as f32).collect(),
        }
    }

    #[test]
    fn a_snippet_is_the_surroundings_of_the_firing() {
        let cut = Snippet::of(&example(31, 20)).unwrap();
        assert_eq!((cut.texts.len(), cut.at, cut.values[13]), (14, 8, 25.0));
        assert_eq!((cut.texts[cut.at].as_str(), cut.values[cut.at]), ("20", 20.0));
        let near = Snippet::of(&example(3, 1)).unwrap();
        assert_eq!((near.texts.len(), near.at), (3, 1));
    }

    #[test]
    fn without_the_firing_there_is_no_snippet() {
        assert_eq!(Snippet::of(&example(0, 0)), None);
        assert_eq!(Snippet::of(&example(3, 7)), None);
    }
}
