//! How often a latent fires, and how strongly.

use serde::{Deserialize, Serialize};

use super::{Context, Fold, Latent};
use crate::Result;

/// How often a latent fires, and how strongly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Density {
    /// Rows analysed.
    pub rows: u64,
    /// Rows the latent fired in.
    pub fires: u64,
    /// `fires / rows`.
    pub density: f64,
    /// Value of largest magnitude; `None` where it never fired.
    pub max: Option<f32>,
    /// Strength at which the scale of its values ends: colours are full there, and the histogram has no
    /// bins beyond. The largest strength, unless a few firings are far stronger than all others: then
    /// the largest that is at most three times the strength which all but the strongest hundredth (and
    /// at least one firing) stay within. `None` where it never fired.
    pub scale_end: Option<f32>,
    /// Mean value over its firings; `None` where it never fired.
    pub mean: Option<f64>,
}

impl Fold for Density {
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
        let fires = latent.firings.len() as u64;
        let mut max = None;
        let mut sum = 0.0;
        for firing in latent.firings {
            sum += f64::from(firing.value);
            if max.is_none_or(|max: f32| firing.strength() > max.abs()) {
                max = Some(firing.value);
            }
        }
        Ok(Self {
            rows: context.rows,
            fires,
            density: fires as f64 / context.rows.max(1) as f64,
            max,
            scale_end: latent.scale_end,
            mean: (fires > 0).then(|| sum / fires as f64),
        })
    }
}
