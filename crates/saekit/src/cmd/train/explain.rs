//! Errors of a configuration file, with the file, the line, the key and the nearest valid one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use saekit_core::text::first_few;
use serde::de::DeserializeOwned;

use crate::exit::Usage;

/// Keys that have another name now: the old one and the new one.
const RENAMED: [(&str, &str); 6] = [
    ("batch_rows", "batch"),
    ("warmup_steps", "warmup"),
    ("decay_fraction", "decay"),
    ("auxk_coefficient", "auxk"),
    ("weights", "weight"),
    ("columns", "column"),
];

/// Similarity of two keys, from 0 to 1, from which on one may be meant by the other.
const ALIKE: f64 = 0.7;

/// A configuration file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// The file as a `T`.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(&self.text).map_err(|error| explain(&error, Some(self), &[]))
    }

    /// The line, counted from 1, that `error` is about: the place it names, or that of `key`.
    fn line(&self, error: &toml::de::Error, key: Option<&str>) -> Option<usize> {
        let at = |offset: usize| self.text.get(..offset).map(|text| text.matches('\n').count() + 1);
        let has_key = |line: &str, key: &str| {
            let line = line.split('#').next().unwrap_or_default();
            let words = line.split(|c: char| !(c.is_alphanumeric() || "_-".contains(c)));
            words.into_iter().any(|word| word == key)
        };
        let of_key = |key| Some(self.text.lines().position(|line| has_key(line, key))? + 1);
        error.span().and_then(|span| at(span.start)).or_else(|| key.and_then(of_key))
    }
}

/// The `error` of reading a configuration on one line. `more` are keys that are valid beside those
/// that the error lists.
pub(super) fn explain(
    error: &toml::de::Error,
    source: Option<&Source>,
    more: &[&str],
) -> anyhow::Error {
    let message = error.message();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (key, problem) = match quoted.as_slice() {
        [key, known @ ..] if message.starts_with("unknown field") => {
            (Some(*key), unknown(key, &[known, more].concat()))
        }
        [key, ..] if message.starts_with("missing field") => return missing(key),
        _ => (None, message.lines().map(str::trim).collect::<Vec<_>>().join(", ")),
    };
    let place = source.map_or_else(
        || "the flags".to_owned(),
        |source| {
            let line = source.line(error, key);
            let line = line.map_or_else(String::new, |line| format!(", line {line}"));
            format!("{}{line}", source.path.display())
        },
    );
    anyhow!("the training configuration ({place}) is not valid: {problem}")
}

/// What is said of the key `key`, which is none of those that are `known`.
fn unknown(key: &str, known: &[&str]) -> String {
    if let Some((_, new)) = RENAMED.iter().find(|(old, new)| *old == key && known.contains(new)) {
        return format!("`{key}` is called `{new}` now");
    }
    let similarity = |known: &str| strsim::jaro_winkler(key, known);
    let nearest = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    if let Some(nearest) = nearest.filter(|nearest| similarity(nearest) >= ALIKE) {
        return format!("there is no key `{key}`; the nearest is `{nearest}`");
    }
    let known = first_few(known.iter().map(|key| format!("`{key}`")));
    format!("there is no key `{key}`; here there are {known}")
}

/// What is said where the setting `key` has no default and was not given.
fn missing(key: &str) -> anyhow::Error {
    let flag = key.replace('_', "-");
    Usage(format!("`{key}` is not set; give `--{flag}`, or `{key}` in the configuration file"))
        .into()
}
