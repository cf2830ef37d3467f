use std::result;

/// The result of this crate's functions.
pub type Result<T, E = Error> = result::Result<T, E>;

/// What can go wrong while pages are written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the operating system, with the file it concerns.
    #[error("{0}")]
    Core(#[from] saekit_core::Error),

    /// A feature of another codec.
    #[error("latent {latent} is not one of the {d_code} latents of the codec the site is about")]
    UnknownLatent {
        /// The feature's number.
        latent: u32,
        /// Latents of the codec.
        d_code: usize,
    },
    /// A feature that the site has already.
    #[error("feature {latent} was given twice")]
    Twice {
        /// The feature's number.
        latent: u32,
    },
    /// A site that lacks features.
    #[error("the site was given {found} features, expected {expected}, one a latent")]
    Incomplete {
        /// Features given.
        found: usize,
        /// Latents of the codec.
        expected: usize,
    },
}

saekit_core::as_core_error!(Error);
