//! A sparse code back to a row: `2 k d` flops over `k` gathered rows of the decoder.

/// Adds `Σ_j values[j] * w_dec[ids[j]]` to `out`: `w_dec` is `[d_sae, d_out]`, `out` is `[d_out]`.
///
/// The terms are added in the order given.
///
/// # Panics
/// If an id is not below `d_sae`.
pub fn decode_row(ids: &[u32], values: &[f32], w_dec: &[f32], out: &mut [f32]) {
    let d_out = out.len();
    for (id, value) in ids.iter().zip(values) {
        let direction = &w_dec[*id as usize * d_out..][..d_out];
        for (o, w) in out.iter_mut().zip(direction) {
            *o += value * w;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_the_weighted_directions() {
        let w_dec = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut out = [0.5, -0.5];
        decode_row(&[0, 2], &[2.0, -1.0], &w_dec, &mut out);
        assert_eq!(out, [0.5 + 2.0 - 5.0, -0.5 + 4.0 - 6.0]);
    }
}
