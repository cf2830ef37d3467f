//! The errors of a store, in five enums by their subject.
//!
//! A new variant goes into the enum of its subject: [`PlaceError`] for which files of a
//! place are read, [`OpenError`] for what they hold or a setting asks of them, [`DamageError`] for a file that is broken (such files can be skipped), [`StreamError`] for
//! reading rows of an open store, [`WriteError`] for rows on their way into one. Each converts into
//! [`Error`]: `Err(DamageError::Size { .. }.into())`, or `?`.

mod damage;
mod open;
mod place;
mod stream;
mod write;

use std::io::ErrorKind;

use saekit_core::Error as CoreError;

pub use self::damage::DamageError;
pub use self::open::OpenError;
pub use self::place::PlaceError;
pub use self::stream::StreamError;
pub use self::write::WriteError;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a store, or of the rows on their way into one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the operating system, or of the contracts.
    #[error("{0}")]
    Core(#[from] CoreError),
    /// The files of a place cannot be read as one thing, or not as what was chosen.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A store, or files of other tools, cannot be opened as asked.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file is damaged, missing, or not as its format says.
    #[error(transparent)]
    Damage(#[from] DamageError),
    /// Rows of an open store cannot be read as asked.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Rows cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Error {
    /// Whether a file is damaged, missing, or not what it should be: nothing that will pass, or that
    /// another setting or another credential would change. A file that ends early is damaged, although
    /// the system reports that.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Damage(_) => true,
            Self::Core(CoreError::Io { source, .. }) => source.kind() == ErrorKind::UnexpectedEof,
            _ => false,
        }
    }

    /// This crate's error inside of a contract's.
    pub(crate) fn from_core(error: CoreError) -> Self {
        match error {
            CoreError::Implementation(source) => match source.downcast::<Self>() {
                Ok(own) => *own,
                Err(source) => Self::Core(CoreError::Implementation(source)),
            },
            other => Self::Core(other),
        }
    }
}

saekit_core::as_core_error!(Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_pass_or_may_be_allowed_is_no_damage() {
        let io = |kind: ErrorKind| Error::from(CoreError::io("read", "a".as_ref())(kind.into()));
        assert!(io(ErrorKind::UnexpectedEof).is_damage());
        assert!(!io(ErrorKind::PermissionDenied).is_damage());
        assert!(!Error::from(CoreError::Interrupted).is_damage());
        let far = CoreError::Implementation("the token has expired".into());
        assert!(!Error::from(far).is_damage());
        assert!(Error::from(DamageError::MissingFile { path: "a".into() }).is_damage());
    }
}
