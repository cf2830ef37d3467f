//! How often a latent fires, and how strongly.

use serde::{Deserialize, Serialize};

/// How often a latent fires, and how strongly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Density {
    /// Rows analysed.
    pub rows: u64,
    /// Rows the latent fired in.
    pub fires: u64,
    /// `fires / rows`.
    pub density: f64,
    /// Value of largest magnitude; `None` where it never fired.
    pub max: Option<f32>,
    /// Mean value over its firings; `None` where it never fired.
    pub mean: Option<f64>,
}
