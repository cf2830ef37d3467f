//! The files that inputs name, by the rule that holds for stores too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use saekit_core::Observer;
use saekit_store::{Choice, Storage as _, Subject, choose, local_place};

use crate::error::{Error, Result};
use crate::source;

/// How texts are known among other files.
const TEXTS: Subject = Subject {
    noun: "text",
    known: source::known,
    kind: source::kind,
    describes,
    folders_apart: false,
    layers_apart: false,
};

/// What the names of files begin with that are about a data set.
const ABOUT: [&str; 11] = [
    "readme",
    "license",
    "licence",
    "copying",
    "notice",
    "changelog",
    "citation",
    "contributing",
    "authors",
    "datasheet",
    "code_of_conduct",
];
/// Files of JSON that describe a data set, a model or a tokenizer.
const METADATA: [&str; 16] = [
    "added_tokens",
    "config",
    "dataset_dict",
    "dataset_info",
    "dataset_infos",
    "generation_config",
    "manifest",
    "meta",
    "metadata",
    "package",
    "preprocessor_config",
    "special_tokens_map",
    "state",
    "tokenizer",
    "tokenizer_config",
    "vocab",
];

/// The files that `inputs` name, in their order: a file is itself, of a folder (also in the folders in
/// it) or a pattern those that hold text, by name. Tells `observer` which are read and which are not.
///
/// Fails where an input is missing or holds no text, where `choice` does not say which of several
/// things is meant, and where a file is named twice.
pub(crate) fn files(
    inputs: &[PathBuf],
    choice: &Choice,
    observer: &mut dyn Observer,
) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    // Files named one after the other may be what a shell has made of a pattern.
    for words in inputs.chunk_by(|a, b| a.is_file() && b.is_file()) {
        found.append(&mut files_of(words, choice, observer)?);
    }
    if found.is_empty() {
        return Err(Error::NoInput { known: source::known() });
    }
    let mut seen = BTreeSet::new();
    match found.iter().find(|path| !seen.insert(absolute(path))) {
        Some(path) => Err(Error::NamedTwice { path: path.clone() }),
        None => Ok(found),
    }
}

/// The files of one place.
fn files_of(
    words: &[PathBuf],
    choice: &Choice,
    observer: &mut dyn Observer,
) -> Result<Vec<PathBuf>> {
    let kind = |path: &Path| source::kind(&path.file_name().unwrap_or_default().to_string_lossy());
    if let Some(path) = words.iter().find(|path| path.is_file() && kind(path).is_none()) {
        return Err(Error::UnknownFormat { path: path.clone(), known: source::known() });
    }
    let place = local_place(words)?;
    if !place.exists()? {
        return Err(Error::Missing { path: place.location().to_owned() });
    }
    let chosen = choose(&place, &TEXTS, choice)?;
    if chosen.files.is_empty() {
        let (path, known) = (place.location().to_owned(), source::known());
        let holds = chosen.not_read.map_or_else(String::new, |left| format!(", but {left}"));
        return Err(Error::EmptyFolder { path, known, holds });
    }
    chosen.say(observer);
    let paths: Vec<_> = chosen.files.iter().map(|file| place.path(&file.path)).collect();
    if !place.is_picked() {
        return Ok(paths);
    }
    let taken: BTreeSet<_> = paths.iter().map(|path| absolute(path)).collect();
    Ok(words.iter().filter(|word| taken.contains(&absolute(word))).cloned().collect())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether the file `name` is about the texts beside it.
fn describes(name: &str) -> bool {
    let lower = name.to_lowercase();
    let is_about = |begin: &str| {
        let rest = lower.strip_prefix(begin);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    let is_metadata = lower.strip_suffix(".json").is_some_and(|stem| {
        METADATA.contains(&stem)
            || stem.rsplit_once('.').is_some_and(|(_, last)| last == "index")
            || stem.ends_with("_config")
    });
    is_metadata || ABOUT.iter().any(|begin| is_about(begin))
}

#[cfg(test)]
mod tests {
    use super::describes;

    #[test]
    fn what_is_about_texts_is_told_by_its_name() {
        let about =
            ["README.txt", "LICENSE-MIT.txt", "dataset_infos.json", "x.safetensors.index.json"];
        for name in about {
            assert!(describes(name), "{name}");
        }
        for name in ["readmes.jsonl", "licensed.txt", "part-0.json", "state.jsonl", "a.txt"] {
            assert!(!describes(name), "{name}");
        }
    }
}
