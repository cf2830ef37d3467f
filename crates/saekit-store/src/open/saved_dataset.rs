//! Data sets that `save_to_disk` of Hugging Face's `datasets` has written: which of the files in their
//! folder are theirs, since what comes of a `map` or a `filter` is kept beside them.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::error::Result;
use crate::storage::{Listed, Storage, read_all};

/// The file that lists the others.
const STATE: &str = "state.json";
/// It is smaller than this.
const MAX_STATE: u64 = 16 << 20;

/// By folder the names of its data set's files.
pub(crate) struct SavedDatasets(HashMap<String, HashSet<String>>);

#[derive(Deserialize)]
struct State {
    #[serde(rename = "_data_files")]
    data_files: Vec<DataFile>,
}

#[derive(Deserialize)]
struct DataFile {
    filename: String,
}

/// Whether the file at `path` is called as the one that lists the others.
pub(crate) fn is_state(path: &str) -> bool {
    split(path).1 == STATE
}

impl SavedDatasets {
    /// Reads the lists among `files`; one that is something else says nothing.
    pub(crate) fn find(storage: &dyn Storage, files: &[Listed]) -> Result<Self> {
        let mut found = HashMap::new();
        let lists = files.iter().filter(|file| is_state(&file.path) && file.bytes <= MAX_STATE);
        for file in lists {
            let Some(blob) = storage.open(&file.path)? else { continue };
            let Ok(state) = serde_json::from_slice::<State>(&read_all(&*blob)?) else { continue };
            let names = state.data_files.into_iter().map(|file| file.filename).collect();
            found.insert(split(&file.path).0.to_owned(), names);
        }
        Ok(Self(found))
    }

    /// Whether the file at `path` is one with rows, as far as the lists know.
    pub(crate) fn has(&self, path: &str) -> bool {
        let (folder, name) = split(path);
        name != STATE && self.0.get(folder).is_none_or(|names| names.contains(name))
    }
}

/// The folder and the name of the file at `path`.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
