//! Every file of a place, as one that may be read or as one that is not.

use std::path::PathBuf;

use crate::error::{PlaceError, Result};
use crate::place::names;
use crate::place::saved_dataset::SavedDatasets;
use crate::place::subject::Subject;
use crate::storage::{Fault, Listed, Storage};

/// A file that may be read.
pub(super) struct Taken {
    pub(super) file: Listed,
    pub(super) kind: &'static str,
}

/// A file that is not read.
pub(super) struct Left {
    pub(super) path: String,
    pub(super) why: Why,
}

/// Why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// It is of no kind that is read, or describes the others.
    Kind,
    /// Its name begins with a dot, or that of a folder it is in.
    Hidden,
    /// A data set that was saved beside it does not list it.
    Unlisted,
    /// Something else was chosen.
    Unchosen,
    /// Its name is not UTF-8.
    Name,
}

/// The files of a place.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) taken: Vec<Taken>,
    pub(super) left: Vec<Left>,
}

/// Sorts `listed`. Fails at a file of a known kind that cannot be one, and, where the files were
/// named one by one, at every one that would be left.
pub(super) fn sort(storage: &dyn Storage, listed: &[Listed], subject: &Subject) -> Result<Sorted> {
    let picked = storage.is_picked();
    let saved = SavedDatasets::find(storage, listed)?;
    let mut sorted = Sorted::default();
    for file in listed {
        let kind = kind(&file.path, subject);
        match reason(file, kind, &saved, subject, picked) {
            Some(why) if picked => {
                return Err(refusal(storage.path(&file.path), why, subject).into());
            }
            Some(why) => {
                if kind.is_some() || why != Why::Hidden {
                    sorted.left.push(Left { path: file.path.clone(), why });
                }
            }
            None => {
                check(storage, file)?;
                sorted.taken.extend(kind.map(|kind| Taken { file: file.clone(), kind }));
            }
        }
    }
    Ok(sorted)
}

fn kind(path: &str, subject: &Subject) -> Option<&'static str> {
    (subject.kind)(names::split(path).1)
}

/// Why a file is not read, if it is not.
fn reason(
    file: &Listed,
    kind: Option<&str>,
    saved: &SavedDatasets,
    subject: &Subject,
    picked: bool,
) -> Option<Why> {
    let name = names::split(&file.path).1;
    if file.fault == Some(Fault::Name) {
        return Some(Why::Name);
    }
    if !picked && file.path.split('/').any(|part| part.starts_with('.')) {
        return Some(Why::Hidden);
    }
    if kind.is_none() || !picked && (subject.describes)(name) {
        return Some(Why::Kind);
    }
    (!picked && !saved.has(&file.path)).then_some(Why::Unlisted)
}

/// Fails where a file of a known kind is no file.
fn check(storage: &dyn Storage, file: &Listed) -> Result<(), PlaceError> {
    let path = storage.path(&file.path);
    match &file.fault {
        Some(Fault::Link(target)) => Err(PlaceError::DeadLink { path, target: target.clone() }),
        Some(Fault::Special) => Err(PlaceError::Special { path }),
        Some(Fault::Name) | None => Ok(()),
    }
}

fn refusal(path: PathBuf, why: Why, subject: &Subject) -> PlaceError {
    if why == Why::Name {
        return PlaceError::Name { path };
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let found = match names::stem(&name).1 {
        "" => "a file whose name has no ending".to_owned(),
        ending => format!("a {} file", names::shown(ending)),
    };
    PlaceError::OtherKind { path, found, noun: subject.noun, known: (subject.known)() }
}
