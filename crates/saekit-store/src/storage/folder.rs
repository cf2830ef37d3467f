//! A folder on a disk.

use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use saekit_core::{Error as CoreError, Result};

use crate::storage::{Blob, Listed, Storage};

/// A folder on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    dir: PathBuf,
    /// Files to see, ascending, where not all are to be.
    only: Option<Vec<String>>,
}

impl Folder {
    /// The folder `dir`, which need not be there yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), only: None }
    }

    /// Of the folder `dir` the `files`, whose paths begin with it; others are not seen.
    pub fn of_files(dir: impl Into<PathBuf>, files: &[PathBuf]) -> Self {
        let dir = dir.into();
        // `./acts` and `acts` are the same folder, and a pattern's matches come without the dot.
        let plain = |path: &Path| -> PathBuf {
            path.components().filter(|part| *part != Component::CurDir).collect()
        };
        let relative = |file: &PathBuf| {
            let file = plain(file);
            let inside = file.strip_prefix(plain(&dir)).unwrap_or(&file);
            let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
            parts.join("/")
        };
        let mut only: Vec<_> = files.iter().map(relative).collect();
        only.sort();
        Self { dir, only: Some(only) }
    }

    fn collect(&self, prefix: &str, found: &mut Vec<Listed>) -> Result<()> {
        let dir = self.dir.join(prefix);
        for entry in fs::read_dir(&dir).map_err(CoreError::io("list", &dir))? {
            let path = entry.map_err(CoreError::io("list", &dir))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let listed =
                if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            let metadata = fs::metadata(&path).map_err(CoreError::io("read", &path))?;
            if metadata.is_dir() {
                self.collect(&listed, found)?;
            } else {
                found.push(Listed { path: listed, bytes: metadata.len() });
            }
        }
        Ok(())
    }
}

impl Storage for Folder {
    fn location(&self) -> &Path {
        &self.dir
    }

    fn exists(&self) -> Result<bool> {
        Ok(self.dir.is_dir())
    }

    fn list(&self) -> Result<Vec<Listed>> {
        let mut found = Vec::new();
        match &self.only {
            None => self.collect("", &mut found)?,
            Some(only) => {
                for path in only {
                    let file = self.dir.join(path);
                    let metadata = fs::metadata(&file).map_err(CoreError::io("read", &file))?;
                    found.push(Listed { path: path.clone(), bytes: metadata.len() });
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn open(&self, path: &str) -> Result<Option<Arc<dyn Blob>>> {
        if self.only.as_ref().is_some_and(|only| !only.iter().any(|file| file == path)) {
            return Ok(None);
        }
        let path = self.dir.join(path);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(Arc::new(LocalFile::new(path, &metadata)))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CoreError::io("read", &path)(error)),
        }
    }
}

/// A file on a disk. It is opened anew for every read, since a store may have more shards than a
/// process may hold open.
#[derive(Debug)]
struct LocalFile {
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
    fn new(path: PathBuf, metadata: &fs::Metadata) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_folders_are_listed_in_order_and_read_from_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        fs::write(dir.path().join("b/c"), "inner").unwrap();
        fs::write(dir.path().join("a"), "outer").unwrap();
        let folder = Folder::new(dir.path());
        let listed: Vec<_> =
            folder.list().unwrap().into_iter().map(|f| (f.path, f.bytes)).collect();
        assert_eq!(listed, [("a".to_owned(), 5), ("b/c".to_owned(), 5)]);
        let mut out = [0; 3];
        folder.open("b/c").unwrap().unwrap().read_at(2, &mut out).unwrap();
        assert_eq!(&out, b"ner");
        assert!(folder.open("d").unwrap().is_none());
    }

    #[test]
    fn a_replaced_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "12345").unwrap();
        let blob = Folder::new(dir.path()).open("a").unwrap().unwrap();
        File::create(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        fs::write(dir.path().join("b"), "54321").unwrap();
        fs::rename(dir.path().join("b"), &path).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(7)).unwrap();
        let message = blob.read_at(0, &mut [0; 5]).unwrap_err().to_string();
        assert!(message.contains("was truncated or replaced"), "{message}");
    }

    #[test]
    #[cfg(unix)]
    fn another_file_with_the_same_size_and_time_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let time = UNIX_EPOCH + std::time::Duration::from_secs(7);
        let write = |name: &str, bytes: &str| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            path
        };
        let path = write("a", "12345");
        let blob = Folder::new(dir.path()).open("a").unwrap().unwrap();
        fs::rename(write("b", "54321"), path).unwrap();
        blob.read_at(0, &mut [0; 5]).unwrap_err();
    }
}
