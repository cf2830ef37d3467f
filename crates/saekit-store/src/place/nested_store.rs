//! Stores of saekit's own in sub-folders of a place.

use std::path::Path;

use crate::error::{Error, OpenError, PlaceError, Result};
use crate::format::manifest::Manifest;
use crate::format::names::{MANIFEST, UNFINISHED};
use crate::place::names;
use crate::storage::{Listed, Storage, read_all};

/// Stores that are named in a message.
const SHOWN: usize = 6;
/// Manifests that are looked into.
const LOOKED_AT: usize = 64;
/// A manifest of a store is smaller than this, bytes.
const MAX_MANIFEST: u64 = 64 << 20;

/// Fails where one of the files at `taken` lies in a store of saekit's own.
pub(super) fn check(storage: &dyn Storage, listed: &[Listed], taken: &[&str]) -> Result<()> {
    let holds = |folder: &str| {
        taken.iter().any(|path| {
            let rest = path.strip_prefix(folder);
            folder.is_empty() || rest.is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let mut stores = Vec::new();
    for file in listed {
        let (folder, name) = names::split(&file.path);
        if name == UNFINISHED && folder.is_empty() {
            return Err(OpenError::Unfinished { dir: storage.location().to_owned() }.into());
        }
        if !holds(folder) {
            continue;
        }
        if name == UNFINISHED {
            stores.push(format!("{} (not finished)", names::shown(folder)));
        } else if name == MANIFEST && file.bytes <= MAX_MANIFEST && stores.len() < LOOKED_AT {
            stores.extend(described(storage, &file.path, folder)?);
        }
    }
    if stores.is_empty() {
        return Ok(());
    }
    let location = storage.location().to_owned();
    Err(PlaceError::Apart {
        place: location,
        things: format!("{} of saekit's own", names::count(stores.len(), "store")),
        list: names::first(&stores, SHOWN),
        remedy: "give the folder of one; `train` mixes several: `--store A --store B`".to_owned(),
    }
    .into())
}

/// The store in `folder` with its number of rows, unless its manifest is one of something else.
fn described(storage: &dyn Storage, path: &str, folder: &str) -> Result<Option<String>> {
    let Some(blob) = storage.open(path)? else { return Ok(None) };
    let bytes = read_all(&*blob, &storage.path(path), MAX_MANIFEST)?;
    let manifest = Manifest::parse(&bytes, Path::new(path));
    let name =
        if folder.is_empty() { "the folder itself".to_owned() } else { names::shown(folder) };
    Ok(match manifest {
        Ok(manifest) => Some(format!("{name} ({} rows)", manifest.rows)),
        Err(Error::Open(OpenError::OtherVersion { .. } | OpenError::Manifest { .. })) => Some(name),
        Err(_) => None,
    })
}
