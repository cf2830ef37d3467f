//! The latents that fire in the same rows.

use serde::{Deserialize, Serialize};

use super::{Context, Fold, Latent};
use crate::Result;

/// Another latent by the rows it shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cofiring {
    /// The other latent.
    pub latent: u32,
    /// Rows both fired in.
    pub rows: u64,
    /// `rows` over the rows either fired in (Jaccard index).
    pub jaccard: f64,
}

impl Fold for Vec<Cofiring> {
    fn of(latent: &Latent<'_>, context: &Context<'_>) -> Result<Self> {
        let own = latent.firings.len() as u64;
        let shared = |(other, rows): (usize, &u32)| {
            let (rows, either) = (u64::from(*rows), own + context.fires[other] - u64::from(*rows));
            Cofiring { latent: other as u32, rows, jaccard: rows as f64 / either as f64 }
        };
        let others = latent.together.iter().enumerate();
        let others = others.filter(|(other, rows)| *other != latent.id as usize && **rows > 0);
        let mut list: Self = others.map(shared).collect();
        list.sort_by(|a, b| b.jaccard.total_cmp(&a.jaccard).then(a.latent.cmp(&b.latent)));
        list.truncate(context.settings.related);
        Ok(list)
    }
}
