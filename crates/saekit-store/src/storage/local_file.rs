//! Files on a disk.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use saekit_core::{Error as CoreError, Result};

use crate::storage::Blob;

/// A file on a disk. It is opened anew for every read, since a store may have more shards than a
/// process may hold open.
#[derive(Debug)]
pub(super) struct LocalFile {
    path: PathBuf,
    identity: Identity,
    version: Option<String>,
}

/// The identity of a file: its size, the time of its last change in nanoseconds, and its inode, so that
/// another file with the same time is noticed too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    bytes: u64,
    changed: Option<u128>,
    inode: [u64; 2],
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Self {
        let changed = metadata.modified().ok();
        let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let changed = changed.map(|time| time.as_nanos());
        Self { bytes: metadata.len(), changed, inode: inode(metadata) }
    }
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> [u64; 2] {
    use std::os::unix::fs::MetadataExt as _;
    [metadata.dev(), metadata.ino()]
}

/// Elsewhere there is nothing of the kind.
#[cfg(not(unix))]
fn inode(_metadata: &fs::Metadata) -> [u64; 2] {
    [0; 2]
}

impl LocalFile {
    pub(super) fn new(path: PathBuf, metadata: &fs::Metadata) -> Self {
        let identity = Identity::of(metadata);
        let version = identity.changed.map(|changed| changed.to_string());
        Self { path, identity, version }
    }

    fn replaced(&self) -> CoreError {
        let problem = "it was truncated or replaced after it was opened; restore it with its time (`cp -p`), then run the same command again";
        CoreError::io("read", &self.path)(std::io::Error::other(problem))
    }
}

impl Blob for LocalFile {
    fn bytes(&self) -> u64 {
        self.identity.bytes
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let mut read = || {
            let file = File::open(&self.path)?;
            if Identity::of(&file.metadata()?) != self.identity {
                return Ok(false);
            }
            read_exact_at(&file, offset, out)?;
            Ok(true)
        };
        let same = read().map_err(CoreError::io("read", &self.path))?;
        if same { Ok(()) } else { Err(self.replaced()) }
    }
}

#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

/// Another thread may read elsewhere in the same file meanwhile, so its position is never relied on.
#[cfg(windows)]
pub(crate) fn read_exact_at(
    file: &File,
    mut offset: u64,
    mut out: &mut [u8],
) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !out.is_empty() {
        let read = file.seek_read(out, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        (offset, out) = (offset + read as u64, &mut out[read..]);
    }
    Ok(())
}
