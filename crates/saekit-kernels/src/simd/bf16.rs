//! The encoder's product from bf16 values, accumulated in f32: half the bytes, and at least twice the
//! multiply-adds per second on processors with instructions for it.
//!
//! Two neighbouring columns make a pair, the first in the low half of a `u32`. A row is padded with
//! zeros to a multiple of [`PAIRS`] pairs.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512bh, __m512i, _MM_HINT_T1, _mm_prefetch, _mm512_dpbf16_ps, _mm512_loadu_epi32,
    _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{Isa, Kernel, Lanes, Simd, TileShape};

/// Rows are padded to a multiple of this many pairs.
const PAIRS: usize = 16;

/// How this machine multiplies bf16 values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Widened to f32: right everywhere, no faster than f32.
    Widened(Isa),
    /// `vdpbf16ps`.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// `tdpbf16ps`.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx,
}

impl Screen {
    /// The fastest that this machine has.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self(Level::Widened(Isa::best())))
    }

    /// All that this machine has, the fastest last.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self(Level::Widened(Isa::best()))];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bf16")
        {
            found.push(Self(Level::Avx512Bf16));
        }
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if super::amx::is_available() {
            found.push(Self(Level::Amx));
        }
        found
    }

    /// `widened`, `avx512_bf16` or `amx_bf16`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Widened(_) => "widened",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => "avx512_bf16",
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Level::Amx => "amx_bf16",
        }
    }

    /// Whether the machine multiplies bf16 values faster than single-precision ones.
    pub fn is_native(self) -> bool {
        !matches!(self.0, Level::Widened(_))
    }

    /// The tile of [`multiply`](Self::multiply).
    pub(crate) fn tile(self) -> TileShape {
        match self.0 {
            Level::Widened(_) => TileShape { mr: 4, nr: 16 },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => TileShape { mr: 12, nr: 32 },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Level::Amx => TileShape { mr: 32, nr: 32 },
        }
    }

    /// Where the `line`-th sixteen pairs of latent `i` begin, in weights of `pairs` pairs per latent.
    #[inline(always)]
    pub(crate) fn place(self, i: usize, line: usize, pairs: usize) -> usize {
        match self.0 {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Level::Amx => i / 32 * 32 * pairs + line * 512 + i % 32 * 16,
            _ => i * pairs + line * 16,
        }
    }

    /// Where pair `p` of row `lane` stands in a panel.
    #[inline(always)]
    pub(crate) fn panel_place(self, p: usize, lane: usize) -> usize {
        match self.0 {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Level::Amx => p / 16 * 512 + lane / 16 * 256 + p % 16 * 16 + lane % 16,
            _ => p * self.tile().nr + lane,
        }
    }

    /// Writes the products of `mr` latents with weights `w`, [placed](Self::place) from 0 on, and the `nr`
    /// rows of each of the panels, in which they are [placed](Self::panel_place), to `out`,
    /// `[panels, mr, nr]`. Native products prefetch (a part of) `next` meanwhile.
    ///
    /// # Panics
    /// If a slice is shorter than that.
    pub(crate) fn multiply<'a>(
        self,
        w: &[u32],
        next: &[u32],
        panels: impl ExactSizeIterator<Item = &'a [u32]> + Clone,
        pairs: usize,
        out: &mut [f32],
    ) {
        let TileShape { mr, nr } = self.tile();
        assert!(w.len() >= mr * pairs && out.len() >= panels.len() * mr * nr);
        assert!(panels.clone().all(|panel| panel.len() >= pairs * nr));
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if self.0 == Level::Amx {
            assert!(pairs.is_multiple_of(PAIRS), "rows are padded");
            // SAFETY: the assertions make every element that is read or written lie within its slice,
            // and this level exists only where the features were detected.
            return unsafe { super::amx::multiply(w, next, &panels, pairs, out) };
        }
        let n = panels.len();
        for ((i, panel), out) in panels.enumerate().zip(out.chunks_exact_mut(mr * nr)) {
            self.multiply_one(w, part(next, i, n), panel, pairs, out);
        }
    }

    /// [`multiply`](Self::multiply) with one panel.
    fn multiply_one(self, w: &[u32], next: &[u32], panel: &[u32], pairs: usize, out: &mut [f32]) {
        match self.0 {
            Level::Widened(isa) => isa.run(Widened { w, panel, pairs, out }),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the caller has asserted that every element that is read or written lies within
            // its slice, and this level exists only where the features were detected.
            Level::Avx512Bf16 => unsafe {
                multiply_avx512(w.as_ptr(), next, panel.as_ptr(), pairs, out.as_mut_ptr());
            },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Level::Amx => unreachable!("it takes all panels"),
        }
    }
}

/// Part `i` of `n` of the values.
pub(crate) fn part<T>(values: &[T], i: usize, n: usize) -> &[T] {
    &values[values.len() * i / n..values.len() * (i + 1) / n]
}

/// Pairs per row of `d` values, padding included.
pub(crate) fn pairs(d: usize) -> usize {
    d.div_ceil(2 * PAIRS) * PAIRS
}

/// `value` rounded to bf16, to nearest, ties to even, in the low half. NaN stays NaN.
#[inline(always)]
pub(crate) fn to_bf16(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if value.is_nan() { 0x7fc0 } else { rounded }
}

/// The value of the bf16 in the low half of `bits`.
#[inline(always)]
pub(crate) fn from_bf16(bits: u32) -> f32 {
    f32::from_bits(bits << 16)
}

/// The product of values widened to f32.
struct Widened<'a> {
    w: &'a [u32],
    panel: &'a [u32],
    pairs: usize,
    out: &'a mut [f32],
}

impl Kernel for Widened<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) {
        for (i, out) in self.out.chunks_exact_mut(16).take(4).enumerate() {
            let w = &self.w[i * self.pairs..(i + 1) * self.pairs];
            let mut acc = [0.0_f32; 16];
            for (w, x) in w.iter().zip(self.panel.as_chunks::<16>().0) {
                let (low, high) = (from_bf16(*w), from_bf16(w >> 16));
                for (acc, x) in acc.iter_mut().zip(x) {
                    *acc = simd.multiply_add(low, from_bf16(*x), *acc);
                    *acc = simd.multiply_add(high, from_bf16(x >> 16), *acc);
                }
            }
            out.copy_from_slice(&acc);
        }
    }
}

/// # Safety
/// AVX-512 with bf16; `w` is `[12, pairs]`, `panel` `[pairs, 32]`, `out` `[12, 32]`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn multiply_avx512(
    w: *const u32,
    next: &[u32],
    panel: *const u32,
    pairs: usize,
    out: *mut f32,
) {
    const MR: usize = 12;
    let step = next.len().div_ceil(pairs.max(1)).min(16);
    let mut acc = [[_mm512_setzero_ps(); 2]; MR];
    // SAFETY: `p < pairs` and `i < MR` keep every offset within the caller's promise; the registers
    // are reinterpreted as what they hold, 32 bf16 values.
    unsafe {
        for p in 0..pairs {
            _mm_prefetch::<_MM_HINT_T1>(next.as_ptr().wrapping_add(step * p).cast());
            let row = |j: usize| {
                let pairs = _mm512_loadu_epi32(panel.add(p * 32 + j * 16).cast());
                std::mem::transmute::<__m512i, __m512bh>(pairs)
            };
            let rows = [row(0), row(1)];
            for (i, acc) in acc.iter_mut().enumerate() {
                let weight = _mm512_set1_epi32((*w.add(i * pairs + p)).cast_signed());
                let weight = std::mem::transmute::<__m512i, __m512bh>(weight);
                acc[0] = _mm512_dpbf16_ps(acc[0], weight, rows[0]);
                acc[1] = _mm512_dpbf16_ps(acc[1], weight, rows[1]);
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            _mm512_storeu_ps(out.add(i * 32), acc[0]);
            _mm512_storeu_ps(out.add(i * 32 + 16), acc[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    #[test]
    fn rounds_to_nearest_even() {
        assert_eq!(from_bf16(to_bf16(1.0)), 1.0);
        assert_eq!(from_bf16(to_bf16(1.0 + 1.0 / 256.0)), 1.0);
        assert_eq!(from_bf16(to_bf16(1.0 + 3.0 / 256.0)), 1.0 + 4.0 / 256.0);
        assert_eq!(from_bf16(to_bf16(f32::MAX)), f32::INFINITY);
        assert!(from_bf16(to_bf16(f32::NAN)).is_nan());
    }

    #[test]
    fn every_screen_multiplies() {
        for screen in Screen::available() {
            let TileShape { mr, nr } = screen.tile();
            for pairs in [0, 16, 80, 400] {
                let pack = |n: usize, seed| -> Vec<u32> {
                    let halves = values(2 * n, seed);
                    let pair = |v: &[f32]| to_bf16(v[0]) | to_bf16(v[1]) << 16;
                    halves.chunks(2).map(pair).collect()
                };
                let (w, panel) = (pack(mr * pairs, 1), pack(pairs * nr, 2));
                let (mut placed_w, mut placed_panel) = (w.clone(), panel.clone());
                for (at, w) in w.iter().enumerate() {
                    let (i, p) = (at / pairs, at % pairs);
                    placed_w[screen.place(i, p / 16, pairs) + p % 16] = *w;
                }
                for (at, x) in panel.iter().enumerate() {
                    placed_panel[screen.panel_place(at / nr, at % nr)] = *x;
                }
                // A second panel, of zeros.
                let panels = [&placed_panel[..], &vec![0; pairs * nr]];
                let mut out = vec![f32::NAN; 2 * mr * nr];
                screen.multiply(&placed_w, &[], panels.into_iter(), pairs, &mut out);
                assert!(out[mr * nr..].iter().all(|v| *v == 0.0), "{screen:?}");
                for (at, got) in out[..mr * nr].iter().enumerate() {
                    let (i, j) = (at / nr, at % nr);
                    let product = |p: usize, shift: u32| {
                        f64::from(from_bf16(w[i * pairs + p] >> shift & 0xffff))
                            * f64::from(from_bf16(panel[p * nr + j] >> shift & 0xffff))
                    };
                    let want: f64 = (0..pairs).map(|p| product(p, 0) + product(p, 16)).sum();
                    let bound = 1e-5 * (pairs as f64 / 80.0).max(1.0);
                    assert!((f64::from(*got) - want).abs() < bound, "{screen:?} {got} {want}");
                }
            }
        }
    }
}
