//! The progress of a store that is being written, so that another writer can resume it.

use std::fs;
use std::path::{Path, PathBuf};

use saekit_core::files::{read_sealed, write_sealed};
use serde::{Deserialize, Serialize};

use crate::error::{Result, WriteError};
use crate::format::manifest::ShardInfo;
use crate::format::names::{STATE, shard_file};
use crate::format::spec::{StoreSpec, settings};
use crate::format::stats::ColumnStats;

/// A file beside the mark of an unfinished store, written anew after each shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Name and value of everything that decides the rows.
    pub(crate) settings: Vec<(String, String)>,
    /// The shards that are whole.
    pub(crate) shards: Vec<ShardInfo>,
    /// Statistics of each column over the rows in them.
    pub(crate) columns: Vec<ColumnStats>,
}

impl State {
    /// No progress yet.
    pub(crate) fn new(spec: &StoreSpec, more: &[(&str, String)]) -> Self {
        Self {
            settings: settings(spec, more),
            shards: Vec::new(),
            columns: spec.columns.iter().map(|column| ColumnStats::new(column.width)).collect(),
        }
    }

    /// Reads the state of the unfinished store in `dir`, if one was written.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(STATE);
        if !path.exists() {
            return Ok(None);
        }
        match read_sealed(&path, "state of an unfinished store") {
            Ok(state) => Ok(Some(state)),
            Err(source) => {
                Err(WriteError::CannotGoOn { dir: dir.to_owned(), problem: source.to_string() }
                    .into())
            }
        }
    }

    /// Writes it into `dir`.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_sealed(&dir.join(STATE), self)?)
    }

    /// Rows in the shards.
    pub(crate) fn rows(&self) -> u64 {
        self.shards.iter().map(|shard| shard.rows).sum()
    }

    /// The shards' files in `dir`.
    pub(crate) fn files(&self, dir: &Path) -> Vec<PathBuf> {
        self.shards.iter().map(|shard| dir.join(&shard.file)).collect()
    }

    /// Fails unless a store that is begun as `new` can resume from this state, whose shards are in `dir`.
    pub(crate) fn check(&self, new: &Self, dir: &Path) -> Result<()> {
        for (name, now) in &new.settings {
            let begun = self.settings.iter().find(|(begun, _)| begun == name);
            let begun = begun.map_or("nothing", |(_, value)| value);
            if begun != now {
                return Err(WriteError::OtherSettings {
                    dir: dir.to_owned(),
                    setting: name.clone(),
                    begun: begun.to_owned(),
                    now: now.clone(),
                }
                .into());
            }
        }
        match self.problem(new, dir) {
            None => Ok(()),
            Some(problem) => Err(WriteError::CannotGoOn { dir: dir.to_owned(), problem }.into()),
        }
    }

    fn problem(&self, new: &Self, dir: &Path) -> Option<String> {
        let widths =
            |state: &Self| state.columns.iter().map(ColumnStats::width).collect::<Vec<_>>();
        if widths(self) != widths(new) || self.columns.iter().any(|c| c.rows() != self.rows()) {
            return Some(format!("`{STATE}` contradicts itself"));
        }
        self.shards.iter().enumerate().find_map(|(index, shard)| {
            if shard.file != shard_file(index) {
                return Some(format!("`{STATE}` lists `{}`", shard.file));
            }
            let found = fs::metadata(dir.join(&shard.file)).ok().map(|metadata| metadata.len());
            (found != Some(shard.bytes)).then(|| match found {
                Some(found) => {
                    format!("`{}` has {found} bytes, expected {}", shard.file, shard.bytes)
                }
                None => format!("`{}` is missing", shard.file),
            })
        })
    }
}
