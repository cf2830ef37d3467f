//! `out = a bᵀ`, through the `gemm` crate: `2 m n k` flops over `4 (m k + n k + m n)` bytes.

use gemm::Parallelism;

/// Writes `a bᵀ` to `out`: `a` is `[m, k]`, `b` is `[n, k]`, `out` is `[m, n]`, all row-major.
///
/// Each sum over `k` is taken by one thread in one order, so the result does not depend on the
/// number of threads.
///
/// # Panics
/// If the lengths of `a` and `b` are not multiples of `k`, or `out` has not `m * n` values.
pub fn matmul_nt(a: &[f32], b: &[f32], k: usize, out: &mut [f32]) {
    if k == 0 {
        out.fill(0.0);
        return;
    }
    let (m, n) = (a.len() / k, b.len() / k);
    assert_eq!(a.len(), m * k, "rows of `a` are {k} wide");
    assert_eq!(b.len(), n * k, "rows of `b` are {k} wide");
    assert_eq!(out.len(), m * n, "`out` is [{m}, {n}]");
    if m == 0 || n == 0 {
        return;
    }
    let (row, column) = (|width: usize| width.cast_signed(), 1_isize);
    #[expect(unsafe_code, reason = "the gemm crate takes pointers and strides")]
    // SAFETY: the assertions above make every element that the three strided views address lie
    // within its slice, and `out` is borrowed mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            column,
            row(n),
            false,
            a.as_ptr(),
            column,
            row(k),
            b.as_ptr(),
            row(k),
            column,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    /// The same product in f64, one element after another.
    fn oracle(a: &[f32], b: &[f32], k: usize) -> Vec<f64> {
        a.chunks(k)
            .flat_map(|x| {
                b.chunks(k).map(move |w| {
                    x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>()
                })
            })
            .collect()
    }

    fn values(n: usize, seed: u64) -> Vec<f32> {
        (0..n as u64).map(|i| ((i * 37 + seed * 101) % 29) as f32 / 14.0 - 1.0).collect()
    }

    proptest! {
        #[test]
        fn equals_the_oracle(m in 0_usize..20, n in 0_usize..40, k in 1_usize..70, seed in 0_u64..99) {
            let (a, b) = (values(m * k, seed), values(n * k, seed + 1));
            let mut out = vec![f32::NAN; m * n];
            matmul_nt(&a, &b, k, &mut out);
            for (got, want) in out.iter().zip(oracle(&a, &b, k)) {
                prop_assert!((f64::from(*got) - want).abs() <= 1e-5 * k as f64, "{got} {want}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "`out` is [2, 3]")]
    fn refuses_an_output_of_another_size() {
        matmul_nt(&[0.0; 8], &[0.0; 12], 4, &mut [0.0; 5]);
    }
}
