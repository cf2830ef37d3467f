//! Files of documents. One format is one file here and one line in [`FORMATS`].

mod jsonl;
mod parquet;
mod txt;

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

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

/// The kind of the file called `name`; `None` for one that is not read.
pub(crate) fn kind(name: &str) -> Option<&'static str> {
    format_of(Path::new(name)).map(|format| format.extension)
}

fn format_of(path: &Path) -> Option<&'static Format> {
    const { &FORMATS }.iter().find(|format| {
        path.extension()
            .and_then(OsStr::to_str)
            .is_some_and(|ext| ext.eq_ignore_ascii_case(format.extension))
    })
}

/// The endings that are read, for messages.
pub(crate) fn known() -> String {
    FORMATS.iter().map(|format| format!(".{}", format.extension)).collect::<Vec<_>>().join(", ")
}
