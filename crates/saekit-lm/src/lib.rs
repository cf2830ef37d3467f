//! Language models read from Hugging Face folders, with hook points, and their tokenizers.
//!
//! * [`Decoder`] is a [`saekit_core::LanguageModel`]: one forward pass, driven by a description of
//!   the architecture, on any [`Device`]. Activations are read or replaced at the TransformerLens
//!   names `blocks.{l}.hook_resid_pre`, `hook_attn_out`, `hook_resid_mid`, `hook_mlp_out` and
//!   `hook_resid_post`, and a pass stops after the last one that was asked for.
//! * [`HfTokenizer`] is a [`saekit_core::Tokenizer`] over `tokenizer.json`.
//! * [`check_tokenizer`] says whether the two belong together.
//!
//! ```no_run
//! use saekit_core::{HookPoint, LanguageModel as _, TokenBatch, Tokenizer as _};
//! use saekit_lm::{Decoder, Device, HfTokenizer, check_tokenizer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = std::path::Path::new("gpt2");
//! let model = Decoder::load(dir, &Device::flex())?;
//! let tokenizer = HfTokenizer::load(dir)?;
//! check_tokenizer(model.info(), &tokenizer)?;
//! let tokens = TokenBatch::new(&[tokenizer.encode("In the beginning")?.ids]);
//! let hook = HookPoint::new("blocks.6.hook_resid_post");
//! let activations = model.capture(&tokens, &[hook])?.remove(0); // [tokens, d_model]
//! # Ok(()) }
//! ```
//!
//! # Where a model family goes
//!
//! ```text
//! config.json ─ families/X.rs: blueprint ─> Blueprint ─┐
//! *.safetensors ─ Checkpoint ─ families/X.rs: weights ─> Weights ─┴─ network.rs: the one forward pass
//! ```
//!
//! A family is one file in `families/` and one line in the table of `families/mod.rs`: a function
//! from `config.json` to a `Blueprint`, and a function that says under which names and in which
//! layout the checkpoint keeps each weight. What the family does differently in the forward pass
//! becomes a variant of one of the `Blueprint`'s enums (norm, positions, residual, activation), and
//! the compiler then names the `match` in `network.rs` that has to learn it. A hook is a variant in
//! `hook.rs` and one `visit` in `network.rs`.

mod blueprint;
mod checkpoint;
mod cpu;
mod decoder;
mod error;
mod families;
mod hook;
mod network;
mod pieces;
mod tokenizer;
mod weights;

pub use burn::tensor::Device;
pub use decoder::Decoder;
pub use error::Error;
pub use tokenizer::{HfTokenizer, check_tokenizer};
