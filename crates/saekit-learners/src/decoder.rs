//! Unit norm of decoder rows: the projected gradient, and the division by the norm after each update.

use burn::tensor::Tensor;

/// Smallest divisor of a row: avoids dividing by zero.
const MIN_NORM: f64 = 1e-8;

/// Removes from each row of `grad`, `[d_sae, d_out]`, its component along the same row of `w_dec` (unit
/// rows, same shape), which would only change the row's norm.
pub(crate) fn project(grad: Tensor<2>, w_dec: &Tensor<2>) -> Tensor<2> {
    let along = (grad.clone() * w_dec.clone()).sum_dim(1);
    grad - w_dec.clone() * along
}

/// Each row of `w_dec`, `[d_sae, d_out]`, divided by its Euclidean norm.
pub(crate) fn renormalise(w_dec: Tensor<2>) -> Tensor<2> {
    let norms = (w_dec.clone() * w_dec.clone()).sum_dim(1).sqrt();
    w_dec / norms.clamp_min(MIN_NORM)
}
