//! Loops over one or two rows, for the compiler to vectorise.
//!
//! Sums run in 64 lanes that are added in a fixed order, so that a result depends on the
//! instruction set only by its rounding of `a b + c`.

use crate::simd::{Kernel, multiply_add};

/// Lanes of a sum.
const LANES: usize = 64;

/// `Σ a b`.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            lanes[i] = multiply_add(a[i], b[i], lanes[i]);
        }
    }
    for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[i] = multiply_add(*a, *b, lanes[i]);
    }
    total(&mut lanes)
}

/// The sum of the lanes, halves first.
#[inline(always)]
fn total(lanes: &mut [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `y += a x`.
#[inline(always)]
pub(crate) fn axpy(y: &mut [f32], a: f32, x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = multiply_add(a, *x, *y);
    }
}

/// `y += Σ a x`, four terms at a time, so that `y` is read and written a quarter as often.
///
/// `term` gives term number `i` of `n`.
#[inline(always)]
pub(crate) fn axpys<'a>(y: &mut [f32], n: usize, term: impl Fn(usize) -> (f32, &'a [f32])) {
    let whole = n / 4 * 4;
    for i in (0..whole).step_by(4) {
        let ((a, p), (b, q)) = (term(i), term(i + 1));
        let ((c, r), (d, s)) = (term(i + 2), term(i + 3));
        let n = y.len();
        let (p, q, r, s) = (&p[..n], &q[..n], &r[..n], &s[..n]);
        for i in 0..n {
            let sum = multiply_add(b, q[i], multiply_add(a, p[i], y[i]));
            y[i] = multiply_add(d, s[i], multiply_add(c, r[i], sum));
        }
    }
    for i in whole..n {
        let (a, x) = term(i);
        axpy(y, a, x);
    }
}

/// [`dot`] as a kernel.
pub(crate) struct Dot<'a>(pub(crate) &'a [f32], pub(crate) &'a [f32]);

impl Kernel for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        dot(self.0, self.1)
    }
}
