//! The encoder's weights rounded to bf16, as screening multiplies them, with the norms of what is left.
//!
//! ```text
//! for each latent:                                                  in parallel, 64 a task
//!     w' = bf16(w), two columns a word, laid out as the screen's tiles are read
//!     ‖w‖, ‖w - w'‖
//! ```
//! `4 d` bytes a latent read, `2 d` written. A training step does this where it moves the weights, so
//! that they are in the innermost cache.

use rayon::prelude::*;

use crate::simd::{Aligned, Isa, Kernel, Lanes, Screen, Simd, from_bf16, pairs, to_bf16};
use crate::weights::TASK_LATENTS;

/// Length of a vector, or the largest of several; and of what rounding took from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Norms {
    pub(crate) norm: f32,
    pub(crate) error: f32,
}

/// What a norm is taken for at the least, unless it is zero: squares of what is smaller vanish.
const LEAST: f32 = 1e-12;

impl Norms {
    /// The larger of each.
    fn max(self, other: Self) -> Self {
        Self { norm: self.norm.max(other.norm), error: self.error.max(other.error) }
    }
}

/// An encoder's weights in bf16. They have to follow those in f32: [`update`](crate::update()) and
/// [`apply`](crate::apply()) do that, [`refresh`](Self::refresh) after anything else.
pub struct RoundedWeights {
    screen: Screen,
    d: usize,
    /// Whole tiles, padded with zeros.
    packed: Aligned<u32>,
    /// A latent each.
    norms: Vec<Norms>,
}

impl RoundedWeights {
    /// Of the weights `w_enc`, `[d_sae, d]`.
    ///
    /// # Panics
    /// If these are no whole number of rows.
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

    /// Whether these are weights of that shape.
    pub(crate) fn fit(&self, d_sae: usize, d: usize) -> bool {
        (self.norms.len(), self.d) == (d_sae, d)
    }

    /// The screen that multiplies them.
    pub(crate) fn screen(&self) -> Screen {
        self.screen
    }

    /// The weights of tile number `tile`, where there is one.
    pub(crate) fn tile(&self, tile: usize) -> Option<&[u32]> {
        let size = self.screen.tile().mr * pairs(self.d);
        self.packed.get(tile * size..(tile + 1) * size)
    }

    /// A tile's largest `‖w‖` and `‖w - w'‖`, for each tile.
    pub(crate) fn tile_norms(&self) -> Vec<Norms> {
        let tiles = self.norms.chunks(self.screen.tile().mr);
        tiles.map(|tile| tile.iter().copied().fold(Norms::default(), Norms::max)).collect()
    }

    /// What each task of latents has to write.
    pub(crate) fn tasks(&mut self) -> impl Iterator<Item = RoundedPart<'_>> {
        let (screen, width) = (self.screen, pairs(self.d));
        let packed = self.packed.chunks_mut((TASK_LATENTS * width).max(1));
        let parts = packed.zip(self.norms.chunks_mut(TASK_LATENTS));
        parts.map(move |(packed, norms)| RoundedPart { screen, width, packed, norms })
    }
}

/// Some latents' weights in bf16.
pub(crate) struct RoundedPart<'a> {
    screen: Screen,
    width: usize,
    packed: &'a mut [u32],
    norms: &'a mut [Norms],
}

impl RoundedPart<'_> {
    /// Rounds the weights `row` of latent number `i` of these.
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
    /// At least as many as a row has.
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

/// Hands on a row's pairs, sixteen at a time, and measures it.
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
    // Squares of what is very small vanish: the row counts as longer then.
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
