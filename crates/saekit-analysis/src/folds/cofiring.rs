//! The latents that fire in the same rows.

use serde::{Deserialize, Serialize};

/// Another latent by the rows it shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cofiring {
    /// The other latent.
    pub latent: u32,
    /// Rows both fired in.
    pub rows: u64,
    /// `rows` over the rows either fired in (Jaccard index).
    pub jaccard: f64,
}
