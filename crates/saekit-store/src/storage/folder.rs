//! A folder on a disk, or some of its files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use saekit_core::input::check_link;
use saekit_core::{Error as CoreError, Result};

use crate::error::PlaceError;
use crate::storage::local_file::LocalFile;
use crate::storage::{Blob, Fault, Listed, Storage};

/// A folder on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    dir: PathBuf,
    /// Files to see, ascending, where not all are to be.
    only: Option<Vec<String>>,
    /// Whether those were named one by one.
    picked: bool,
}

impl Folder {
    /// The folder `dir`, which need not be there yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), only: None, picked: false }
    }

    /// Of the folder `dir` the `files`, which were named one by one and whose paths begin with it;
    /// others are not seen.
    pub fn of_files(dir: impl Into<PathBuf>, files: &[PathBuf]) -> Self {
        Self { picked: true, ..Self::of_matches(dir, files) }
    }

    /// Of the folder `dir` the `files` that match a pattern and whose paths begin with it; others
    /// are not seen.
    pub fn of_matches(dir: impl Into<PathBuf>, files: &[PathBuf]) -> Self {
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
        only.dedup();
        Self { dir, only: Some(only), picked: false }
    }

    /// Lists what is in `dir`, whose path in the folder is `prefix`. `above` are the folders that it
    /// is in, by their real paths.
    fn collect(
        &self,
        prefix: &str,
        above: &mut Vec<PathBuf>,
        found: &mut Vec<Listed>,
    ) -> Result<()> {
        let dir = self.dir.join(prefix);
        for entry in fs::read_dir(&dir).map_err(CoreError::io("list", &dir))? {
            let path = entry.map_err(CoreError::io("list", &dir))?.path();
            let Some(name) = path.file_name() else { continue };
            let is_utf8 = name.to_str().is_some();
            let name = name.to_string_lossy();
            let is_hidden = name.starts_with('.');
            let listed =
                if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
            let mut file = look(&path, listed)?;
            if !is_utf8 {
                file.fault = Some(Fault::Name);
            } else if path.is_dir() {
                if !is_hidden {
                    self.collect_below(&path, &file.path, above, found)?;
                }
                continue;
            }
            found.push(file);
        }
        Ok(())
    }

    /// Lists what is in the folder at `path`, unless a link in it leads back to where it came from.
    fn collect_below(
        &self,
        path: &Path,
        listed: &str,
        above: &mut Vec<PathBuf>,
        found: &mut Vec<Listed>,
    ) -> Result<()> {
        let real = fs::canonicalize(path).map_err(CoreError::io("list", path))?;
        if above.contains(&real) {
            return Err(crate::Error::from(PlaceError::Loop { path: path.to_owned() }).into());
        }
        above.push(real);
        self.collect(listed, above, found)?;
        above.pop();
        Ok(())
    }
}

/// The file at `path`, listed as `listed`; a link that leads nowhere is a fault of it.
fn look(path: &Path, listed: String) -> Result<Listed> {
    match fs::metadata(path) {
        Ok(metadata) => {
            let is_special = !metadata.is_file() && !metadata.is_dir();
            let fault = is_special.then_some(Fault::Special);
            Ok(Listed { path: listed, bytes: metadata.len(), fault })
        }
        Err(error) => match fs::read_link(path) {
            Ok(target) if error.kind() == ErrorKind::NotFound || is_loop(&error) => {
                Ok(Listed { path: listed, bytes: 0, fault: Some(Fault::Link(target)) })
            }
            _ => Err(CoreError::io("read", path)(error)),
        },
    }
}

/// Whether links lead to each other and to nothing else.
fn is_loop(error: &std::io::Error) -> bool {
    const ELOOP: i32 = 40; // of Linux; elsewhere such a link is an error that names it
    error.raw_os_error() == Some(ELOOP)
}

impl Storage for Folder {
    fn location(&self) -> &Path {
        &self.dir
    }

    fn exists(&self) -> Result<bool> {
        Ok(self.dir.is_dir())
    }

    fn is_picked(&self) -> bool {
        self.picked
    }

    fn list(&self) -> Result<Vec<Listed>> {
        let mut found = Vec::new();
        match &self.only {
            None => {
                let real = fs::canonicalize(&self.dir);
                let mut above = vec![real.map_err(CoreError::io("list", &self.dir))?];
                self.collect("", &mut above, &mut found)?;
            }
            Some(only) => {
                for path in only {
                    found.push(look(&self.dir.join(path), path.clone())?);
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
        check_link(&path)?;
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                let found = "a folder".to_owned();
                Err(CoreError::NotTheFile {
                    path,
                    found,
                    remedy: "name a file, or move the folder",
                })
            }
            Ok(metadata) => Ok(Some(Arc::new(LocalFile::new(path, &metadata)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CoreError::io("read", &path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::UNIX_EPOCH;

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
    #[cfg(unix)]
    fn links_that_lead_nowhere_or_back_are_named() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("a.npy")).unwrap();
        let listed = Folder::new(dir.path()).list().unwrap();
        assert_eq!(listed[0].fault, Some(Fault::Link("nowhere".into())));
        fs::create_dir(dir.path().join("b")).unwrap();
        std::os::unix::fs::symlink("..", dir.path().join("b/back")).unwrap();
        let message = Folder::new(dir.path()).list().unwrap_err().to_string();
        assert!(message.contains("back") && message.contains("no end"), "{message}");
    }

    #[test]
    fn a_folder_with_the_name_of_a_file_is_called_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("x.parquet")).unwrap();
        let message = Folder::new(dir.path()).open("x.parquet").unwrap_err().to_string();
        assert!(message.contains("x.parquet is a folder"), "{message}");
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
