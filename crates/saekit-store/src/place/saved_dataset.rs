//! Data sets that `save_to_disk` of Hugging Face's `datasets` has written: which of the files in their
//! folder are theirs, since what comes of a `map` or a `filter` is kept beside them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::Result;
use crate::place::names::split;
use crate::storage::{Listed, Storage, read_all};

/// The file that lists the others.
const STATE: &str = "state.json";
/// The file that lists the splits of several data sets.
const DICT: &str = "dataset_dict.json";
/// The list of files is smaller than this, bytes.
const MAX_STATE: u64 = 16 << 20;

/// By folder the names of its data set's files.
pub(super) struct SavedDatasets(BTreeMap<String, BTreeSet<String>>);

#[derive(Deserialize)]
struct State {
    #[serde(rename = "_data_files")]
    data_files: Vec<DataFile>,
}

#[derive(Deserialize)]
struct DataFile {
    filename: String,
}

/// The folders in which `DatasetDict.save_to_disk` has made a folder for each split.
pub(super) fn roots(listed: &[Listed]) -> BTreeSet<String> {
    let dicts = listed.iter().map(|file| split(&file.path)).filter(|(_, name)| *name == DICT);
    dicts.map(|(folder, _)| folder.to_owned()).collect()
}

impl SavedDatasets {
    /// Reads the lists among `files`; one that is something else says nothing.
    pub(super) fn find(storage: &dyn Storage, files: &[Listed]) -> Result<Self> {
        let mut found = BTreeMap::new();
        let lists =
            files.iter().filter(|file| split(&file.path).1 == STATE && file.bytes <= MAX_STATE);
        for file in lists {
            let Some(blob) = storage.open(&file.path)? else { continue };
            let text = read_all(&*blob, &storage.path(&file.path), MAX_STATE)?;
            let Ok(state) = serde_json::from_slice::<State>(&text) else { continue };
            let names = state.data_files.into_iter().map(|file| file.filename).collect();
            found.insert(split(&file.path).0.to_owned(), names);
        }
        Ok(Self(found))
    }

    /// Whether the file at `path` is one with rows, as far as the lists know.
    pub(super) fn has(&self, path: &str) -> bool {
        let (folder, name) = split(path);
        self.0.get(folder).is_none_or(|names| names.contains(name))
    }
}
