//! Places on this machine: a folder, files, a pattern.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{OpenError, PlaceError, Result};
use crate::storage::folder::Folder;

/// The place that `words` name: a folder, a pattern, a file, or the files into which a shell has
/// made a pattern. Only a folder need not be there.
pub fn local_place(words: &[PathBuf]) -> Result<Folder> {
    match words {
        [word] => one(word),
        _ => several(words),
    }
}

fn one(word: &Path) -> Result<Folder> {
    if word.file_name().is_some_and(|name| name == crate::format::names::MANIFEST) {
        return Ok(Folder::new(parent(word)));
    }
    if let Some(target) = dead_link(word) {
        return Err(PlaceError::DeadLink { path: word.to_owned(), target }.into());
    }
    if word.is_dir() {
        return Ok(Folder::new(word));
    }
    if word.exists() {
        return several(&[word.to_owned()]);
    }
    let text = word.to_string_lossy();
    if text.contains(['*', '?', '[']) { matching(word, &text) } else { Ok(Folder::new(word)) }
}

/// The files that match a pattern.
fn matching(word: &Path, text: &str) -> Result<Folder> {
    let path = || word.to_owned();
    let paths = glob::glob(text)
        .map_err(|error| PlaceError::Pattern { path: path(), problem: error.to_string() })?;
    let mut files = Vec::new();
    for found in paths {
        let found = found.map_err(|error| {
            let at = error.path().to_owned();
            saekit_core::Error::io("read", &at)(error.into())
        })?;
        if !found.is_dir() {
            files.push(found);
        }
    }
    if files.is_empty() {
        return Err(PlaceError::NoMatch { path: path() }.into());
    }
    let fixed = text.split(['*', '?', '[']).next().unwrap_or_default();
    let dir = match fixed.rsplit_once('/') {
        Some(("", _)) => PathBuf::from("/"),
        Some((dir, _)) => PathBuf::from(dir),
        None => PathBuf::from("."),
    };
    Ok(Folder::of_matches(dir, &files))
}

/// The files at `words`, in the nearest folder that all are in.
fn several(words: &[PathBuf]) -> Result<Folder> {
    for word in words {
        if let Some(target) = dead_link(word) {
            return Err(PlaceError::DeadLink { path: word.clone(), target }.into());
        }
        if word.is_dir() {
            return Err(PlaceError::FolderAmongFiles { path: word.clone() }.into());
        }
        if !word.exists() {
            return Err(OpenError::Missing { path: word.clone() }.into());
        }
        if word.to_str().is_none() {
            return Err(PlaceError::Name { path: word.clone() }.into());
        }
    }
    // Two ways to say where a file is have no folder in common.
    let mixed = words.iter().any(|word| word.is_absolute() != words[0].is_absolute());
    let absolute = |word: &PathBuf| std::path::absolute(word).unwrap_or_else(|_| word.clone());
    let words: Vec<_> = words.iter().map(|w| if mixed { absolute(w) } else { w.clone() }).collect();
    let mut dir = words.first().map(|word| parent(word)).unwrap_or_default();
    while !words.iter().all(|word| parent(word).starts_with(&dir)) {
        let Some(above) = dir.parent() else { break };
        above.to_owned().clone_into(&mut dir);
    }
    let dir = if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir };
    Ok(Folder::of_files(dir, &words))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Where a link leads that leads nowhere.
fn dead_link(path: &Path) -> Option<PathBuf> {
    if path.exists() { None } else { fs::read_link(path).ok() }
}
