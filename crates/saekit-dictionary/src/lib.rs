//! The sparse dictionary: one struct for every sparse autoencoder and transcoder there is to read,
//! however it was trained.
//!
//! * [`Dictionary`] is the canonical, latent-major form; it implements [`saekit_core::Codec`].
//! * [`fold`](Dictionary::fold_scale) and its siblings are the identities between equivalent
//!   dictionaries.
//! * [`format`](mod@format): the layouts dictionaries are read from and written to.

mod activation;
mod codec;
mod dictionary;
mod encode;
mod error;
mod fold;
pub mod format;

pub use activation::{Activation, Normalisation, Reshape};
pub use dictionary::Dictionary;
pub use error::{Error, Result};
