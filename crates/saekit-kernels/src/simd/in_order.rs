//! Single products of a row with a latent's weights, summed as a tile sums them: column after column.
//!
//! ```text
//! for each four columns:                           16 pairs at once, one in each lane
//!     transpose 16 x 4 values of one side, and of the other
//!     acc[lane] += a[lane][p] · b[lane][p]         p ascending
//! ```
//! A tile sums each of its products in the order of the columns, with the rounding of
//! [`Simd::multiply_add`]. This does the same for any pairs of rows, so that the results have the bits of
//! a tile.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_loadu_ps, _mm_prefetch, _mm512_castpd_ps, _mm512_castps_pd,
    _mm512_castps128_ps512, _mm512_fmadd_ps, _mm512_insertf32x4, _mm512_setzero_ps,
    _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
    _mm512_unpacklo_ps,
};

#[cfg(target_arch = "x86_64")]
use super::Level;
use super::{Isa, Kernel, Lanes, Simd};

/// Pairs that are multiplied at once.
pub(crate) const PAIRS_AT_ONCE: usize = 16;

/// Distance of a prefetch from the columns being multiplied: four cache lines.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 64;

/// Two rows of the same width.
pub(crate) type RowPair<'a> = (&'a [f32], &'a [f32]);

impl Isa {
    /// `Σ a b` of each pair, with the bits that [`multiply`](Self::multiply) gives it.
    ///
    /// # Panics
    /// If two rows differ in width.
    pub(crate) fn products_in_order(self, pairs: &[RowPair<'_>; PAIRS_AT_ONCE]) -> [f32; 16] {
        let d = pairs[0].0.len();
        assert!(pairs.iter().all(|(a, b)| a.len() == d && b.len() == d), "rows are {d} wide");
        #[cfg(target_arch = "x86_64")]
        if self.0 == Level::Avx512 {
            let (a, b) = (pairs.map(|(a, _)| a.as_ptr()), pairs.map(|(_, b)| b.as_ptr()));
            // SAFETY: an `Isa` of this level exists only where its features were detected, and the
            // assertion makes each row `d` long.
            return unsafe { products_avx512(&a, &b, d) };
        }
        self.run(InOrder(pairs))
    }
}

/// One column at a time.
struct InOrder<'a>(&'a [RowPair<'a>; PAIRS_AT_ONCE]);

impl Kernel for InOrder<'_> {
    type Output = [f32; 16];

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) -> [f32; 16] {
        let mut sums = [0.0; 16];
        for p in 0..self.0[0].0.len() {
            for (sum, (a, b)) in sums.iter_mut().zip(self.0) {
                *sum = simd.multiply_add(a[p], b[p], *sum);
            }
        }
        sums
    }
}

/// # Safety
/// AVX-512; each row is `d` long.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
unsafe fn products_avx512(a: &[*const f32; 16], b: &[*const f32; 16], d: usize) -> [f32; 16] {
    let mut sums = [0.0; 16];
    // SAFETY: `p + 4 <= d` in the blocks of four columns and `p < d` after them, so that every read
    // lies within its row; `sums` holds a register.
    unsafe {
        let mut acc = _mm512_setzero_ps();
        for p in (0..d / 4 * 4).step_by(4) {
            if p.is_multiple_of(16) {
                // A prefetch of any address is allowed.
                for row in a.iter().chain(b) {
                    _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(p + AHEAD).cast());
                }
            }
            let (a, b) = (four_columns(a, p), four_columns(b, p));
            for (a, b) in a.into_iter().zip(b) {
                acc = _mm512_fmadd_ps(a, b, acc);
            }
        }
        _mm512_storeu_ps(sums.as_mut_ptr(), acc);
        for p in d / 4 * 4..d {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum = (*a.add(p)).mul_add(*b.add(p), *sum);
            }
        }
    }
    sums
}

/// Columns `p` to `p + 3` of sixteen rows, each in a register: row `i` in lane `i`.
///
/// # Safety
/// AVX-512; each row has those columns.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
#[inline]
unsafe fn four_columns(rows: &[*const f32; 16], p: usize) -> [__m512; 4] {
    // A register for each `i`, with row `4 q + i` in quarter `q`: transposing four by four within the
    // quarters puts every row into its lane.
    let mut quarters = [_mm512_setzero_ps(); 4];
    for (i, all) in quarters.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            *all = _mm512_castps128_ps512(_mm_loadu_ps(rows[i].add(p)));
            *all = _mm512_insertf32x4::<1>(*all, _mm_loadu_ps(rows[4 + i].add(p)));
            *all = _mm512_insertf32x4::<2>(*all, _mm_loadu_ps(rows[8 + i].add(p)));
            *all = _mm512_insertf32x4::<3>(*all, _mm_loadu_ps(rows[12 + i].add(p)));
        }
    }
    let [first, second, third, fourth] = quarters;
    let low = _mm512_castps_pd(_mm512_unpacklo_ps(first, second));
    let also_low = _mm512_castps_pd(_mm512_unpacklo_ps(third, fourth));
    let high = _mm512_castps_pd(_mm512_unpackhi_ps(first, second));
    let also_high = _mm512_castps_pd(_mm512_unpackhi_ps(third, fourth));
    [
        _mm512_castpd_ps(_mm512_unpacklo_pd(low, also_low)),
        _mm512_castpd_ps(_mm512_unpackhi_pd(low, also_low)),
        _mm512_castpd_ps(_mm512_unpacklo_pd(high, also_high)),
        _mm512_castpd_ps(_mm512_unpackhi_pd(high, also_high)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    #[test]
    fn they_have_the_bits_of_a_tile() {
        for isa in Isa::available() {
            let shape = isa.tile();
            for d in [0, 1, 3, 4, 7, 16, 131, 768] {
                let (w, panel) = (values(shape.mr * d, 1), values(d * shape.nr, 2));
                let mut want = vec![f32::NAN; shape.mr * shape.nr];
                isa.multiply(&w, &[], &panel, d, &mut want);
                let rows: Vec<Vec<f32>> = (0..shape.nr)
                    .map(|lane| (0..d).map(|p| panel[p * shape.nr + lane]).collect())
                    .collect();
                for start in 0..shape.mr * shape.nr {
                    let at = |i: usize| (start + 7 * i) % want.len();
                    let pair = |i: usize| {
                        let latent = at(i) / shape.nr;
                        (&w[latent * d..(latent + 1) * d], &rows[at(i) % shape.nr][..])
                    };
                    let got = isa.products_in_order(&std::array::from_fn(pair));
                    for (i, got) in got.iter().enumerate() {
                        assert_eq!(got.to_bits(), want[at(i)].to_bits(), "{isa:?} {d}");
                    }
                }
            }
        }
    }
}
