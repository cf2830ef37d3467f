//! Buffers that begin at a cache line, so that no load of a whole register touches two.

use std::ops::{Deref, DerefMut};

/// A cache line of values.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line<T>([T; 16]);

/// Values, of four bytes each, that begin at a cache line.
pub(crate) struct Aligned<T> {
    lines: Vec<Line<T>>,
    len: usize,
}

/// Four bytes of which any are a value.
pub(crate) trait Word: Copy + Default + Send + Sync {}
impl Word for f32 {}
impl Word for u32 {}

impl<T: Word> Aligned<T> {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        const { assert!(size_of::<T>() == 4, "sixteen values fill a line") };
        Self { lines: vec![Line([T::default(); 16]); len.div_ceil(16)], len }
    }
}

impl<T: Word> Deref for Aligned<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: a line is sixteen values without padding, lines follow one another, and there are
        // at least `len` values in them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Word> DerefMut for Aligned<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_begin_at_a_line() {
        for len in [0, 1, 16, 17, 1000] {
            let mut values = Aligned::<f32>::zeros(len);
            assert_eq!((values.len(), values.as_ptr().addr() % 64), (len, 0));
            values.fill(2.0);
            assert!(values.iter().all(|v| *v == 2.0));
        }
    }
}
