//! The choice of the files of a place that are read.

use std::collections::BTreeSet;

use saekit_core::Observer;

use crate::error::PlaceError;
use crate::error::Result;
use crate::place::choice::Choice;
use crate::place::facets::{self, Facets, SPLIT};
use crate::place::saved_dataset;
use crate::place::sorting::{self, Left, Sorted, Taken, Why};
use crate::place::subject::Subject;
use crate::place::{groups, names, nested_store, summary, weights};
use crate::storage::{Listed, Storage};

/// The files of a place that are read, and what is to be said of the others.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// The files, ascending by path.
    pub files: Vec<Listed>,
    /// The files that are not read, in words; `None` where there are none.
    pub not_read: Option<String>,
    /// The first files that are not read, where none is.
    pub(crate) left: Vec<String>,
    line: Option<String>,
    warning: Option<String>,
}

impl Chosen {
    /// Tells `observer` what is read and what is not.
    pub fn say(&self, observer: &mut dyn Observer) {
        if let Some(line) = self.line.as_ref().filter(|_| !self.files.is_empty()) {
            observer.say(line);
        }
        if let Some(warning) = &self.warning {
            observer.warn(warning);
        }
    }
}

/// The files in `storage` that hold `subject` and that `choice` means; perhaps none.
///
/// Fails where they do not belong together, and names what there is and how to choose: splits, hive
/// partitions, layers and hook points, folders side by side, stores of saekit's own, one file in two
/// forms. Fails at weights of a model or a dictionary, and at links that lead nowhere.
pub fn choose(storage: &dyn Storage, subject: &Subject, choice: &Choice) -> Result<Chosen> {
    let listed = storage.list()?;
    let Sorted { taken, mut left } = sorting::sort(storage, &listed, subject)?;
    let roots = saved_dataset::roots(&listed);
    let facets = of_all(&taken, &roots, subject);
    let (kept, unchosen): (Vec<_>, Vec<_>) = taken
        .into_iter()
        .zip(facets)
        .partition(|(taken, facets)| choice.takes(&taken.file.path, facets));
    if kept.is_empty() && !unchosen.is_empty() {
        return Err(none_chosen(storage, &unchosen, choice).into());
    }
    let unread = unchosen.into_iter().map(|(taken, _)| taken.file.path);
    left.extend(unread.map(|path| Left { path, why: Why::Unchosen }));
    let paths: Vec<&str> = kept.iter().map(|(taken, _)| taken.file.path.as_str()).collect();
    nested_store::check(storage, &listed, &paths)?;
    if subject.layers_apart {
        no_weights(storage, &listed, &kept)?;
    }
    groups::check(storage.location(), &with_paths(&kept), choice, subject)?;
    let taken: Vec<_> = kept.into_iter().map(|(taken, _)| taken).collect();
    Ok(Chosen {
        line: summary::line(storage.location(), &taken, &left),
        warning: warning(storage, &left),
        not_read: summary::not_read(&left),
        left: if taken.is_empty() { first_paths(&left) } else { Vec::new() },
        files: taken.into_iter().map(|taken| taken.file).collect(),
    })
}

/// Paths kept of the files that are not read.
const KEPT: usize = 64;

fn first_paths(left: &[Left]) -> Vec<String> {
    left.iter().take(KEPT).map(|left| left.path.clone()).collect()
}

fn of_all(taken: &[Taken], roots: &BTreeSet<String>, subject: &Subject) -> Vec<Facets> {
    let paths: Vec<&str> = taken.iter().map(|taken| taken.file.path.as_str()).collect();
    facets::facets(&paths, roots, subject)
}

fn with_paths(files: &[(Taken, Facets)]) -> Vec<(&str, Facets)> {
    files.iter().map(|(taken, facets)| (taken.file.path.as_str(), facets.clone())).collect()
}

/// Fails where one of the files to be read holds weights.
fn no_weights(storage: &dyn Storage, listed: &[Listed], kept: &[(Taken, Facets)]) -> Result<()> {
    for (taken, _) in kept {
        if let Some(reason) = weights::of_name(&taken.file.path) {
            return Err(PlaceError::Weights { path: storage.path(&taken.file.path), reason }.into());
        }
    }
    let tensors = kept.iter().filter(|(taken, _)| taken.kind == "safetensors");
    let tensors: Vec<&str> = tensors.map(|(taken, _)| taken.file.path.as_str()).collect();
    let listed: Vec<_> = listed.iter().map(|file| (file.path.as_str(), file.bytes)).collect();
    weights::check_configs(storage, &listed, &tensors)
}

/// What to say where no file is of the choice: the part of it that fails, and what there is.
fn none_chosen(storage: &dyn Storage, files: &[(Taken, Facets)], choice: &Choice) -> PlaceError {
    let pairs = with_paths(files);
    let (chosen, list) = if let Some((key, value)) = choice.partitions.first() {
        (format!("{key}={value}"), groups::available(&pairs, key))
    } else if let Some(split) = &choice.split {
        (format!("split {split}"), groups::available(&pairs, SPLIT))
    } else {
        let paths: Vec<_> = pairs.iter().map(|(path, _)| names::shown(path)).collect();
        (choice.to_string(), names::first(&paths, 4))
    };
    PlaceError::NoneChosen {
        place: storage.location().to_owned(),
        chosen: names::shown(&chosen),
        list,
    }
}

fn warning(storage: &dyn Storage, left: &[Left]) -> Option<String> {
    let unnamed: Vec<_> = left.iter().filter(|left| left.why == Why::Name).collect();
    let first = unnamed.first()?;
    let place = names::shown(&storage.location().display().to_string());
    Some(format!(
        "{place}: {} not read, for a name that is not UTF-8: {}; rename such files",
        names::count(unnamed.len(), "file"),
        names::shown(&first.path)
    ))
}
