/// The result of building or stepping a learner.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in a learner.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range.
    #[error("`{setting}` is {found}, expected {expected}")]
    Setting {
        /// The key in the configuration.
        setting: &'static str,
        /// Its value.
        found: String,
        /// The allowed values.
        expected: String,
    },
    /// The loss or a weight is no longer finite.
    #[error(
        "the loss or a weight became {loss}; lower the learning rate or set `clip_norm`, and look for outlier rows \
         with `saekit inspect`"
    )]
    Diverged {
        /// The loss.
        loss: f64,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl From<Error> for saekit_core::Error {
    fn from(error: Error) -> Self {
        Self::from_source(error)
    }
}
