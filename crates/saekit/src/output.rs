//! Where a verb writes.

use std::path::Path;

/// A folder to write, and whether what is there may be replaced (`--force`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output<'a> {
    /// The folder.
    pub(crate) dir: &'a Path,
    /// Whether a result of the same verb in it may be replaced.
    pub(crate) replace: bool,
}
