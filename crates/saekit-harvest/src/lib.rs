//! From text or token ids to a store of activations.
//!
//! [`Harvest::prepare`] reads and checks every document and puts them in a seeded order,
//! [`Harvest::quote`] says what is to come, and [`Harvest::run`] packs their tokens into contexts,
//! runs the model once over each and stores the activations at one or several hook points:
//!
//! ```text
//! documents --shuffled--> tokens --packed--> [BOS, tokens...] --forward--> rows --> store
//! ```
//!
//! * Documents come from files of text, JSON lines or parquet, told by their extension. A record
//!   of token ids is a sequence by itself and taken as it is.
//! * Each context begins with BOS, and BOS parts documents within it, where the tokenizer has one.
//!   A context that the last document leaves unfilled is kept, unless it is a single token.
//! * Rows of special tokens are left out unless asked for. The tokens table holds all tokens.
//! * The same input, settings and model give the same store, byte for byte.
//! * A harvest that was stopped goes on after its last whole shard, and the store is the same.
//! * [`Harvest::produce`] and [`Harvest::live`] give the rows to training without a store.
//! * Memory is bounded by a shard, a few batches and eight bytes a document. Documents wait on
//!   disk, in an unnamed file that no end of the process can leave behind.
//!
//! Models and tokenizers are known by their contracts only. A format of documents is a file in
//! `source/` and a line in its list.

mod capture;
mod config;
mod corpus;
mod error;
mod harvest;
mod inputs;
mod pack;
mod place;
mod quote;
mod settings;
mod source;
mod tokens;

pub use config::HarvestConfig;
pub use error::{Error, Result};
pub use harvest::{Harvest, HarvestReport};
pub use quote::Quote;
