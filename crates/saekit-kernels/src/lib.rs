//! The arithmetic of sparse autoencoders on a CPU, over plain slices.
//!
//! No tensor library and no file format is known here. Matrices are row-major; both weights of a
//! dictionary are latent-major, `[d_sae, d]`, so that a latent's weights are one contiguous row.
//!
//! A training step is a few calls, parallel over the current rayon pool:
//! * [`centre`]: the rows less `b_dec`; [`variance`]: what there is to explain.
//! * [`encode()`]: rows to sparse codes, encoder and selection in one; [`Screener`]: the faster way to
//!   the same codes, batch after batch.
//! * [`residual()`]: what the codes leave of the target, and the loss's derivative by their values.
//! * [`SparseRows::by_latent`]: the same codes seen from the latents.
//! * [`update()`]: each latent's gradient, built in cache and applied at once by Adam; or
//!   [`gradients`] and [`apply`], where something has to be known of all gradients before.
//!
//! Every function gives the same values, bit for bit, whatever the number of threads.
//! `docs/kernels.md` has each algorithm with its bytes, flops and measured share of the machine.

#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined would not have its caller's instruction set"
)]

mod adam;
mod codes;
mod decode;
mod encode;
mod gradient;
mod head_start;
mod pass;
mod penalty;
mod product;
mod rescore;
mod residual;
mod rounded;
mod rows;
mod screener;
mod select;
mod simd;
#[cfg(test)]
mod testing;
mod update;
mod weights;

pub use adam::{AdamStep, adam_vector};
pub use codes::{ByLatent, DENSE, Entry, SparseRows};
pub use decode::decode_row;
pub use encode::{Encoder, Precision, Screening, encode, encode_screened};
pub use gradient::{Batch, Pull};
pub use penalty::{add_l1, threshold_gradient};
pub use residual::{Decoder, Prefix, Residual, Target, residual};
pub use rounded::RoundedWeights;
pub use rows::{centre, variance};
pub use screener::{Screener, encode_once};
pub use select::{Select, top_k};
pub use simd::{Isa, Screen, matmul_nt};
pub use update::{Parameters, apply, gradients, update};
pub use weights::{Moments, Weights};
