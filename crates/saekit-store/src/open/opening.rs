//! A store that is being opened: what is decided for every kind of store alike.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use saekit_core::files::sha256;
use saekit_core::{Interrupt, Observer};

use crate::catalog::{Catalog, Skipped};
use crate::error::{Error, OpenError, Result};
use crate::memory::trim_heap;
use crate::open::config::{Damaged, OpenConfig};
use crate::storage::Storage;

/// A store being opened.
pub(crate) struct Opening<'a> {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) config: &'a OpenConfig,
    pub(crate) observer: &'a mut dyn Observer,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) skipped: Vec<Skipped>,
}

impl Opening<'_> {
    /// Whether every file is read while the store is opened.
    pub(crate) fn reads_all(&self) -> bool {
        self.config.damaged == Damaged::Skip
    }

    /// Skips a damaged file. Returns `error` if it is not about damage, or if damaged files are not to be
    /// skipped.
    pub(crate) fn skip(&mut self, path: PathBuf, rows: Option<u64>, error: Error) -> Result<()> {
        if self.config.damaged == Damaged::Fail || !error.is_damage() {
            return Err(error);
        }
        self.skipped.push(Skipped { path, rows, problem: error.to_string() });
        Ok(())
    }

    /// The identity of the store: the hash `whole`, combined with the names of skipped files.
    pub(crate) fn sha256(&self, whole: String) -> String {
        if self.skipped.is_empty() {
            return whole;
        }
        let location = self.storage.location();
        let name = |path: &Path| path.strip_prefix(location).unwrap_or(path).display().to_string();
        let names = self.skipped.iter().map(|skipped| name(&skipped.path));
        sha256([vec![whole], names.collect()].concat().join("\n").as_bytes())
    }

    /// Completes the catalog; fails where the store has no rows.
    pub(crate) fn finish(&mut self, mut catalog: Catalog) -> Result<Catalog> {
        catalog.skipped = std::mem::take(&mut self.skipped);
        if catalog.manifest.rows == 0 {
            return match catalog.skipped.first() {
                Some(skipped) => Err(OpenError::NothingLeft {
                    dir: catalog.location(),
                    skipped: catalog.skipped.len(),
                    problem: skipped.problem.clone(),
                }
                .into()),
                None => Err(OpenError::NoRows { dir: catalog.location() }.into()),
            };
        }
        trim_heap();
        Ok(catalog)
    }
}
