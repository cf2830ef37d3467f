//! The seam between training methods and the code that computes them: a few coarse operations.
//!
//! An architecture is written once, over [`Engine`]. An engine holds the parameters and Adam's moments on its
//! device. There are two:
//! * [`HostEngine`]: the sparse kernels of `saekit-kernels`, on the CPU.
//! * [`TensorEngine`]: dense tensor operations, on any device; the other is tested against it.
//!
//! A step of an architecture:
//! ```text
//! load the batch                                   x centred by b_dec
//! encode -> codes                                  the active latents of each row
//! residual                                         target minus reconstruction, d loss / d values
//! encode, residual again                           AuxK: dead latents, the error as their target
//! update                                           gradients, projection, Adam, unit norms
//! ```
//! [`gradients`](Engine::gradients) and [`apply`](Engine::apply) are [`update`](Engine::update) as two calls,
//! where all gradients must be known first: to clip them by their norm, or to add those of another machine.

mod host;
mod tensor;

pub use host::HostEngine;
use saekit_core::{Batch, State};
use saekit_kernels::{AdamStep, Prefix, Sparsity};
pub use tensor::TensorEngine;

use crate::Result;

/// The rows that codes have to reconstruct.
#[derive(Debug)]
pub enum Objective<'a, R> {
    /// The batch's target. The decoder's bias takes part.
    Batch,
    /// The weighted residual of another term's last prefix. The decoder's bias does not take part, and the
    /// residual is constant: no gradient flows into that term.
    Residual(&'a R),
}

/// A term of the loss: codes, and the residual of their reconstruction.
#[derive(Debug)]
pub struct LossTerm<C, R> {
    /// The codes.
    pub codes: C,
    /// The objective minus the reconstruction.
    pub residual: R,
}

/// Coarse operations of sparse autoencoders on one device; see the [module](self).
///
/// A batch has `B` rows of width `d_in = d_out`; there are `d_sae` latents.
pub trait Engine: Send {
    /// Active latents of the rows of a batch.
    type Codes: Send;
    /// The objective minus the reconstruction, and the derivative of the loss by each code value.
    type Residual: Send;
    /// Gradients of all parameters.
    type Grads: Send;
    /// A number on the device; [`read`](Self::read) waits for it.
    type Scalar: Send;

    /// Width of the rows.
    fn d_in(&self) -> usize;

    /// Number of latents.
    fn d_sae(&self) -> usize;

    /// Sets the decoder's bias, `[d_out]`.
    fn set_b_dec(&mut self, b_dec: &[f32]) -> Result<()>;

    /// Loads the rows of the next step.
    fn load(&mut self, batch: &Batch<'_>) -> Result<()>;

    /// Returns the active latents of the batch, among `latents` (ascending ids) or among all.
    fn encode(&mut self, sparsity: Sparsity<'_>, latents: Option<&[u32]>) -> Result<Self::Codes>;

    /// The latents of `codes` with a positive value; a latent comes once per row it is active in.
    fn active_latents<'a>(&self, codes: &'a Self::Codes) -> Box<dyn Iterator<Item = u32> + 'a>;

    /// Decodes `codes` and subtracts the result from the objective `y`. The loss gets the term
    /// `weight · Σ_p w_p Σ (y - ŷ_p)² / Σ (y - ȳ)²`, where `ŷ_p` is decoded from the latents of prefix `p`
    /// alone. `prefixes` ascend; the last is the whole dictionary.
    fn residual(
        &mut self,
        codes: &Self::Codes,
        objective: Objective<'_, Self::Residual>,
        prefixes: &[Prefix],
        weight: f64,
    ) -> Result<Self::Residual>;

    /// FVU of the last prefix: `Σ (y - ŷ)² / Σ (y - ȳ)²`.
    fn fvu(&self, residual: &Self::Residual) -> Self::Scalar;

    /// `sum + term`.
    fn add(&self, sum: Self::Scalar, term: Self::Scalar) -> Self::Scalar;

    /// Returns the engine's counters by name, and resets them; empty where it has none.
    fn take_counts(&mut self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Returns a number, once the device has computed it.
    fn read(&self, scalar: Self::Scalar) -> Result<f64>;

    /// One step of Adam on the gradient of all `terms` together. The decoder's gradient is projected, so that
    /// its rows keep unit norm.
    fn update(
        &mut self,
        terms: Vec<LossTerm<Self::Codes, Self::Residual>>,
        adam: AdamStep,
    ) -> Result<()>;

    /// Returns the gradients that [`update`](Self::update) would apply, the decoder's projected.
    fn gradients(
        &mut self,
        terms: Vec<LossTerm<Self::Codes, Self::Residual>>,
    ) -> Result<Self::Grads>;

    /// One step of Adam on `grads`, scaled down together to a Euclidean norm of at most `limit`.
    fn apply(&mut self, grads: Self::Grads, limit: Option<f64>, adam: AdamStep) -> Result<()>;

    /// Parameters and moments: `w_enc` and `w_dec`, `[d_sae, d]`, `b_enc` and `b_dec`, and each name
    /// with `.first_moment` and `.second_moment`.
    fn state(&self) -> Result<State>;

    /// Replaces parameters and moments by those of a `state` of the same sizes.
    fn restore(&mut self, state: &State) -> saekit_core::Result<()>;

    /// The parameters on the host: `w_enc`, `b_enc`, `w_dec`, `b_dec`.
    fn weights(&self) -> Result<saekit_kernels::Weights>;
}

/// The names of a parameter's two moments in a [`State`].
pub(crate) fn moment_names(parameter: &str) -> [String; 2] {
    [format!("{parameter}.first_moment"), format!("{parameter}.second_moment")]
}
