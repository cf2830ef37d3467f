//! A register of single-precision values.

/// `LANES` values in a register. Every method is inlined into a function that enables the
/// instruction set; outside of one, only the implementation for arrays may be used.
pub(crate) trait Lanes: Copy {
    /// Values per register.
    const LANES: usize;

    /// `a b + c` of single values, in one rounding where that is one instruction.
    fn multiply_add(a: f32, b: f32, c: f32) -> f32;

    /// All lanes `value`.
    ///
    /// # Safety
    /// The instruction set is available; so for every method.
    unsafe fn splat(value: f32) -> Self;

    /// # Safety
    /// `LANES` values can be read at `from`.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// `LANES` values can be written at `to`.
    unsafe fn store(self, to: *mut f32);

    /// `self * factor + term`, rounded once where the machine can.
    ///
    /// # Safety
    /// As above.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;

    /// Prefetches the cache line at `from`, which need not be readable.
    #[inline(always)]
    fn prefetch(from: *const f32) {
        let _ = from;
    }

    /// # Safety
    /// As above.
    unsafe fn add(self, other: Self) -> Self;

    /// The larger of each lane; of a NaN and a number, `other`'s.
    ///
    /// # Safety
    /// As above.
    unsafe fn max(self, other: Self) -> Self;

    /// Bit `i` is set where lane `i` is above `other`'s; never for a NaN.
    ///
    /// # Safety
    /// As above.
    unsafe fn above(self, other: Self) -> u32;
}

impl Lanes for [f32; 4] {
    const LANES: usize = 4;

    #[inline(always)]
    fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            a.mul_add(b, c)
        } else {
            a * b + c
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise; arrays of f32 may be read from where an f32 may.
        unsafe { from.cast::<[f32; 4]>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 4]>().write(self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) = (self, factor, term);
        let m = Self::multiply_add;
        [m(a, e, i), m(b, f, j), m(c, g, k), m(d, h, l)]
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self, other);
        [a + e, b + f, c + g, d + h]
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        let mut most = other;
        for (most, value) in most.iter_mut().zip(self) {
            *most = if value > *most { value } else { *most };
        }
        most
    }

    #[inline(always)]
    unsafe fn above(self, other: Self) -> u32 {
        let ([a, b, c, d], [e, f, g, h]) = (self, other);
        u32::from(a > e) | u32::from(b > f) << 1 | u32::from(c > g) << 2 | u32::from(d > h) << 3
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _CMP_GT_OQ, _MM_HINT_T1, _mm_prefetch, _mm256_add_ps, _mm256_cmp_ps,
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_movemask_ps, _mm256_set1_ps,
        _mm256_storeu_ps, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_max_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };

    use super::Lanes;

    impl Lanes for __m256 {
        const LANES: usize = 8;

        #[inline(always)]
        fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
            a.mul_add(b, c)
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller has the instruction set; so in every method.
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's promise; the load needs no alignment.
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller's promise; the store needs no alignment.
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_fmadd_ps(self, factor, term) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_max_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn above(self, other: Self) -> u32 {
            // SAFETY: as above.
            unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(self, other)).cast_unsigned() }
        }
    }

    impl Lanes for __m512 {
        const LANES: usize = 16;

        #[inline(always)]
        fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
            a.mul_add(b, c)
        }

        #[inline(always)]
        fn prefetch(from: *const f32) {
            // SAFETY: a prefetch of any address is allowed.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) };
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller has the instruction set; so in every method.
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's promise; the load needs no alignment.
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller's promise; the store needs no alignment.
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm512_fmadd_ps(self, factor, term) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm512_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm512_max_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn above(self, other: Self) -> u32 {
            // SAFETY: as above.
            u32::from(unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self, other) })
        }
    }
}
