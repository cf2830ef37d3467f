//! The choice of a user among the things that a place holds.

use std::fmt;

use glob::{MatchOptions, Pattern};

use crate::error::PlaceError;
use crate::place::facets::{Facets, SPLIT, canonical};
use crate::place::names;

/// The split that means every split, as in Hugging Face's `datasets`.
const ALL: &str = "all";

/// Which files of a place are meant, where it holds more than one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// A split, several with `+` between them, or `all`.
    pub split: Option<String>,
    /// Values of hive partitions by their keys. A value may be a pattern; of several values for one
    /// key each is read.
    pub partitions: Vec<(String, String)>,
    /// A pattern of file names or, with a `/` in it, of paths within the place.
    pub files: Option<String>,
}

impl Choice {
    /// Reads `--split`, `--where` (each `KEY=VALUE`) and `--files`. Fails where one means nothing.
    pub fn parse(
        split: Option<&str>,
        partitions: &[String],
        files: Option<&str>,
    ) -> Result<Self, PlaceError> {
        let pair = |text: &String| {
            let pair =
                text.split_once('=').filter(|(key, value)| !key.is_empty() && !value.is_empty());
            let (key, value) = pair.ok_or_else(|| PlaceError::Flag {
                flag: "--where",
                found: names::shown(text),
                expected: "KEY=VALUE, such as layer=6",
            })?;
            pattern(value, "--where")?;
            Ok((key.to_owned(), value.to_owned()))
        };
        if let Some(files) = files {
            pattern(files, "--files")?;
        }
        let partitions = partitions.iter().map(pair).collect::<Result<_, PlaceError>>()?;
        Ok(Self { split: split.map(str::to_owned), partitions, files: files.map(str::to_owned) })
    }

    /// Whether nothing was chosen.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a file at `path` with these facets is meant.
    pub(super) fn takes(&self, path: &str, facets: &Facets) -> bool {
        self.takes_split(facets) && self.takes_partitions(facets) && self.takes_path(path)
    }

    fn takes_split(&self, facets: &Facets) -> bool {
        let Some(chosen) = &self.split else { return true };
        let Some(split) = facets.get(SPLIT) else { return chosen == ALL };
        let same = |part: &str| {
            let part = part.trim();
            part == ALL
                || part == split
                || canonical(part).is_some_and(|c| canonical(split) == Some(c))
        };
        chosen.split('+').any(same)
    }

    fn takes_partitions(&self, facets: &Facets) -> bool {
        self.partitions.iter().all(|(key, _)| {
            let value = facets.get(key);
            let mut meant = self.partitions.iter().filter(|(other, _)| other == key);
            meant.any(|(_, pattern)| value.is_some_and(|value| matches(pattern, value)))
        })
    }

    fn takes_path(&self, path: &str) -> bool {
        let Some(files) = &self.files else { return true };
        matches(files, if files.contains('/') { path } else { names::split(path).1 })
    }

    /// Whether several values of the facet `key` were asked for.
    pub(super) fn merges(&self, key: &str, folder: &str) -> bool {
        if key == SPLIT {
            let split = self.split.as_deref().unwrap_or_default();
            return split == ALL || split.contains('+');
        }
        if key == folder {
            return self.files.as_ref().is_some_and(|files| files.contains('/'));
        }
        let patterns: Vec<_> = self.partitions.iter().filter(|(k, _)| k == key).collect();
        patterns.len() > 1 || patterns.iter().any(|(_, value)| value.contains(['*', '?', '[']))
    }
}

fn pattern(text: &str, flag: &'static str) -> Result<Pattern, PlaceError> {
    let wrong = |_| PlaceError::Flag {
        flag,
        found: names::shown(text),
        expected: "a pattern such as *.parquet",
    };
    Pattern::new(text).map_err(wrong)
}

/// Whether `text` matches the pattern, of which `*` stops at a `/` and `**` does not.
fn matches(pattern: &str, text: &str) -> bool {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(text, options))
}

/// The choice in words, for the name of the data: `split train, layer=6`.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let split = self.split.iter().map(|split| format!("split {split}"));
        let partitions = self.partitions.iter().map(|(key, value)| format!("{key}={value}"));
        let parts: Vec<_> = split.chain(partitions).chain(self.files.clone()).collect();
        f.write_str(&parts.join(", "))
    }
}
