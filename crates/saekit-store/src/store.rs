//! The handle of an open store.

use std::path::Path;
use std::sync::Arc;

use saekit_core::{HookPoint, Interrupt, Observer, Silent};

use crate::catalog::{Catalog, Skipped};
use crate::error::Result;
use crate::format::manifest::{ColumnInfo, Manifest};
use crate::open;
use crate::open::config::OpenConfig;
use crate::read::profile::ColumnProfile;
use crate::select::filter::RowFilter;
use crate::select::row_selection::RowSelection;
use crate::storage::Storage;
use crate::storage::folder::Folder;
use crate::stream::config::StreamConfig;
use crate::stream::scanned::ScannedRows;
use crate::stream::shuffled::ShuffledRows;
use crate::tokens::Tokens;
use crate::verify::{self, Verified};
use crate::write::folder;

/// A finished store, checked and open for reading. Clones share what was read.
#[derive(Clone, Debug)]
pub struct Store(Arc<Catalog>);

impl Store {
    /// Opens the store in the folder `dir`; see [`open_in`](Self::open_in).
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let storage = Arc::new(Folder::new(dir.as_ref()));
        Self::open_in(storage, &OpenConfig::default(), &mut Silent, &Interrupt::default())
    }

    /// Opens the store in `storage`: reads the manifest, and checks it and the size, schema, row
    /// count, widths and dtypes of every file against each other. Reads no rows, unless damaged
    /// files are to be skipped.
    pub fn open_in(
        storage: Arc<dyn Storage>,
        config: &OpenConfig,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        Ok(Self(Arc::new(open::open(storage, config, observer, interrupt)?)))
    }

    /// The damaged files that were skipped.
    pub fn skipped(&self) -> &[Skipped] {
        &self.0.skipped
    }

    /// Facts about the files that a user should know, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// Whether rows have a sequence and a position.
    pub fn has_sequences(&self) -> bool {
        self.0.has_sequences
    }

    /// Removes the store, finished or not, in `dir`: its manifest, shards and tokens table, and
    /// nothing else. Does nothing where there is none; fails where the manifest is not a store's.
    pub fn remove(dir: impl AsRef<Path>) -> Result<()> {
        folder::remove(dir.as_ref())
    }

    /// Its folder, or its address.
    pub fn dir(&self) -> &Path {
        self.0.storage.location()
    }

    /// The version of its files, if its place keeps several: on the Hub the commit.
    pub fn revision(&self) -> Option<&str> {
        self.0.storage.revision()
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// SHA-256 of `manifest.json`, hex; through the hashes in there, of everything.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// The column called `name`; the error lists those there are.
    pub fn column(&self, name: &HookPoint) -> Result<&ColumnInfo> {
        Ok(&self.0.manifest.columns[self.0.column_index(name)?])
    }

    /// The tokens table, where there is one.
    pub fn tokens(&self) -> Option<&Tokens> {
        self.0.tokens.as_ref()
    }

    /// Rows in a random order, epoch after epoch, without end.
    ///
    /// Fails where a column does not exist or the pool cannot hold two row groups.
    pub fn stream(&self, config: &StreamConfig) -> Result<ShuffledRows> {
        ShuffledRows::new(Arc::clone(&self.0), config)
    }

    /// Every row once, in the order on disk; each column with the factor its rows are multiplied by.
    pub fn scan(&self, columns: &[(HookPoint, f32)]) -> Result<ScannedRows> {
        ScannedRows::new(Arc::clone(&self.0), columns, None)
    }

    /// [`scan`](Self::scan) of the rows in `rows`, which were chosen from this store.
    pub fn scan_selection(
        &self,
        columns: &[(HookPoint, f32)],
        rows: &RowSelection,
    ) -> Result<ScannedRows> {
        ScannedRows::new(Arc::clone(&self.0), columns, Some(rows.clone()))
    }

    /// Chooses rows. Reads the tokens table and the numbers of all rows, and `columns` too where the
    /// filter asks for values, each of which can leave a row out; keeps a bit per row in a temporary file,
    /// and a little more for each token while it chooses.
    ///
    /// Fails where the filter does not fit the store, or leaves nothing.
    pub fn select(
        &self,
        filter: RowFilter,
        columns: &[HookPoint],
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<RowSelection> {
        RowSelection::new(&self.0, filter, columns, (observer, interrupt))
    }

    /// Figures of `column` over at least `rows` rows, taken evenly from the store a row group at a
    /// time; over all where it has fewer. Values that are not finite are counted, not refused.
    pub fn profile(
        &self,
        column: &HookPoint,
        rows: u64,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<ColumnProfile> {
        let groups = self.0.groups();
        let share = rows as f64 / self.manifest().rows.max(1) as f64;
        let count = ((share * groups.len() as f64).ceil() as usize).clamp(1, groups.len());
        let chosen: Vec<_> = (0..count).map(|i| groups[i * groups.len() / count]).collect();
        ColumnProfile::of(&self.0, column, &chosen, (observer, interrupt))
    }

    /// Reads everything and checks it: the hash of every file that has one in the manifest, the checksum
    /// of every page, that values are finite, the statistics in the manifest, and that each token of the
    /// tokens table has the rows it should. Fails at the first fault.
    ///
    /// Memory is bounded: two bits per token and eight bytes per sequence, at most 128 MiB of each.
    pub fn verify(&self, observer: &mut dyn Observer, interrupt: &Interrupt) -> Result<Verified> {
        verify::verify(&self.0, observer, interrupt)
    }
}
