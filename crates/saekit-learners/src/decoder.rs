//! Decoder rows of unit norm: a gradient that keeps it, and the norm restored after each update.

use burn::tensor::Tensor;

/// Rows shorter than this are divided by this.
const MIN_NORM: f64 = 1e-8;

/// Removes from each row of `grad` its part along the same row of `w_dec` (unit rows), both
/// `[d_sae, d_out]`: moving along a row would only change its norm.
pub(crate) fn project(grad: Tensor<2>, w_dec: &Tensor<2>) -> Tensor<2> {
    let along = (grad.clone() * w_dec.clone()).sum_dim(1);
    grad - w_dec.clone() * along
}

/// Each row of `w_dec`, `[d_sae, d_out]`, divided by its Euclidean norm.
pub(crate) fn renormalise(w_dec: Tensor<2>) -> Tensor<2> {
    let norms = (w_dec.clone() * w_dec.clone()).sum_dim(1).sqrt();
    w_dec / norms.clamp_min(MIN_NORM)
}
