//! Loops over one or two rows, in registers.
//!
//! Sums run in four registers that are added in a fixed order, so that a result depends on the
//! instruction set only by the registers' width and by the rounding of `a b + c`.

use std::marker::PhantomData;

use super::lanes::Lanes;

/// The proof that registers `V` can be used here: a kernel is handed one.
#[derive(Clone, Copy)]
pub(crate) struct Simd<V>(PhantomData<V>);

#[expect(clippy::unused_self, reason = "it is the proof")]
impl<V: Lanes> Simd<V> {
    /// # Safety
    /// The instruction set of `V` is available, and the caller is compiled for it.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(PhantomData)
    }

    /// `a b + c`, in one rounding where that is one instruction.
    #[inline(always)]
    pub(crate) fn multiply_add(self, a: f32, b: f32, c: f32) -> f32 {
        V::multiply_add(a, b, c)
    }

    /// `Σ a b`.
    ///
    /// # Panics
    /// If the two differ in length.
    #[inline(always)]
    pub(crate) fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "as many factors as there are values");
        let step = 4 * V::LANES;
        let whole = a.len() / step * step;
        let mut lanes = [0.0_f32; 16];
        // SAFETY: `i + 4 LANES <= whole <= len` of both; `lanes` holds the widest register; `self`
        // proves the instruction set.
        unsafe {
            let mut sums = [V::splat(0.0); 4];
            for i in (0..whole).step_by(step) {
                for (j, sum) in sums.iter_mut().enumerate() {
                    let at = i + j * V::LANES;
                    *sum = V::load(a.as_ptr().add(at)).mul_add(V::load(b.as_ptr().add(at)), *sum);
                }
            }
            let [first, second, third, fourth] = sums;
            first.add(second).add(third.add(fourth)).store(lanes.as_mut_ptr());
        }
        for (i, (a, b)) in a[whole..].iter().zip(&b[whole..]).enumerate() {
            lanes[i % 16] = V::multiply_add(*a, *b, lanes[i % 16]);
        }
        let mut width = lanes.len() / 2;
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
    pub(crate) fn axpy(self, y: &mut [f32], a: f32, x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = V::multiply_add(a, *x, *y);
        }
    }

    /// `y += Σ a x` over `n` terms, four at a time, so that `y` is read and written a quarter as often.
    ///
    /// `term(i)` returns `(a, x)` of term `i`.
    ///
    /// # Panics
    /// If a term is shorter than `y`.
    #[inline(always)]
    pub(crate) fn axpys<'a>(
        self,
        y: &mut [f32],
        n: usize,
        term: impl Fn(usize) -> (f32, &'a [f32]),
    ) {
        let fours = n / 4 * 4;
        for i in (0..fours).step_by(4) {
            self.axpy4(y, [term(i), term(i + 1), term(i + 2), term(i + 3)]);
        }
        for i in fours..n {
            let (a, x) = term(i);
            self.axpy(y, a, &x[..y.len()]);
        }
    }

    #[inline(always)]
    fn axpy4(self, y: &mut [f32], terms: [(f32, &[f32]); 4]) {
        let n = y.len();
        let [(a, p), (b, q), (c, r), (d, s)] = terms;
        let (p, q, r, s) = (&p[..n], &q[..n], &r[..n], &s[..n]);
        let whole = n / V::LANES * V::LANES;
        // SAFETY: `i + LANES <= whole <= n`, the length of all five; `self` proves the instruction
        // set.
        unsafe {
            let [va, vb, vc, vd] = [V::splat(a), V::splat(b), V::splat(c), V::splat(d)];
            for i in (0..whole).step_by(V::LANES) {
                let sum = V::load(y.as_ptr().add(i));
                let sum = va.mul_add(V::load(p.as_ptr().add(i)), sum);
                let sum = vb.mul_add(V::load(q.as_ptr().add(i)), sum);
                let sum = vc.mul_add(V::load(r.as_ptr().add(i)), sum);
                let sum = vd.mul_add(V::load(s.as_ptr().add(i)), sum);
                sum.store(y.as_mut_ptr().add(i));
            }
        }
        for i in whole..n {
            let sum = V::multiply_add(b, q[i], V::multiply_add(a, p[i], y[i]));
            y[i] = V::multiply_add(d, s[i], V::multiply_add(c, r[i], sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Kernel};
    use crate::testing::values;

    struct Dot<'a>(&'a [f32], &'a [f32]);

    impl Kernel for Dot<'_> {
        type Output = f32;

        #[inline(always)]
        fn run<V: Lanes>(self, simd: Simd<V>) -> f32 {
            simd.dot(self.0, self.1)
        }
    }

    struct Axpys<'a>(&'a mut [f32], &'a [f32]);

    impl Kernel for Axpys<'_> {
        type Output = ();

        #[inline(always)]
        fn run<V: Lanes>(self, simd: Simd<V>) {
            let n = self.0.len();
            let count = self.1.len().checked_div(n).unwrap_or(0);
            simd.axpys(self.0, count, |i| (i as f32 - 1.5, &self.1[i * n..(i + 1) * n]));
        }
    }

    #[test]
    fn every_instruction_set_sums() {
        for isa in Isa::available() {
            for n in [0, 1, 15, 16, 63, 64, 65, 200, 768] {
                let (a, b) = (values(n, 1), values(n, 2));
                let products = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b));
                let want: f64 = products.sum();
                let got = isa.run(Dot(&a, &b));
                assert!((f64::from(got) - want).abs() < 1e-5, "{isa:?} {n}: {got} {want}");
                for terms in 0..7 {
                    let (mut y, x) = (values(n, 3), values(n * terms, 4));
                    let before = y.clone();
                    isa.run(Axpys(&mut y, &x));
                    for (i, got) in y.iter().enumerate() {
                        let add = (0..terms).map(|t| (t as f64 - 1.5) * f64::from(x[t * n + i]));
                        let want = f64::from(before[i]) + add.sum::<f64>();
                        assert!((f64::from(*got) - want).abs() < 1e-5, "{isa:?} {n} {terms}");
                    }
                }
            }
        }
    }
}
