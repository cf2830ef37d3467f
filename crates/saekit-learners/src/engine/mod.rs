//! The seam between training methods and what computes them: a few coarse operations.
//!
//! An architecture is written once, over [`Engine`]; an engine keeps the parameters and Adam's
//! moments where it computes. There are two:
//! * [`HostEngine`]: the sparse kernels of `saekit-kernels`, on the CPU.
//! * [`TensorEngine`]: dense tensor operations, on any device, and the oracle of the other.
//!
//! A step of an architecture:
//! ```text
//! load the batch                                   x centred by b_dec
//! encode -> codes                                  the active latents of each row
//! explain -> residual                              what they leave of the target, d loss / d values
//! encode, explain again                            AuxK: dead latents, the error as their target
//! update                                           gradients, projection, Adam, unit norms
//! ```
//! [`gradients`](Engine::gradients) and [`apply`](Engine::apply) do what
//! [`update`](Engine::update) does, in two: clipping by the norm of all gradients, or adding those of
//! another machine, has to know them before.

mod host;
mod tensor;

pub use host::HostEngine;
use saekit_core::{Batch, State};
use saekit_kernels::{AdamStep, Prefix, Select};
pub use tensor::TensorEngine;

use crate::Result;

/// What codes are asked to explain.
#[derive(Debug)]
pub enum Goal<'a, R> {
    /// The batch's target, with the decoder's bias.
    Target,
    /// What another explanation's last prefix left of its goal, times that prefix's weight, and
    /// without the bias; no gradient reaches that one.
    Error(&'a R),
}

/// Codes of a batch and what they left.
#[derive(Debug)]
pub struct Explained<C, R> {
    /// The codes.
    pub codes: C,
    /// What they left.
    pub residual: R,
}

/// Coarse operations of sparse autoencoders on one device; see the [module](self).
///
/// `B` rows a batch, of width `d_in = d_out`; `d_sae` latents.
pub trait Engine: Send {
    /// Active latents of the rows of a batch.
    type Codes: Send;
    /// What codes left of their goal, and the loss's derivative by their values.
    type Residual: Send;
    /// Gradients of all parameters.
    type Grads: Send;
    /// A number that may still be on its way from the device.
    type Scalar: Send;

    /// Width of the rows.
    fn d_in(&self) -> usize;

    /// Number of latents.
    fn d_sae(&self) -> usize;

    /// Sets the decoder's bias, `[d_out]`.
    fn set_b_dec(&mut self, b_dec: &[f32]) -> Result<()>;

    /// Takes the rows of the next step.
    fn load(&mut self, batch: &Batch<'_>) -> Result<()>;

    /// The active latents of the batch, among those listed (ascending) or among all.
    fn encode(&mut self, select: Select<'_>, among: Option<&[u32]>) -> Result<Self::Codes>;

    /// The latents of `codes` whose value is positive, once for each row.
    fn fired<'a>(&self, codes: &'a Self::Codes) -> Box<dyn Iterator<Item = u32> + 'a>;

    /// Compares the decoded `codes` with their goal `y`. The loss's term is
    /// `weight · Σ_p w_p Σ (y - ŷ_p)² / Σ (y - ȳ)²`, where `ŷ_p` is decoded from the latents of prefix
    /// `p` alone; `prefixes` ascend and the last is the whole dictionary.
    fn explain(
        &mut self,
        codes: &Self::Codes,
        goal: Goal<'_, Self::Residual>,
        prefixes: &[Prefix],
        weight: f64,
    ) -> Result<Self::Residual>;

    /// The fraction of the goal's variance that is left, `Σ (y - ŷ)² / Σ (y - ȳ)²`, by the last prefix.
    fn left(&self, residual: &Self::Residual) -> Self::Scalar;

    /// `sum + term`.
    fn add(&self, sum: Self::Scalar, term: Self::Scalar) -> Self::Scalar;

    /// What the engine has counted since it was last asked, by name; nothing unless it counts.
    fn take_counts(&mut self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Waits for a number.
    fn read(&self, scalar: Self::Scalar) -> Result<f64>;

    /// Moves the parameters against the gradient of all the terms together: the decoder's part
    /// projected, its rows kept at unit norm.
    fn update(
        &mut self,
        terms: Vec<Explained<Self::Codes, Self::Residual>>,
        adam: AdamStep,
    ) -> Result<()>;

    /// The gradients that [`update`](Self::update) would use, the decoder's part projected.
    fn gradients(
        &mut self,
        terms: Vec<Explained<Self::Codes, Self::Residual>>,
    ) -> Result<Self::Grads>;

    /// Moves the parameters against `grads`, shrunk together to a Euclidean norm of at most `limit`.
    fn apply(&mut self, grads: Self::Grads, limit: Option<f64>, adam: AdamStep) -> Result<()>;

    /// Parameters and moments: `w_enc` and `w_dec`, `[d_sae, d]`, `b_enc` and `b_dec`, and each name
    /// with `.first_moment` and `.second_moment`.
    fn state(&self) -> Result<State>;

    /// Takes parameters and moments from a `state` of the same sizes.
    fn restore(&mut self, state: &State) -> saekit_core::Result<()>;

    /// The parameters on the host: `w_enc`, `b_enc`, `w_dec`, `b_dec`.
    fn weights(&self) -> Result<saekit_kernels::Weights>;
}

/// Where a parameter's moments are in a [`State`].
pub(crate) fn moment_names(parameter: &str) -> [String; 2] {
    [format!("{parameter}.first_moment"), format!("{parameter}.second_moment")]
}
