//! The definitions of the figures saekit reports, each under one name with its formula and source.
//!
//! Everything is accumulated in `f64`, row by row: a figure is exact over all rows seen, does not
//! depend on how the rows were cut into batches, and is never a mean of batch figures.
//! `docs/metrics.md` sets each beside what other toolkits print under similar names.
//!
//! Notation: rows `x_t` (the target) and `x̂_t` (what the codec wrote), `e_t = x_t - x̂_t`, the mean
//! `x̄` of all rows, `|.|` the Euclidean norm, `E` the mean over rows.
//!
//! A figure that does not exist (no rows, a ratio of nothing) is `None`, in JSON `null`; it is never
//! NaN. Values that are not finite are an error where they come in.

mod code_stats;
mod massive;
mod moments;
mod norms;
mod reconstruction;

pub use code_stats::{CodeMetrics, CodeStats, DensityHistogram};
pub use massive::{MassiveMetrics, MassiveRows, RowSurvey};
pub use norms::NormSketch;
pub use reconstruction::{Reconstruction, ReconstructionMetrics, fvu};

/// `numerator / denominator`, where that is a number.
fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    let quotient = numerator / denominator;
    quotient.is_finite().then_some(quotient)
}
