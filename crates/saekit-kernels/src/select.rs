//! Exact selection of a row's largest values.
//!
//! ```text
//! threshold = -inf; candidates = []
//! for each value above the threshold:
//!     append; where 4 k (at least 128) have gathered: keep the k largest, threshold = the smallest kept
//! keep the k largest
//! ```
//! One pass over the row; after the first few hundred values hardly any passes the threshold.

/// Appends to `out` the indices of the `k` largest of `values`, ascending; among equal values the
/// lower index wins. All indices where there are fewer than `k` values.
///
/// `scratch` is cleared and used; keep it between calls to save its allocation.
///
/// # Panics
/// In debug builds, if a value is NaN.
pub fn top_k(values: &[f32], k: usize, scratch: &mut Vec<(f32, u32)>, out: &mut Vec<u32>) {
    debug_assert!(values.iter().all(|v| !v.is_nan()), "NaN has no rank");
    scratch.clear();
    if k == 0 {
        return;
    }
    let gather = (4 * k).max(128);
    let mut threshold = f32::NEG_INFINITY;
    for (chunk_start, chunk) in values.chunks(16).enumerate().map(|(i, c)| (16 * i, c)) {
        // Most chunks hold nothing above the threshold, and this comparison vectorises.
        let largest = chunk.iter().fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
        if largest <= threshold && threshold > f32::NEG_INFINITY {
            continue;
        }
        for (i, value) in chunk.iter().enumerate() {
            if *value > threshold || threshold == f32::NEG_INFINITY {
                scratch.push((*value, (chunk_start + i) as u32));
            }
        }
        if scratch.len() >= gather {
            threshold = keep_largest(scratch, k);
        }
    }
    if scratch.len() > k {
        keep_largest(scratch, k);
    }
    let start = out.len();
    out.extend(scratch.iter().map(|(_, index)| *index));
    out[start..].sort_unstable();
}

/// Keeps the `k` largest candidates and returns the smallest value kept.
fn keep_largest(candidates: &mut Vec<(f32, u32)>, k: usize) -> f32 {
    candidates.select_nth_unstable_by(k - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    candidates.truncate(k);
    candidates[k - 1].0
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
    fn equal_values_go_to_the_lower_index() {
        let mut out = Vec::new();
        top_k(&[1.0; 500], 3, &mut Vec::new(), &mut out);
        assert_eq!(out, [0, 1, 2]);
    }
}
