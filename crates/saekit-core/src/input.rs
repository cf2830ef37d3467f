//! Reads of local files that name what is there instead of the file.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::path::Path;

use crate::{Error, Result, STAND_IN_BYTES, stand_in};

/// Opens the file at `path` for reading, from its beginning.
///
/// Fails at a link that leads nowhere, at a folder and at a git-lfs pointer, and says which it is.
pub fn open(path: &Path) -> Result<File> {
    check_link(path)?;
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let kind = file.metadata().map_err(Error::io("read", path))?.file_type();
    if kind.is_dir() {
        let found = "a folder".to_owned();
        return Err(Error::NotTheFile { path: path.to_owned(), found, remedy: "name a file" });
    }
    if !kind.is_file() {
        return Ok(file); // a pipe cannot be rewound
    }
    let mut head = Vec::with_capacity(STAND_IN_BYTES);
    let taken = (&mut file).take(STAND_IN_BYTES as u64).read_to_end(&mut head);
    taken.and_then(|_| file.rewind()).map_err(Error::io("read", path))?;
    // Pages and empty files may be texts.
    if head.starts_with(b"version ") {
        check_head(path, &head)?;
    }
    Ok(file)
}

/// Fails where the file at `path`, which begins with `head`, stands in for another: see [`stand_in()`].
pub fn check_head(path: &Path, head: &[u8]) -> Result<()> {
    match stand_in(&head[..head.len().min(STAND_IN_BYTES)]) {
        Some((found, remedy)) => {
            Err(Error::NotTheFile { path: path.to_owned(), found: found.to_owned(), remedy })
        }
        None => Ok(()),
    }
}

/// Reads the file at `path`, which must not be a stand-in, up to `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit {
        let found = format!("longer than {limit} bytes");
        let remedy = "download it again, or check that it is the file that was meant";
        return Err(Error::NotTheFile { path: path.to_owned(), found, remedy });
    }
    check_head(path, &bytes)?;
    Ok(bytes)
}

/// Fails where `path` is a link that leads nowhere.
pub fn check_link(path: &Path) -> Result<()> {
    match fs::read_link(path) {
        Ok(to) if !path.exists() => Err(Error::NotTheFile {
            path: path.to_owned(),
            found: format!("a link to {}, which does not exist", to.display()),
            remedy: "download the file again, or mend the link",
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";

    #[test]
    fn stand_ins_are_named_with_their_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        fs::write(&path, POINTER).unwrap();
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains("a.bin is a git-lfs pointer"), "{message}");
        assert!(message.contains("`git lfs pull`"), "{message}");
        fs::write(&path, "\n<!DOCTYPE HTML><title>Sign in</title>").unwrap();
        assert!(open(&path).is_ok(), "a page may be a text");
        let message = read(&path, 1000).unwrap_err().to_string();
        assert!(message.contains("a.bin is a page of HTML"), "{message}");
        let message = read(&path, 5).unwrap_err().to_string();
        assert!(message.contains("a.bin is longer than 5 bytes"), "{message}");
    }

    #[test]
    fn a_folder_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let message = open(dir.path()).unwrap_err().to_string();
        assert!(message.contains(" is a folder; name a file"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nowhere_is_called_that() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("link");
        std::os::unix::fs::symlink("gone.bin", &path).unwrap();
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains("link is a link to gone.bin, which does not exist"), "{message}");
    }

    #[test]
    fn a_file_is_read_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        fs::write(&path, "abc").unwrap();
        let mut text = String::new();
        open(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), read(&path, 3).unwrap()), ("abc", b"abc".to_vec()));
    }
}
