//! The encoder's product, a tile at a time: `mr` latents by `nr` rows, accumulated in registers.
//!
//! ```text
//! acc[mr][nr] = 0
//! for p in 0..d:  acc[i][j] += w_enc[i][p] · panel[p][j]          mr · nr fused multiply-adds
//! ```
//! The weights are read in place, row-major. Only the rows of the batch are packed, `nr` of them side by
//! side, so that a register holds the same column of several rows. Per step of `p` a tile reads `mr` broadcast weights and `nr` packed values: with 12 by 32 that is 14 loads for 24
//! multiply-adds.

use super::lanes::Lanes;
use super::{Isa, Level};

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

/// Columns between two prefetches of the next tile's weights.
const SPACING: usize = 8;

/// Cache lines per prefetch: a third of a tile is fetched while another is multiplied.
const LINES: usize = 2;

/// The size of a tile: latents by rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TileShape {
    /// Latents.
    pub(crate) mr: usize,
    /// Rows of the batch, at most 64.
    pub(crate) nr: usize,
}

/// The biases of a tile and the thresholds for its values.
pub(crate) struct TileThresholds<'a> {
    /// Added to each latent's values, `[mr]`.
    pub(crate) bias: &'a [f32],
    /// Threshold per latent, `[mr]`.
    pub(crate) latent: &'a [f32],
    /// Threshold per row, `[nr]`.
    pub(crate) row: &'a [f32],
    /// Added to a row's values before they are compared, `[nr]`: a bound on their error.
    pub(crate) error_bound: &'a [f32],
}

impl Isa {
    /// The tile of [`multiply`](Self::multiply).
    pub(crate) fn tile(self) -> TileShape {
        match self.0 {
            Level::Portable => TileShape { mr: 4, nr: 8 },
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => TileShape { mr: 6, nr: 16 },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => TileShape { mr: 12, nr: 32 },
        }
    }

    /// Writes the products of the `mr` rows of `w`, `[mr, d]`, with the `nr` columns of `panel`,
    /// `[d, nr]`, to `out`, `[mr, nr]`. AVX-512 prefetches `next` meanwhile.
    ///
    /// # Panics
    /// If a slice is shorter than that.
    pub(crate) fn multiply(
        self,
        w: &[f32],
        next: &[f32],
        panel: &[f32],
        d: usize,
        out: &mut [f32],
    ) {
        let TileShape { mr, nr } = self.tile();
        assert!(w.len() >= mr * d && panel.len() >= d * nr && out.len() >= mr * nr);
        let (w, panel, out) = (w.as_ptr(), panel.as_ptr(), out.as_mut_ptr());
        let next = next.as_ptr();
        // SAFETY: the assertion makes every element that a tile of this shape reads or writes lie
        // within its slice, and an `Isa` of a level exists only where its features were detected.
        unsafe {
            match self.0 {
                Level::Portable => multiply::<[f32; 4], 4, 2>(w, next, panel, d, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => multiply_avx2(w, next, panel, d, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => multiply_avx512(w, next, panel, d, out),
            }
        }
    }

    /// Adds the biases to the values of a tile of `shape`. Sets bit `j` of `found[i]` where the value of
    /// latent `i` and row `j`, plus its error bound, exceeds both thresholds.
    ///
    /// # Panics
    /// If a slice is shorter than the shape wants, or `nr` is no multiple of 8 up to 64.
    pub(crate) fn scan(
        self,
        shape: TileShape,
        values: &mut [f32],
        thresholds: &TileThresholds<'_>,
        found: &mut [u64],
    ) {
        let TileShape { mr, nr } = shape;
        assert!(nr <= 64 && nr.is_multiple_of(8) && values.len() >= mr * nr);
        assert!(thresholds.bias.len() >= mr && thresholds.latent.len() >= mr && found.len() >= mr);
        assert!(thresholds.row.len() >= nr && thresholds.error_bound.len() >= nr);
        // SAFETY: the assertions make every element that is read or written lie within its slice,
        // and an `Isa` of a level exists only where its features were detected. Wide registers are
        // used where `nr` is a multiple of their width.
        unsafe {
            match self.0 {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 if nr.is_multiple_of(16) => {
                    scan_avx512(shape, values, thresholds, found);
                }
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 | Level::Avx2 => scan_avx2(shape, values, thresholds, found),
                Level::Portable => scan::<[f32; 4]>(shape, values, thresholds, found),
            }
        }
    }
}

/// # Safety
/// AVX2 and FMA; the slices hold a tile of 6 by 16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply_avx2(
    w: *const f32,
    next: *const f32,
    panel: *const f32,
    d: usize,
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe { multiply::<__m256, 6, 2>(w, next, panel, d, out) }
}

/// # Safety
/// AVX-512; the slices hold a tile of 12 by 32.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
unsafe fn multiply_avx512(
    w: *const f32,
    next: *const f32,
    panel: *const f32,
    d: usize,
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe { multiply::<__m512, 12, 2>(w, next, panel, d, out) }
}

/// # Safety
/// The instruction set of `V`; `w` is `[MR, d]`, `panel` `[d, NV · LANES]`, `out`
/// `[MR, NV · LANES]`.
#[inline(always)]
unsafe fn multiply<V: Lanes, const MR: usize, const NV: usize>(
    w: *const f32,
    next: *const f32,
    panel: *const f32,
    d: usize,
    out: *mut f32,
) {
    let nr = NV * V::LANES;
    // SAFETY: `p < d`, `i < MR` and `j < NV` keep every offset within the caller's promise.
    unsafe {
        let mut acc = [[V::splat(0.0); NV]; MR];
        for p in 0..d {
            if p.is_multiple_of(SPACING) {
                for line in 0..LINES {
                    V::prefetch(next.wrapping_add(16 * (p / SPACING * LINES + line)));
                }
            }
            let mut rows = [V::splat(0.0); NV];
            for (j, row) in rows.iter_mut().enumerate() {
                *row = V::load(panel.add(p * nr + j * V::LANES));
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let weight = V::splat(*w.add(i * d + p));
                for j in 0..NV {
                    acc[j] = weight.mul_add(rows[j], acc[j]);
                }
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, value) in acc.iter().enumerate() {
                value.store(out.add(i * nr + j * V::LANES));
            }
        }
    }
}

/// # Safety
/// AVX2; see [`scan`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn scan_avx2(
    shape: TileShape,
    values: &mut [f32],
    thresholds: &TileThresholds<'_>,
    found: &mut [u64],
) {
    // SAFETY: the caller's promise.
    unsafe { scan::<__m256>(shape, values, thresholds, found) }
}

/// # Safety
/// AVX-512; see [`scan`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
unsafe fn scan_avx512(
    shape: TileShape,
    values: &mut [f32],
    thresholds: &TileThresholds<'_>,
    found: &mut [u64],
) {
    // SAFETY: the caller's promise.
    unsafe { scan::<__m512>(shape, values, thresholds, found) }
}

/// # Safety
/// The instruction set of `V`; slices as long as `shape` wants; `nr` a multiple of `V::LANES`.
#[inline(always)]
unsafe fn scan<V: Lanes>(
    shape: TileShape,
    values: &mut [f32],
    thresholds: &TileThresholds<'_>,
    found: &mut [u64],
) {
    for (i, found) in found.iter_mut().enumerate().take(shape.mr) {
        let mut mask = 0_u64;
        // SAFETY: `i < mr` and `j + LANES <= nr` keep every offset within the caller's promise.
        unsafe {
            let (bias, latent_threshold) =
                (V::splat(thresholds.bias[i]), V::splat(thresholds.latent[i]));
            for j in (0..shape.nr).step_by(V::LANES) {
                let at = values.as_mut_ptr().add(i * shape.nr + j);
                let value = V::load(at).add(bias);
                value.store(at);
                let row_threshold = V::load(thresholds.row.as_ptr().add(j)).max(latent_threshold);
                let upper = value.add(V::load(thresholds.error_bound.as_ptr().add(j)));
                mask |= u64::from(upper.above(row_threshold)) << j;
            }
        }
        *found = mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    #[test]
    fn every_instruction_set_multiplies() {
        for isa in Isa::available() {
            let TileShape { mr, nr } = isa.tile();
            for d in [0, 1, 5, 64, 131] {
                let (w, panel) = (values(mr * d, 1), values(d * nr, 2));
                let mut out = vec![f32::NAN; mr * nr];
                isa.multiply(&w, &[], &panel, d, &mut out);
                for (at, got) in out.iter().enumerate() {
                    let (i, j) = (at / nr, at % nr);
                    let want: f64 = (0..d)
                        .map(|p| f64::from(w[i * d + p]) * f64::from(panel[p * nr + j]))
                        .sum();
                    assert!((f64::from(*got) - want).abs() < 1e-5, "{isa:?} {d} {got} {want}");
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_scans() {
        for isa in Isa::available() {
            for shape in [isa.tile(), TileShape { mr: 3, nr: 8 }, TileShape { mr: 2, nr: 64 }] {
                let TileShape { mr, nr } = shape;
                let before = values(mr * nr, 3);
                let (bias, latent_threshold) = (values(mr, 4), values(mr, 5));
                let (row_threshold, error_bound) = (values(nr, 6), values(nr, 7));
                let thresholds = TileThresholds {
                    bias: &bias,
                    latent: &latent_threshold,
                    row: &row_threshold,
                    error_bound: &error_bound,
                };
                let (mut got, mut found) = (before.clone(), vec![0; mr]);
                isa.scan(shape, &mut got, &thresholds, &mut found);
                for (at, value) in before.iter().enumerate() {
                    let (i, j) = (at / nr, at % nr);
                    let value = value + bias[i];
                    assert_eq!(got[at], value);
                    let upper = value + error_bound[j];
                    let want = upper > latent_threshold[i] && upper > row_threshold[j];
                    assert_eq!(found[i] >> j & 1 == 1, want, "{isa:?} {shape:?} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn a_nan_is_above_nothing() {
        for isa in Isa::available() {
            let shape = isa.tile();
            let (mr, nr) = (shape.mr, shape.nr);
            let mut values = vec![f32::NAN; mr * nr];
            let (zero, low) = (vec![0.0; 64], vec![f32::NEG_INFINITY; 64]);
            let thresholds =
                TileThresholds { bias: &zero, latent: &low, row: &low, error_bound: &zero };
            let mut found = vec![1; mr];
            isa.scan(shape, &mut values, &thresholds, &mut found);
            assert!(found.iter().all(|mask| *mask == 0));
        }
    }
}
