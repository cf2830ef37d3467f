//! The distribution of a latent's values where it fires.

use serde::{Deserialize, Serialize};

use super::{Context, Fold, Latent};
use crate::Result;

/// Firings counted by value, in bins of equal width between the smallest and the largest value; zero
/// belongs to the range, so that the bins of non-negative codes begin there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Where the first bin begins.
    pub start: f32,
    /// Width of a bin.
    pub width: f32,
    /// Firings in each bin: bin `i` holds values from `start + i * width` (included) up to the next,
    /// and the last bin also the largest value. Empty where the latent never fired.
    pub counts: Vec<u64>,
}

impl Fold for Histogram {
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
        let bins = context.settings.bins;
        if latent.firings.is_empty() || bins == 0 {
            return Ok(Self { start: 0.0, width: 0.0, counts: Vec::new() });
        }
        let values = || latent.firings.iter().map(|firing| firing.value);
        let (start, end) = values().fold((0.0_f32, 0.0_f32), |(a, b), v| (a.min(v), b.max(v)));
        let width = ((end - start) / bins as f32).max(f32::MIN_POSITIVE);
        let mut counts = vec![0; bins];
        for value in values() {
            let bin = (f64::from(value) - f64::from(start)) / f64::from(width);
            counts[(bin as usize).min(bins - 1)] += 1;
        }
        Ok(Self { start, width, counts })
    }
}
