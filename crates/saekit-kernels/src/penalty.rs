//! Derivatives of penalties on codes, added to those of the reconstruction.

use crate::codes::CsrCodes;

/// Adds the derivative of `weight Σ |value|` by each active value to `grads`, which has one per entry.
///
/// # Panics
/// If there is not one derivative per entry.
pub fn add_l1(codes: &CsrCodes, weight: f32, grads: &mut [f32]) {
    assert_eq!(grads.len(), codes.len(), "one derivative per entry");
    for (grad, value) in grads.iter_mut().zip(&codes.values) {
        *grad += if *value == 0.0 { 0.0 } else { weight };
    }
}

/// The straight-through derivative of a JumpReLU autoencoder's loss by its thresholds `θ`, `[d_sae]`:
/// `Σ -(grad θ + l0_weight) / window` over the entries less than half a window from the threshold
/// (Rajamanoharan et al., 2024, arXiv 2407.14435, with a rectangle for the kernel). `grads` are the
/// derivatives by the values; the codes also list the entries within the window. `l0_weight` is the cost of
/// an active entry.
///
/// # Panics
/// If there is not one derivative per entry, or an id is not below `d_sae`.
pub fn threshold_gradient(
    codes: &CsrCodes,
    grads: &[f32],
    thresholds: &[f32],
    window: f32,
    l0_weight: f32,
) -> Vec<f32> {
    assert_eq!(grads.len(), codes.len(), "one derivative per entry");
    let mut out = vec![0.0; thresholds.len()];
    for ((id, value), grad) in codes.ids.iter().zip(&codes.values).zip(grads) {
        let threshold = thresholds[*id as usize];
        // An entry of value 0 is listed because it is in the window.
        if *value == 0.0 || value - threshold < window / 2.0 {
            out[*id as usize] -= (grad * threshold + l0_weight) / window;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> CsrCodes {
        let (offsets, ids) = (vec![0, 2, 3], vec![0, 1, 1]);
        CsrCodes { offsets, ids, values: vec![1.05, 0.0, 3.0] }
    }

    #[test]
    fn only_what_is_active_costs() {
        let mut grads = [1.0, 1.0, 1.0];
        add_l1(&codes(), 0.5, &mut grads);
        assert_eq!(grads, [1.5, 1.0, 1.5]);
    }

    #[test]
    fn a_threshold_feels_what_is_near_it() {
        // The third entry is 1 above its threshold of 2: outside a window of 0.2.
        let got = threshold_gradient(&codes(), &[4.0, -1.0, 9.0], &[1.0, 2.0], 0.2, 0.1);
        let want = [-(4.0 * 1.0 + 0.1) / 0.2, -(-2.0 + 0.1) / 0.2];
        assert!(
            got.iter().zip(want).all(|(got, want): (&f32, f32)| (got - want).abs() < 1e-4),
            "{got:?}"
        );
    }
}
