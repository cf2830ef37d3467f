use std::path::Path;

use saekit_core::{HookPoint, Interrupt, Observer};

use crate::{ColumnInfo, Manifest, Result, ScannedRows, ShuffledRows, StreamConfig, Tokens};

/// A finished store, checked and open for reading. Clones share what was read.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens the store in `dir`: reads the manifest, and checks it and the size, schema, row count,
    /// widths and dtypes of every file against each other. Reads no rows.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let _ = dir;
        unimplemented!()
    }

    /// Removes the store, finished or not, in `dir`: its manifest, shards and tokens table, and
    /// nothing else. Does nothing where there is none.
    pub fn remove(dir: impl AsRef<Path>) -> Result<()> {
        let _ = dir;
        unimplemented!()
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        unimplemented!()
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        unimplemented!()
    }

    /// SHA-256 of `manifest.json`, hex; through the hashes in there, of everything.
    pub fn sha256(&self) -> &str {
        unimplemented!()
    }

    /// The column called `name`; the error lists those there are.
    pub fn column(&self, name: &HookPoint) -> Result<&ColumnInfo> {
        let _ = name;
        unimplemented!()
    }

    /// The tokens table, where there is one.
    pub fn tokens(&self) -> Option<&Tokens> {
        unimplemented!()
    }

    /// Rows in a random order, epoch after epoch, without end.
    pub fn stream(&self, config: StreamConfig) -> Result<ShuffledRows> {
        let _ = config;
        unimplemented!()
    }

    /// Every row once, in the order on disk; each column with the factor its rows are multiplied by.
    pub fn scan(&self, columns: &[(HookPoint, f32)]) -> Result<ScannedRows> {
        let _ = columns;
        unimplemented!()
    }

    /// Reads every file and compares its hash with the manifest's; fails at the first that differs.
    pub fn verify(&self, observer: &mut dyn Observer, interrupt: &Interrupt) -> Result<()> {
        let _ = (observer, interrupt);
        unimplemented!()
    }
}
