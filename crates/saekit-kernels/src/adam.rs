//! Adam (Kingma and Ba, 2015, arXiv 1412.6980) on rows in the first-level cache, and the projection that
//! keeps decoder rows at unit norm.

use crate::simd::{Isa, Kernel, Lanes, Simd};

/// Smallest divisor of a decoder row: avoids dividing by zero.
pub(crate) const MIN_NORM: f32 = 1e-8;

/// First moments closer to zero are set to zero: such a step changes no weight, whatever the second moment.
pub(crate) const NEGLIGIBLE: f32 = 1e-30;

/// The scalars of one update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// `1 - beta1`, not rounded twice.
    pub gain1: f32,
    /// `1 - beta2`.
    pub gain2: f32,
    /// Keeps the division finite.
    pub eps: f32,
    /// `1 / (1 - beta1^t)`.
    pub correction1: f32,
    /// `1 / (1 - beta2^t)`.
    pub correction2: f32,
}

/// One step of Adam on a vector of its own, such as thresholds.
///
/// # Panics
/// If the four differ in length.
pub fn adam_vector(
    isa: Isa,
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    grad: &[f32],
    adam: AdamStep,
) {
    let lengths = [first.len(), second.len(), grad.len()];
    assert_eq!(lengths, [weights.len(); 3], "two moments and a derivative per weight");
    isa.run(AdamRow { row: Row { weights, first, second }, grad, adam });
}

/// Weights with their moments, of equal length.
pub(crate) struct Row<'a> {
    pub(crate) weights: &'a mut [f32],
    pub(crate) first: &'a mut [f32],
    pub(crate) second: &'a mut [f32],
}

/// One step of Adam; returns the new weights.
#[inline(always)]
pub(crate) fn adam_row<'a, V: Lanes>(
    simd: Simd<V>,
    row: Row<'a>,
    grad: &[f32],
    adam: AdamStep,
) -> &'a mut [f32] {
    let Row { weights, first, second } = row;
    let AdamStep { beta1, beta2, gain1, gain2, eps, correction2, .. } = adam;
    let size = adam.lr * adam.correction1;
    let n = weights.len();
    let (first, second, grad) = (&mut first[..n], &mut second[..n], &grad[..n]);
    for i in 0..n {
        let g = grad[i];
        let mean = simd.multiply_add(beta1, first[i], gain1 * g);
        // The first moment of a latent that no longer fires decays; without this it would become a
        // denormal number, and arithmetic with those is slow.
        first[i] = if mean.abs() < NEGLIGIBLE { 0.0 } else { mean };
        second[i] = simd.multiply_add(beta2, second[i], gain2 * g * g);
        weights[i] -= size * first[i] / ((second[i] * correction2).sqrt() + eps);
    }
    weights
}

/// Removes from `grad` its part along the unit vector `direction`.
#[inline(always)]
pub(crate) fn project<V: Lanes>(simd: Simd<V>, grad: &mut [f32], direction: &[f32]) {
    let along = simd.dot(grad, direction);
    simd.axpy(grad, -along, direction);
}

/// Divides a row by its norm.
#[inline(always)]
pub(crate) fn renormalise<V: Lanes>(simd: Simd<V>, row: &mut [f32]) {
    let inverse = 1.0 / simd.dot(row, row).sqrt().max(MIN_NORM);
    for v in row.iter_mut() {
        *v *= inverse;
    }
}

/// [`adam_row`] as a kernel.
pub(crate) struct AdamRow<'a> {
    pub(crate) row: Row<'a>,
    pub(crate) grad: &'a [f32],
    pub(crate) adam: AdamStep,
}

impl Kernel for AdamRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        adam_row(simd, self.row, self.grad, self.adam);
    }
}
