//! Files wherever they lie: the operations that a store needs of a disk, a bucket or a hub.

pub(crate) mod folder;
pub(crate) mod local_file;

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saekit_core::files::HashingWriter;
use saekit_core::{Error as CoreError, Result, STAND_IN_BYTES, stand_in};

use crate::error::{DamageError, Error};

/// Bytes read at a time where a whole file is hashed.
const HASHED_AT_ONCE: usize = 4 << 20;

/// A place with files: a folder, a bucket's prefix, a dataset on the Hub.
///
/// Paths are relative to it and have `/` between their parts. What is read is never cached in
/// memory here; an implementation that reaches over a network retries what may pass, and keeps
/// secrets out of every message.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Where it is, as people write it: a path, or an address such as `s3://bucket/acts`.
    fn location(&self) -> &Path;

    /// Whether there is such a place at all; where that cannot be told, there is.
    fn exists(&self) -> Result<bool> {
        Ok(true)
    }

    /// The version of all files together, where the place keeps several: on the Hub the commit.
    fn revision(&self) -> Option<&str> {
        None
    }

    /// Whether its files were named one by one, so that none of them may be left out.
    fn is_picked(&self) -> bool {
        false
    }

    /// Every file in it, also in folders of folders, ascending by path. What is in a folder whose
    /// name begins with a dot need not be listed.
    fn list(&self) -> Result<Vec<Listed>>;

    /// The file at `path`; `None` where there is none.
    fn open(&self, path: &str) -> Result<Option<Arc<dyn Blob>>>;

    /// The name of the file at `path` in messages.
    fn path(&self, path: &str) -> PathBuf {
        self.location().join(path)
    }
}

/// A file of a [`Storage`], as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Relative to the storage, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Why it cannot be opened, where that is known.
    pub fault: Option<Fault>,
}

impl Listed {
    /// A file of `bytes` bytes at `path`.
    pub fn new(path: impl Into<String>, bytes: u64) -> Self {
        Self { path: path.into(), bytes, fault: None }
    }
}

/// Why a path that is listed is not a file that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its name is not UTF-8. The path has replacement characters in it.
    Name,
    /// It is a link to this path, where nothing is.
    Link(PathBuf),
    /// It is a pipe, a socket or a device.
    Special,
}

/// The bytes of one file, as they were when it was opened.
///
/// A file that has been replaced since is an error of [`read_at`](Self::read_at), never other bytes.
pub trait Blob: fmt::Debug + Send + Sync {
    /// Its size.
    fn bytes(&self) -> u64;

    /// Something that changes whenever its bytes do, such as an etag; `None` where nothing does.
    fn version(&self) -> Option<&str>;

    /// Whether each read takes a round trip, so that few and large ones are better.
    fn is_remote(&self) -> bool {
        false
    }

    /// Fills `out` with the bytes from `offset` on. Fails where there are fewer, or where the file is
    /// not the one that was opened.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()>;
}

/// All bytes of `blob`, which is called `path`; an error where there are more than `limit`, whether
/// they are there or only promised.
pub(crate) fn read_all(blob: &dyn Blob, path: &Path, limit: u64) -> Result<Vec<u8>> {
    if blob.bytes() > limit {
        let (path, found) = (path.to_owned(), format!("longer than {limit} bytes"));
        let remedy = "fetch it again, or check that it is the file that was meant";
        return Err(CoreError::NotTheFile { path, found, remedy });
    }
    let mut bytes = vec![0; blob.bytes() as usize];
    blob.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Opens the file at `path` in `storage` unless it is missing or its size is not `bytes`.
pub(crate) fn open_sized(
    storage: &dyn Storage,
    path: &str,
    bytes: u64,
) -> crate::error::Result<Arc<dyn Blob>> {
    let Some(blob) = storage.open(path)? else {
        return Err(DamageError::MissingFile { path: storage.path(path) }.into());
    };
    let found = blob.bytes();
    if found == bytes {
        return Ok(blob);
    }
    let path = storage.path(path);
    let error = DamageError::Size { path: path.clone(), expected: bytes, found }.into();
    Err(name_stand_in(&*blob, &path, error))
}

/// The error that says so where the blob, which is called `path` and could not be read as what it
/// should be, stands in for another file; `error` otherwise.
pub(crate) fn name_stand_in(blob: &dyn Blob, path: &Path, error: Error) -> Error {
    let mut head = vec![0; blob.bytes().min(STAND_IN_BYTES as u64) as usize];
    if !error.is_damage() || blob.read_at(0, &mut head).is_err() {
        return error;
    }
    match stand_in(&head) {
        Some((found, remedy)) => {
            DamageError::StandIn { path: path.to_owned(), found, remedy }.into()
        }
        None => error,
    }
}

/// Fails unless the blob, which is called `path`, has the hash `expected`.
pub(crate) fn check_sha256(
    blob: &dyn Blob,
    path: &Path,
    expected: &str,
) -> crate::error::Result<()> {
    let mut hasher = HashingWriter::new(std::io::sink());
    let mut buffer = vec![0; HASHED_AT_ONCE];
    let mut offset = 0;
    while offset < blob.bytes() {
        let part = (blob.bytes() - offset).min(buffer.len() as u64) as usize;
        blob.read_at(offset, &mut buffer[..part])?;
        hasher.write_all(&buffer[..part]).map_err(CoreError::io("read", path))?;
        offset += part as u64;
    }
    let found = hasher.finish().1;
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(DamageError::Hash { path: path.to_owned(), expected: expected.to_owned(), found }.into())
}
