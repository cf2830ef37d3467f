//! The latents that write nearly the same direction.

use serde::{Deserialize, Serialize};

use super::{Context, Fold, Latent, largest};
use crate::Result;

/// Another latent by the direction it writes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// The other latent.
    pub latent: u32,
    /// Cosine between the two decoder rows; 0 where one of them is zero.
    pub cosine: f32,
}

impl Fold for Option<Vec<Neighbour>> {
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
        let Some(cosines) = latent.cosines else { return Ok(None) };
        let wanted = context.settings.related;
        let mut nearest = largest(cosines.len(), wanted + 1, |other| cosines[other]);
        nearest.retain(|other| *other != latent.id);
        nearest.truncate(wanted);
        let named = |latent: u32| Neighbour { latent, cosine: cosines[latent as usize] };
        Ok(Some(nearest.into_iter().map(named).collect()))
    }
}
