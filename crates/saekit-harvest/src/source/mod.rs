//! Files of documents. One format is one file here and one line in [`FORMATS`].

mod jsonl;
mod parquet;
mod txt;

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use saekit_core::Error as CoreError;

use crate::corpus::Spool;
use crate::error::{Error, Result};

/// A format that is told by its extension.
pub(crate) struct Format {
    /// Without the dot, lower case.
    extension: &'static str,
    /// Hands every document of a file to the spool, in order, in bounded memory.
    read: fn(&Path, &Fields, &mut Spool<'_>) -> Result<()>,
}

/// Every format there is.
const FORMATS: [Format; 3] = [txt::FORMAT, jsonl::FORMAT, parquet::FORMAT];

/// Where a record's text or token ids are: the first of these names it has.
#[derive(Clone, Debug)]
pub(crate) struct Fields(Vec<String>);

impl Fields {
    /// The field the user named, otherwise `text` and then `input_ids`.
    pub(crate) fn new(named: Option<&str>) -> Self {
        Self(named.map_or_else(
            || vec!["text".to_owned(), "input_ids".to_owned()],
            |name| vec![name.to_owned()],
        ))
    }

    fn find<T>(&self, get: impl Fn(&str) -> Option<T>) -> Option<(&str, T)> {
        self.0.iter().find_map(|name| get(name).map(|found| (name.as_str(), found)))
    }

    fn missing<'a>(&self, place: Place<'_>, found: impl Iterator<Item = &'a str>) -> Error {
        let quoted = |names: Vec<&str>, joint| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(joint)
        };
        let found = quoted(found.collect(), ", ");
        Error::MissingField {
            place: place.to_string(),
            field: quoted(self.0.iter().map(String::as_str).collect(), " or "),
            found: if found.is_empty() { "none".to_owned() } else { found },
        }
    }
}

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

/// The files that `inputs` name, in order: a file is itself, a folder the files directly in it
/// that have a known extension, by name.
pub(crate) fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for input in inputs {
        let kind = fs::metadata(input).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { path: input.clone() },
            _ => CoreError::io("read", input)(source).into(),
        })?;
        if kind.is_dir() {
            found.append(&mut files_in(input)?);
        } else if format_of(input).is_some() {
            found.push(input.clone());
        } else {
            return Err(Error::UnknownFormat { path: input.clone(), known: known() });
        }
    }
    if found.is_empty() {
        return Err(Error::NoInput { known: known() });
    }
    Ok(found)
}

/// Hands every document of the file `path` to `spool`.
pub(crate) fn read(path: &Path, fields: &Fields, spool: &mut Spool<'_>) -> Result<()> {
    let format = format_of(path)
        .ok_or_else(|| Error::UnknownFormat { path: path.to_owned(), known: known() })?;
    let before = spool.documents();
    (format.read)(path, fields, spool)?;
    if spool.documents() == before {
        return Err(Error::NoDocuments { path: path.to_owned() });
    }
    Ok(())
}

fn files_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(CoreError::io("read", dir))? {
        let path = entry.map_err(CoreError::io("read", dir))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && format_of(&path).is_some() && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Error::EmptyFolder { path: dir.to_owned(), known: known() });
    }
    found.sort();
    Ok(found)
}

fn format_of(path: &Path) -> Option<&'static Format> {
    const { &FORMATS }.iter().find(|format| {
        path.extension()
            .and_then(OsStr::to_str)
            .is_some_and(|ext| ext.eq_ignore_ascii_case(format.extension))
    })
}

fn known() -> String {
    FORMATS.iter().map(|format| format!(".{}", format.extension)).collect::<Vec<_>>().join(", ")
}
