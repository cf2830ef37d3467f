//! Whether the files of a place belong together.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use glob::Pattern;

use crate::error::PlaceError;
use crate::place::choice::Choice;
use crate::place::facets::{FOLDER, Facets, HOOK, LAYER, SPLIT};
use crate::place::names;
use crate::place::subject::Subject;

/// Values of a facet that are named in a message.
const SHOWN: usize = 8;

/// Files by the value of one facet; `None` are those without it.
type Values<'a> = Vec<(Option<&'a str>, usize)>;

/// Fails where `files`, of which the facets are known, are several things and `choice` does not say
/// that they are to be read as one.
pub(super) fn check(
    place: &Path,
    files: &[(&str, Facets)],
    choice: &Choice,
    subject: &Subject,
) -> Result<(), PlaceError> {
    for key in keys(files) {
        let values = values(files, key);
        if !choice.merges(key, FOLDER) && is_apart(key, &values) {
            let (things, remedy) = words(place, key, &values, subject);
            return Err(PlaceError::Apart {
                place: place.to_owned(),
                things,
                list: list(&values),
                remedy,
            });
        }
    }
    if choice.files.is_some() { Ok(()) } else { no_twins(place, files) }
}

/// What can be chosen with `flag` among `files`, for the message of a choice that nothing meets.
pub(super) fn available(files: &[(&str, Facets)], key: &str) -> String {
    list(&values(files, key))
}

/// The facets that files have: partitions, then what their names say, the folder last.
fn keys<'a>(files: &'a [(&str, Facets)]) -> Vec<&'a str> {
    let all: BTreeSet<&str> =
        files.iter().flat_map(|(_, facets)| facets.keys().map(String::as_str)).collect();
    let last = [LAYER, HOOK, SPLIT, FOLDER];
    let partitions = all.iter().copied().filter(|key| !last.contains(key));
    partitions.chain(last.into_iter().filter(|key| all.contains(key))).collect()
}

fn values<'a>(files: &'a [(&str, Facets)], key: &str) -> Values<'a> {
    let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for (_, facets) in files {
        *counts.entry(facets.get(key).map(String::as_str)).or_default() += 1;
    }
    let mut values: Values<'_> = counts.into_iter().collect();
    values.sort_by(|(a, _), (b, _)| natural(a.unwrap_or_default(), b.unwrap_or_default()));
    values
}

/// Numbers by their size, other words by the alphabet.
fn natural(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}

/// Whether files with these values are different things. Of folders only those side by side are.
fn is_apart(key: &str, values: &Values<'_>) -> bool {
    if key != FOLDER {
        return values.len() > 1;
    }
    let within = |inner: &str, outer: &str| {
        outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
    };
    let folders: Vec<&str> = values.iter().filter_map(|(value, _)| *value).collect();
    // In the order of the alphabet a folder comes before what is in it.
    let mut sorted = folders.clone();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| !within(pair[1], pair[0]))
}

fn list(values: &Values<'_>) -> String {
    let mut all: Vec<_> = values
        .iter()
        .map(|(value, files)| {
            let name = match value {
                Some("") => "the folder itself".to_owned(),
                Some(value) => names::shown(value),
                None => "none".to_owned(),
            };
            format!("{name} ({})", names::count(*files, "file"))
        })
        .collect();
    if all.len() > SHOWN + 1 {
        let more = all.len() - SHOWN;
        all.truncate(SHOWN);
        return format!("{} and {more} more", all.join(", "));
    }
    all.join(", ")
}

/// What there are several of, and how to choose.
fn words(place: &Path, key: &str, values: &Values<'_>, subject: &Subject) -> (String, String) {
    let known: Vec<&str> = values.iter().filter_map(|(value, _)| *value).collect();
    let one = known.iter().find(|value| !value.is_empty()).copied().unwrap_or_default();
    let (n, shown) = (values.len(), names::shown(one));
    match key {
        SPLIT => (
            if known.len() == n {
                names::count(n, "split")
            } else {
                format!("{} and files of none", names::count(known.len(), "split"))
            },
            format!("read one with `--split {shown}`, or all as one with `--split all`"),
        ),
        FOLDER => {
            let (at, glob) = (place.join(&shown), Pattern::escape(&shown));
            (
                format!("{n} folders of {} side by side", subject.noun),
                format!(
                    "give one of them (`{}`), or read one with `--files '{glob}/**'`, or all as one \
                     with `--files '**/*'`",
                    at.display()
                ),
            )
        }
        HOOK => (
            format!("files of {n} hook points"),
            format!("read one with `--files '{}*'`", Pattern::escape(&shown)),
        ),
        key => {
            let key = names::shown(key);
            (
                format!("files of {n} values of `{key}`"),
                format!(
                    "read one with `--where {key}={shown}`, or all as one with `--where '{key}=*'`"
                ),
            )
        }
    }
}

/// Fails where two files of a folder differ in their endings only: one is the other in another form.
fn no_twins(place: &Path, files: &[(&str, Facets)]) -> Result<(), PlaceError> {
    let mut seen: BTreeMap<(&str, &str), (&str, String)> = BTreeMap::new();
    for (path, _) in files {
        let (folder, name) = names::split(path);
        let (stem, ending) = names::stem(name);
        let ending = ending.to_lowercase();
        let (first, its_ending) =
            seen.entry((folder, stem)).or_insert_with(|| (name, ending.clone()));
        if *its_ending != ending {
            let example = Pattern::escape(&names::shown(&ending));
            return Err(PlaceError::Apart {
                place: place.to_owned(),
                things: "files that seem to be the same in two forms".to_owned(),
                list: format!("{} and {}", names::shown(first), names::shown(name)),
                remedy: format!("choose one form with `--files '*{example}'`"),
            });
        }
    }
    Ok(())
}
