//! The latents that write nearly the same direction.

use serde::{Deserialize, Serialize};

/// Another latent by the direction it writes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The other latent.
    pub latent: u32,
    /// Cosine between the two decoder rows.
    pub cosine: f32,
}
