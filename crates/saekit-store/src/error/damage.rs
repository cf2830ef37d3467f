//! Which errors are about a file that is damaged.

use std::io::ErrorKind;

use saekit_core::Error as CoreError;

use crate::Error;

impl Error {
    /// Whether it says that a file is damaged, missing, or not what it should be: nothing that will
    /// pass, or that another setting or another credential would change.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Core(CoreError::Io { source, .. }) => source.kind() == ErrorKind::UnexpectedEof,
            Self::MissingFile { .. }
            | Self::Size { .. }
            | Self::Hash { .. }
            | Self::Parquet { .. }
            | Self::ColumnType { .. }
            | Self::FooterKey { .. }
            | Self::Rows { .. }
            | Self::Page { .. }
            | Self::Damaged { .. }
            | Self::Checksum { .. }
            | Self::Unsupported { .. }
            | Self::IrregularRow { .. } => true,
            _ => false,
        }
    }
}

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
        assert!(Error::MissingFile { path: "a".into() }.is_damage());
    }
}
