//! Where a record is, for messages.

use std::fmt;
use std::path::Path;

/// A record in its file, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// The whole file.
    File(&'a Path),
    /// A line, counted from 1.
    Line(&'a Path, u64),
    /// A row, counted from 0.
    Row(&'a Path, u64),
}

impl Place<'_> {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Line(path, _) | Self::Row(path, _) => path,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Row(path, row) => write!(f, "{}, row {row}", path.display()),
        }
    }
}
