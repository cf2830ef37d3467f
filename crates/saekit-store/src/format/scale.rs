//! The factor that rows are multiplied by.

/// The factor that gives rows of `width` values and of mean norm `mean_norm` the mean norm
/// `sqrt(width)`; 1 where there is no such factor in single precision.
pub fn scale(width: usize, mean_norm: f64) -> f32 {
    let scale = ((width as f64).sqrt() / mean_norm) as f32;
    if scale.is_finite() && scale > 0.0 { scale } else { 1.0 }
}
