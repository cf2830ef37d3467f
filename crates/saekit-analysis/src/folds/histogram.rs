//! The distribution of a latent's values where it fires.

use serde::{Deserialize, Serialize};

/// Firings counted by value, in bins of equal width between the smallest and the largest value; zero
/// belongs to the range, so that the bins of non-negative codes begin there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Where the first bin begins.
    pub start: f32,
    /// Width of a bin.
    pub width: f32,
    /// Firings in each bin: bin `i` holds values from `start + i * width` (included) up to the next,
    /// and the last bin also the largest value. Empty where the latent never fired.
    pub counts: Vec<u64>,
}
