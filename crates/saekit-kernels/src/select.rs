//! The activation rules, and exact selection of a row's largest values.
//!
//! A candidate is one `u64`: its value above, its index below, both mapped so that the order of the
//! integers is the order of the selection (larger value first, among equal ones the lower index).
//! ```text
//! threshold = none, or a given one; candidates = []
//! for each value above the threshold:
//!     append; at 2 k candidates (at least 64): keep the k largest, threshold = the smallest kept
//! keep the k largest
//! ```
//! One pass over the row; after the first few hundred values hardly any exceeds the threshold.

/// The activation rule: which pre-activations `h = (x - b_dec) w_encᵀ + b_enc` of a batch become active.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sparsity<'a> {
    /// The `k` largest of each row that are positive (Gao et al., 2024).
    TopK {
        /// Latents per row.
        k: usize,
    },
    /// The `k · rows` largest of the batch that are positive (Bussmann et al., 2024).
    BatchTopK {
        /// Mean number of latents per row.
        k: usize,
        /// The smallest value selected in the last batch, if known. A good guess saves time; the result
        /// does not depend on it.
        hint: Option<f32>,
    },
    /// JumpReLU (Rajamanoharan et al., 2024): those above their latent's threshold. Those at most half a
    /// window below it are listed with value 0, because their straight-through derivative is needed.
    Threshold {
        /// At least 0, `[d_sae]`.
        thresholds: &'a [f32],
        /// Width of the window about the threshold.
        window: f32,
    },
    /// `ReLU`: those above 0.
    Positive,
}

/// Packs a value and its index into one integer; larger integers are selected first.
#[inline]
pub(crate) fn key(value: f32, index: u32) -> u64 {
    let bits = value.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 0x8000_0000 };
    u64::from(ordered) << 32 | u64::from(!index)
}

/// The value in a key.
#[inline]
pub(crate) fn value_of(key: u64) -> f32 {
    let ordered = (key >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & 0x7fff_ffff } else { !ordered })
}

/// The index in a key.
#[inline]
pub(crate) fn index_of(key: u64) -> u32 {
    !(key as u32)
}

/// The number of candidates for `k` places at which they are pruned.
pub(crate) fn candidate_limit(k: usize) -> usize {
    k.saturating_mul(2).max(64)
}

/// Keeps the `k` largest keys, in any order, and returns the smallest kept value; `None` where there
/// are fewer than `k`.
pub(crate) fn keep_largest(keys: &mut Vec<u64>, k: usize) -> Option<f32> {
    if k == 0 {
        keys.clear();
    }
    if k == 0 || keys.len() < k {
        return None;
    }
    keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
    keys.truncate(k);
    Some(value_of(keys[k - 1]))
}

/// Appends to `out` the indices of the `k` largest of `values`, ascending; among equal values the
/// lower index wins. All indices where there are fewer than `k` values.
///
/// `scratch` is cleared and used; keep it between calls to save its allocation.
///
/// # Panics
/// In debug builds, if a value is NaN.
pub fn top_k(values: &[f32], k: usize, scratch: &mut Vec<u64>, out: &mut Vec<u32>) {
    debug_assert!(values.iter().all(|v| !v.is_nan()), "NaN has no rank");
    scratch.clear();
    if k == 0 {
        return;
    }
    let mut threshold = None;
    for (start, chunk) in (0_u32..).step_by(16).zip(values.chunks(16)) {
        // Most chunks hold nothing above the threshold, and this comparison vectorises.
        let largest = chunk.iter().fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
        if threshold.is_some_and(|threshold| largest <= threshold) {
            continue;
        }
        for (i, value) in (start..).zip(chunk) {
            if threshold.is_none_or(|threshold| *value > threshold) {
                // Adding zero makes one zero of the two.
                scratch.push(key(*value + 0.0, i));
            }
        }
        if scratch.len() >= candidate_limit(k) {
            threshold = keep_largest(scratch, k);
        }
    }
    keep_largest(scratch, k);
    let start = out.len();
    out.extend(scratch.iter().map(|key| index_of(*key)));
    out[start..].sort_unstable();
}
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, prop_assert_eq, prop_oneof, proptest};

    /// Sort everything, take the first `k`.
    fn oracle(values: &[f32], k: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_by(|a, b| values[*b as usize].total_cmp(&values[*a as usize]).then(a.cmp(b)));
        order.truncate(k);
        order.sort_unstable();
        order
    }

    fn row() -> impl Strategy<Value = Vec<f32>> {
        let few_levels = (-3_i32..4).prop_map(|v| v as f32 + 0.0);
        let any = -10.0_f32..10.0;
        prop_oneof![
            proptest::collection::vec(few_levels, 0..900),
            proptest::collection::vec(any, 0..900)
        ]
    }

    proptest! {
        #[test]
        fn equals_a_full_sort(values in row(), k in 0_usize..80) {
            let mut out = Vec::new();
            top_k(&values, k, &mut Vec::new(), &mut out);
            prop_assert_eq!(out, oracle(&values, k));
        }
    }

    #[test]
    fn keys_keep_value_index_and_order() {
        let values = [f32::NEG_INFINITY, -2.5, -1e-40, 0.0, 1e-40, 1.0, f32::INFINITY];
        let keys: Vec<u64> = values.iter().map(|v| key(*v, 7)).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().zip(values).all(|(k, v)| value_of(*k) == v && index_of(*k) == 7));
        assert!(key(1.0, 3) > key(1.0, 4));
    }

    #[test]
    fn equal_values_go_to_the_lower_index() {
        let mut out = Vec::new();
        top_k(&[1.0; 500], 3, &mut Vec::new(), &mut out);
        assert_eq!(out, [0, 1, 2]);
    }
}
