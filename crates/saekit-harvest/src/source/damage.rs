//! What a library says or asserts of a damaged file, as an error that names the file.

use std::io::Read as _;
use std::path::Path;

use saekit_core::{Error as CoreError, STAND_IN_BYTES, border, input};

use crate::error::{Error, Result};

/// Runs `read`, which reads `path` through a library that may panic on damage.
pub(super) fn caught<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    border::caught(read).unwrap_or_else(|reason| Err(Error::damaged(path, &reason)))
}

/// Fails where the file `path` does not begin with `magic` and stands in for another.
pub(super) fn refuse_stand_in(path: &Path, magic: &[u8]) -> Result<()> {
    let mut head = Vec::new();
    let mut file = input::open(path)?.take(STAND_IN_BYTES as u64);
    file.read_to_end(&mut head).map_err(CoreError::io("read", path))?;
    if head.starts_with(magic) { Ok(()) } else { Ok(input::check_head(path, &head)?) }
}
