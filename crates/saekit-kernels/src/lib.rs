//! The arithmetic of sparse autoencoders on a CPU, over plain slices.
//!
//! The crate uses no tensor library and no file format. Matrices are row-major; both weights of a
//! dictionary are latent-major, `[d_sae, d]`, so that a latent's weights are one contiguous row.
//!
//! A training step is a few calls, parallel over the current rayon pool:
//! * [`centre`]: the rows minus `b_dec`; [`variance`]: the denominator of the FVU.
//! * [`encode()`]: rows to sparse codes, encoder and selection in one pass; [`Screener`]: the same codes,
//!   faster, over a sequence of batches.
//! * [`residual()`]: the target minus the reconstruction, and the derivative of the loss by each code value.
//! * [`CsrCodes::transpose`]: the same codes by latent.
//! * [`update()`]: each latent's gradient, built in cache and applied at once by Adam; or [`gradients`]
//!   and [`apply`] as two calls, where all gradients must be known first (clipping).
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
mod encoder;
mod gradient;
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
mod warm_start;
mod weights;

pub use adam::{AdamStep, adam_vector};
pub use codes::{CscCodes, CsrCodes, DENSE, Entry};
pub use decode::decode_row;
pub use encode::{Precision, encode, encode_screened};
pub use encoder::{Encoder, Screening};
pub use gradient::{StepInput, TermGrad};
pub use penalty::{add_l1, threshold_gradient};
pub use residual::{Decoder, Prefix, Residual, Target, residual};
pub use rounded::RoundedWeights;
pub use rows::{centre, variance};
pub use screener::{Screener, encode_once};
pub use select::{Sparsity, top_k};
pub use simd::{Isa, Screen, matmul_nt};
pub use update::{Parameters, apply, gradients, update};
pub use weights::{Moments, Weights};
