//! The distribution of a latent's values where it fires.

use serde::{Deserialize, Serialize};

use super::{Context, Fold, Latent};
use crate::Result;

/// Firings counted by value, in bins of equal width between the smallest and the largest value whose
/// strength is within [`Density::scale_end`](super::Density::scale_end); zero belongs to the range, so
/// that the bins of non-negative codes begin there. Values beyond the range are counted apart.
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
    /// Firings below the first bin.
    pub below: u64,
    /// Firings above the last bin.
    pub above: u64,
}

impl Fold for Histogram {
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
        let bins = context.settings.bins;
        let Some(scale_end) = latent.scale_end.filter(|_| bins > 0) else {
            return Ok(Self { start: 0.0, width: 0.0, counts: Vec::new(), below: 0, above: 0 });
        };
        let values = || latent.firings.iter().map(|firing| firing.value);
        let within = || values().filter(|value| value.abs() <= scale_end);
        let (start, end) = within().fold((0.0_f32, 0.0_f32), |(a, b), v| (a.min(v), b.max(v)));
        let width = ((end - start) / bins as f32).max(f32::MIN_POSITIVE);
        let mut counts = vec![0; bins];
        for value in within() {
            let bin = (f64::from(value) - f64::from(start)) / f64::from(width);
            counts[(bin as usize).min(bins - 1)] += 1;
        }
        let beyond = |is_there: fn(f32, f32) -> bool| {
            values().filter(|value| is_there(*value, scale_end)).count() as u64
        };
        let (below, above) = (beyond(|value, end| value < -end), beyond(|value, end| value > end));
        Ok(Self { start, width, counts, below, above })
    }
}
