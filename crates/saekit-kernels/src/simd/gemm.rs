//! Dense products through the `gemm` crate: `2 m n k` flops over `4 (m k + k n + m n)` bytes.

use gemm::Parallelism;

/// A matrix over a slice, with any strides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strided<'a> {
    /// The values.
    pub(crate) values: &'a [f32],
    /// Number of rows.
    pub(crate) rows: usize,
    /// Number of columns.
    pub(crate) cols: usize,
    /// Distance from a row to the next, in values.
    pub(crate) row_stride: usize,
    /// Distance from a column to the next, in values.
    pub(crate) col_stride: usize,
}

impl<'a> Strided<'a> {
    /// A row-major matrix with rows of `cols` values.
    ///
    /// # Panics
    /// If `values` are no whole number of rows.
    pub(crate) fn rows(values: &'a [f32], cols: usize) -> Self {
        let rows = values.len().checked_div(cols).unwrap_or(0);
        assert_eq!(values.len(), rows * cols, "rows are {cols} wide");
        Self { values, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The same values with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Whether every element lies within the slice.
    fn lies_within(&self) -> bool {
        let last = |n: usize, stride: usize| n.checked_sub(1).map(|n| n.checked_mul(stride));
        let (Some(down), Some(along)) =
            (last(self.rows, self.row_stride), last(self.cols, self.col_stride))
        else {
            return true;
        };
        let end = down.zip(along).and_then(|(down, along)| down.checked_add(along));
        end.is_some_and(|end| end < self.values.len())
    }
}

/// The threads of a product; the result does not depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The caller only.
    One,
    /// Those of the current pool.
    All,
}

/// Writes `a b` to `out`, `[a.rows, b.cols]` row-major.
///
/// Each sum is taken by one thread in one order, so the result does not depend on the number of
/// threads.
///
/// # Panics
/// If the sizes do not fit each other or their slices.
pub(crate) fn matmul(a: Strided<'_>, b: Strided<'_>, threads: Threads, out: &mut [f32]) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(k, b.rows, "columns of `a` are rows of `b`");
    assert!(a.lies_within() && b.lies_within(), "matrices lie within slices");
    assert_eq!(Some(out.len()), m.checked_mul(n), "`out` is [{m}, {n}]");
    if k == 0 {
        out.fill(0.0);
    }
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    // SAFETY: the assertions above make every element that the three strided views address lie
    // within its slice, and `out` is borrowed mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n.cast_signed(),
            false,
            a.values.as_ptr(),
            a.col_stride.cast_signed(),
            a.row_stride.cast_signed(),
            b.values.as_ptr(),
            b.col_stride.cast_signed(),
            b.row_stride.cast_signed(),
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Writes `a bᵀ` to `out`: `a` is `[m, k]`, `b` is `[n, k]`, `out` is `[m, n]`, all row-major.
///
/// # Panics
/// If the lengths of `a` and `b` are not multiples of `k`, or `out` has not `m * n` values.
pub fn matmul_nt(a: &[f32], b: &[f32], k: usize, out: &mut [f32]) {
    if k == 0 {
        out.fill(0.0);
        return;
    }
    matmul(Strided::rows(a, k), Strided::rows(b, k).transposed(), Threads::All, out);
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
