//! The encoder's weights rounded to bf16 for screening, with the norms of the rounding errors.
//!
//! ```text
//! for each latent:                                                  in parallel, 64 per task
//!     w' = bf16(w), two columns per word, in the order in which the screen's tiles read them
//!     ‖w‖, ‖w - w'‖
//! ```
//! Per latent, `4 d` bytes are read and `2 d` written. A training step does this where it updates the
//! weights, while they are in the first-level cache.

use rayon::prelude::*;

use crate::simd::{Aligned, Isa, Kernel, Lanes, Screen, Simd, from_bf16, pairs, to_bf16};
use crate::weights::TASK_LATENTS;

/// The norm of a vector and of its rounding error; or the largest of several vectors.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Norms {
    pub(crate) norm: f32,
    pub(crate) error: f32,
}

/// Lower bound of a norm that is not zero: squares of smaller values vanish.
const LEAST: f32 = 1e-12;

impl Norms {
    /// The larger of each.
    fn max(self, other: Self) -> Self {
        Self { norm: self.norm.max(other.norm), error: self.error.max(other.error) }
    }
}

/// An encoder's weights in bf16. They have to be kept equal to the f32 weights: [`update`](crate::update())
/// and [`apply`](crate::apply()) do that; call [`refresh`](Self::refresh) after any other change.
pub struct RoundedWeights {
    screen: Screen,
    d: usize,
    /// Whole tiles, padded with zeros.
    packed: Aligned<u32>,
    /// One per latent.
    norms: Vec<Norms>,
}

impl RoundedWeights {
    /// Rounds the weights `w_enc`, `[d_sae, d]`.
    ///
    /// # Panics
    /// If `w_enc` is not a whole number of rows.
    pub fn new(isa: Isa, screen: Screen, w_enc: &[f32], d: usize) -> Self {
        let d_sae = w_enc.len().checked_div(d).unwrap_or(0);
        let padded = d_sae.next_multiple_of(screen.tile().mr);
        let packed = Aligned::zeros(padded * pairs(d));
        let mut rounded = Self { screen, d, packed, norms: vec![Norms::default(); d_sae] };
        rounded.refresh(isa, w_enc);
        rounded
    }

    /// Rounds the weights again.
    ///
    /// # Panics
    /// If there are more or fewer than before.
    pub fn refresh(&mut self, isa: Isa, w_enc: &[f32]) {
        let d = self.d;
        assert_eq!(w_enc.len(), self.norms.len() * d, "as many weights as before");
        let parts: Vec<_> = self.tasks().zip(w_enc.chunks((TASK_LATENTS * d).max(1))).collect();
        parts.into_par_iter().for_each(|(part, w_enc)| isa.run(Refresh { part, w_enc, d }));
    }

    /// Whether the weights are `[d_sae, d]`.
    pub(crate) fn fit(&self, d_sae: usize, d: usize) -> bool {
        (self.norms.len(), self.d) == (d_sae, d)
    }

    /// The screen that multiplies them.
    pub(crate) fn screen(&self) -> Screen {
        self.screen
    }

    /// The weights of tile number `tile`; `None` past the last.
    pub(crate) fn tile(&self, tile: usize) -> Option<&[u32]> {
        let size = self.screen.tile().mr * pairs(self.d);
        self.packed.get(tile * size..(tile + 1) * size)
    }

    /// The largest `‖w‖` and `‖w - w'‖` of each tile.
    pub(crate) fn tile_norms(&self) -> Vec<Norms> {
        let tiles = self.norms.chunks(self.screen.tile().mr);
        tiles.map(|tile| tile.iter().copied().fold(Norms::default(), Norms::max)).collect()
    }

    /// The part that each task of latents writes.
    pub(crate) fn tasks(&mut self) -> impl Iterator<Item = RoundedPart<'_>> {
        let (screen, width) = (self.screen, pairs(self.d));
        let packed = self.packed.chunks_mut((TASK_LATENTS * width).max(1));
        let parts = packed.zip(self.norms.chunks_mut(TASK_LATENTS));
        parts.map(move |(packed, norms)| RoundedPart { screen, width, packed, norms })
    }
}

/// The bf16 weights of a range of latents.
pub(crate) struct RoundedPart<'a> {
    screen: Screen,
    width: usize,
    packed: &'a mut [u32],
    norms: &'a mut [Norms],
}

impl RoundedPart<'_> {
    /// Rounds the weights `row`, `[d]`, of latent number `i` of the range.
    #[inline(always)]
    pub(crate) fn set<V: Lanes>(&mut self, simd: Simd<V>, i: usize, row: &[f32]) {
        let Self { screen, width, packed, norms } = self;
        norms[i] = round(simd, row, |line, pairs| {
            packed[screen.place(i, line, *width)..][..16].copy_from_slice(pairs);
        });
    }
}

struct Refresh<'a> {
    part: RoundedPart<'a>,
    w_enc: &'a [f32],
    d: usize,
}

impl Kernel for Refresh<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(mut self, simd: Simd<V>) {
        for (i, row) in self.w_enc.chunks_exact(self.d).enumerate() {
            self.part.set(simd, i, row);
        }
    }
}

/// A row of the batch, rounded to pairs of columns.
pub(crate) struct RoundRow<'a> {
    pub(crate) row: &'a [f32],
    /// At least `pairs(d)`.
    pub(crate) pairs: &'a mut [u32],
}

impl Kernel for RoundRow<'_> {
    type Output = Norms;

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) -> Norms {
        round(simd, self.row, |line, pairs| {
            self.pairs[16 * line..][..16].copy_from_slice(pairs);
        })
    }
}

/// Rounds a row, passes its pairs to `put`, sixteen at a time, and returns its norms.
#[inline(always)]
fn round<V: Lanes>(simd: Simd<V>, row: &[f32], mut put: impl FnMut(usize, &[u32; 16])) -> Norms {
    let (mut squares, mut lost) = ([0.0_f32; 16], [0.0_f32; 16]);
    let (lines, rest) = row.as_chunks::<32>();
    for (i, line) in lines.iter().enumerate() {
        put(i, &round_line(simd, line, &mut squares, &mut lost));
    }
    if !rest.is_empty() {
        let mut line = [0.0; 32];
        line[..rest.len()].copy_from_slice(rest);
        put(lines.len(), &round_line(simd, &line, &mut squares, &mut lost));
    }
    let length = |squares: [f32; 16]| squares.iter().sum::<f32>().sqrt();
    let (norm, error) = (length(squares), length(lost));
    // Squares of very small values vanish: such a row counts as longer.
    let is_small = norm < LEAST || error < LEAST;
    let least = if is_small && row.iter().any(|v| *v != 0.0) { LEAST } else { 0.0 };
    Norms { norm: norm.max(least), error: error.max(least) }
}

#[inline(always)]
fn round_line<V: Lanes>(
    simd: Simd<V>,
    line: &[f32; 32],
    squares: &mut [f32; 16],
    lost: &mut [f32; 16],
) -> [u32; 16] {
    let mut pairs = [0; 16];
    for i in 0..16 {
        let (low, high) = (line[2 * i], line[2 * i + 1]);
        let (a, b) = (to_bf16(low), to_bf16(high));
        let (low_lost, high_lost) = (low - from_bf16(a), high - from_bf16(b));
        squares[i] = simd.multiply_add(high, high, simd.multiply_add(low, low, squares[i]));
        lost[i] = simd.multiply_add(high_lost, high_lost, lost[i]);
        lost[i] = simd.multiply_add(low_lost, low_lost, lost[i]);
        pairs[i] = a | b << 16;
    }
    pairs
}
