//! Files of documents. One format is one file here and one line in [`FORMATS`].

mod columns;
mod damage;
mod jsonl;
mod pages;
mod parquet;
mod record;
mod rows;
mod saved;
mod stream;
mod txt;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use saekit_core::{Interrupt, Observer};

use crate::corpus::{Corpus, CorpusWriter, Limits};
use crate::error::{Error, Result};
use crate::place::Place;

/// A format that is told by its extension.
pub(crate) struct Format {
    /// Without the dot, lower case; the first is the usual one.
    extensions: &'static [&'static str],
    /// Whether it is also read where `.gz` or `.zst` follows.
    packed: bool,
    /// Hands every document of a file to the corpus, in order, in bounded memory.
    read: fn(&Path, &Fields, &mut CorpusWriter<'_>) -> Result<()>,
}

/// Every format there is.
const FORMATS: [Format; 4] = [txt::FORMAT, jsonl::FORMAT, parquet::FORMAT, saved::FORMAT];

/// Extensions of packed files. Those beside the first two are named and not read.
const PACKINGS: [&str; 5] = ["gz", "zst", "xz", "bz2", "lz4"];

/// Most names of fields in a message.
const NAMED: usize = 8;

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

    /// The names, the preferred one first.
    fn names(&self) -> &[String] {
        &self.0
    }

    fn find<T>(&self, get: impl Fn(&str) -> Option<T>) -> Option<(&str, T)> {
        self.0.iter().find_map(|name| get(name).map(|found| (name.as_str(), found)))
    }

    /// The error of a record with `count` fields, of which `found` are the first.
    fn missing<'a>(
        &self,
        place: Place<'_>,
        found: impl Iterator<Item = &'a str>,
        count: usize,
    ) -> Error {
        let quoted = |names: Vec<&str>, joint| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(joint)
        };
        let found = quoted(found.take(NAMED).collect(), ", ");
        Error::MissingField {
            place: place.to_string(),
            field: quoted(self.0.iter().map(String::as_str).collect(), " or "),
            found: match count {
                0 => "none".to_owned(),
                n if n > NAMED => format!("{n} fields ({found}, ...)"),
                _ => found,
            },
        }
    }
}

/// Reads and checks every record of `files`; the copy of the documents lies in `dir`.
pub(crate) fn read(
    files: &[PathBuf],
    fields: &Fields,
    limits: Limits<'_>,
    dir: &Path,
    interrupt: &Interrupt,
    observer: &mut dyn Observer,
) -> Result<Corpus> {
    let mut corpus = CorpusWriter::new(limits, dir, interrupt, observer)?;
    files.iter().try_for_each(|path| read_file(path, fields, &mut corpus))?;
    corpus.finish()
}

/// Hands every document of the file `path` to `corpus`.
fn read_file(path: &Path, fields: &Fields, corpus: &mut CorpusWriter<'_>) -> Result<()> {
    let format = format_of(path)
        .ok_or_else(|| Error::UnknownFormat { path: path.to_owned(), known: known() })?;
    let before = corpus.records();
    (format.read)(path, fields, corpus)?;
    if corpus.records() == before {
        return Err(Error::NoDocuments { path: path.to_owned() });
    }
    Ok(())
}

/// The kind of the file called `name`; `None` for one that is not read.
pub(crate) fn kind(name: &str) -> Option<&'static str> {
    format_of(Path::new(name)).map(|format| format.extensions[0])
}

fn format_of(path: &Path) -> Option<&'static Format> {
    let extension = |path: &Path| path.extension().and_then(OsStr::to_str).map(str::to_lowercase);
    let mut last = extension(path)?;
    let packed = PACKINGS.contains(&last.as_str());
    if packed {
        last = extension(Path::new(path.file_stem()?))?;
    }
    let is_of =
        |format: &&Format| format.extensions.contains(&last.as_str()) && (format.packed || !packed);
    const { &FORMATS }.iter().find(is_of)
}

/// The endings that are read, for messages.
pub(crate) fn known() -> String {
    let usual = FORMATS.iter().map(|format| format!(".{}", format.extensions[0]));
    usual.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_told_by_the_extension() {
        let usual = |name: &str| format_of(Path::new(name)).map(|format| format.extensions[0]);
        for (name, expected) in [
            ("a.txt", Some("txt")),
            ("a.JSONL", Some("jsonl")),
            ("a.b.json.gz", Some("jsonl")),
            ("a.ndjson.ZST", Some("jsonl")),
            ("a.txt.xz", Some("txt")),
            ("a.pq", Some("parquet")),
            ("a.arrow", Some("arrow")),
            ("a.parquet.gz", None),
            ("a.gz", None),
            ("txt", None),
        ] {
            assert_eq!(usual(name), expected, "{name}");
        }
    }
}
