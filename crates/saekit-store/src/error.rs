/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with a store, or with the rows on their way into one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the operating system, or of the contracts.
    #[error(transparent)]
    Core(#[from] saekit_core::Error),
}

impl From<Error> for saekit_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            error => Self::from_source(error),
        }
    }
}
