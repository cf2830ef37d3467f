//! The parameters of a sparse autoencoder, and values of the same shapes.

use rayon::prelude::*;

use crate::simd::{Isa, Kernel, Lanes, Simd};

/// Latents per task.
pub(crate) const TASK_LATENTS: usize = 64;

/// One value per parameter of a sparse autoencoder: the parameters themselves, their gradients, or their
/// moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// `[d_sae, d_in]`.
    pub w_enc: Vec<f32>,
    /// `[d_sae]`.
    pub b_enc: Vec<f32>,
    /// `[d_sae, d_out]`.
    pub w_dec: Vec<f32>,
    /// `[d_out]`.
    pub b_dec: Vec<f32>,
}

/// Adam's moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Running mean of the gradients.
    pub first: Weights,
    /// Running mean of their squares.
    pub second: Weights,
}

impl Weights {
    /// Zeros for `d_sae` latents.
    pub fn zeros(d_sae: usize, d_in: usize, d_out: usize) -> Self {
        Self {
            w_enc: vec![0.0; d_sae * d_in],
            b_enc: vec![0.0; d_sae],
            w_dec: vec![0.0; d_sae * d_out],
            b_dec: vec![0.0; d_out],
        }
    }

    /// Zeros like these.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let d_sae = self.b_enc.len();
        Self::zeros(d_sae, self.w_enc.len() / d_sae.max(1), self.b_dec.len())
    }

    /// Euclidean norm of all values together.
    pub fn norm(&self, isa: Isa) -> f64 {
        let squares = |values: &[f32]| -> f64 {
            let parts: Vec<f64> =
                values.par_chunks(1 << 14).map(|v| f64::from(isa.run(Squares(v)))).collect();
            parts.iter().sum()
        };
        [&self.w_enc, &self.b_enc, &self.w_dec, &self.b_dec]
            .map(|v| squares(v))
            .iter()
            .sum::<f64>()
            .sqrt()
    }

    pub(crate) fn tasks(&mut self) -> impl Iterator<Item = Part<'_>> {
        let (d_in, d_out) = (self.d_in(), self.b_dec.len());
        let encoder = self.w_enc.chunks_mut((TASK_LATENTS * d_in).max(1));
        let decoder = self.w_dec.chunks_mut((TASK_LATENTS * d_out).max(1));
        let biases = self.b_enc.chunks_mut(TASK_LATENTS);
        let parts = biases.zip(encoder).zip(decoder);
        parts.map(|((b_enc, w_enc), w_dec)| Part { w_enc, b_enc, w_dec })
    }

    pub(crate) fn sizes(&self) -> [usize; 4] {
        [&self.w_enc, &self.b_enc, &self.w_dec, &self.b_dec].map(Vec::len)
    }

    pub(crate) fn d_in(&self) -> usize {
        self.w_enc.len() / self.b_enc.len().max(1)
    }
}

impl Moments {
    /// Zero moments of `weights`.
    pub fn new(weights: &Weights) -> Self {
        Self { first: weights.zeros_like(), second: weights.zeros_like() }
    }

    pub(crate) fn fit(&self, weights: &Weights) -> bool {
        [&self.first, &self.second].iter().all(|moment| moment.sizes() == weights.sizes())
    }
}

/// The values of a range of latents.
pub(crate) struct Part<'a> {
    pub(crate) w_enc: &'a mut [f32],
    pub(crate) b_enc: &'a mut [f32],
    pub(crate) w_dec: &'a mut [f32],
}

/// `Σ v²`.
pub(crate) struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<V: Lanes>(self, simd: Simd<V>) -> f32 {
        simd.dot(self.0, self.0)
    }
}
