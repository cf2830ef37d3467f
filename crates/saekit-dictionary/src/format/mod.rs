//! The layouts dictionaries are read from and written to: one file a format, listed in [`FORMATS`].

pub mod native;
pub mod sae_lens;
mod tensors;

use std::path::Path;

use crate::{Dictionary, Error, Result};

/// A layout of a dictionary on disk.
pub trait Format: Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// The files by which a folder is recognised, in words.
    fn files(&self) -> &'static str;

    /// Whether `dir` looks like this format.
    fn detect(&self, dir: &Path) -> bool;

    /// Reads the dictionary in `dir`.
    fn read(&self, dir: &Path) -> Result<Dictionary>;

    /// Writes `dictionary` into the existing folder `dir`.
    fn write(&self, dictionary: &Dictionary, dir: &Path) -> Result<()>;
}

/// Every format, in the order in which folders are tried.
pub const FORMATS: &[&dyn Format] = &[&native::Native, &sae_lens::SaeLens];

/// Reads the dictionary in `dir`, whatever its format.
pub fn read(dir: &Path) -> Result<Dictionary> {
    let format = FORMATS.iter().find(|format| format.detect(dir)).ok_or_else(|| {
        let known: Vec<_> =
            FORMATS.iter().map(|f| format!("{} ({})", f.files(), f.name())).collect();
        Error::Unrecognised { path: dir.to_owned(), expected: known.join(" or ") }
    })?;
    format.read(dir)
}

/// The format called `name`.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.name() == name)
}
