use std::path::{Path, PathBuf};
use std::sync::Arc;

use saekit_core::files::sha256;
use saekit_core::{HookPoint, Interrupt, Observer};

use crate::layout::{self, MANIFEST};
use crate::rows::Group;
use crate::shard::Shard;
use crate::shard::native::{NativeShard, open_sized};
use crate::storage::{check_sha256, read_all};
use crate::{
    ColumnInfo, Cursor, Error, Folder, Manifest, Result, RowFilter, RowSet, ScannedRows,
    ShuffledRows, Storage, StreamConfig, Tokens,
};

/// A finished store, checked and open for reading. Clones share what was read.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

/// What the sources made from a store share with it.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) manifest: Manifest,
    pub(crate) sha256: String,
    pub(crate) shards: Vec<Box<dyn Shard>>,
    pub(crate) tokens: Option<Tokens>,
}

impl Store {
    /// Opens the store in the folder `dir`; see [`open_in`](Self::open_in).
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(Arc::new(Folder::new(dir.as_ref())))
    }

    /// Opens the store in `storage`: reads the manifest, and checks it and the size, schema, row
    /// count, widths and dtypes of every file against each other. Reads no rows.
    pub fn open_in(storage: Arc<dyn Storage>) -> Result<Self> {
        let Some(blob) = storage.open(MANIFEST)? else {
            return Err(Error::NotAStore { dir: storage.location().to_owned() });
        };
        let bytes = read_all(&*blob)?;
        let manifest = Manifest::parse(&bytes, &storage.path(MANIFEST))?;
        let shards = manifest.shards.iter().map(|info| {
            Ok(Box::new(NativeShard::open(&*storage, info, &manifest)?) as Box<dyn Shard>)
        });
        let shards = shards.collect::<Result<_>>()?;
        let tokens = manifest.tokens.as_ref();
        let tokens = tokens.map(|file| Tokens::open(&*storage, file, manifest.sequences));
        let tokens = tokens.transpose()?;
        if manifest.rows == 0 {
            return Err(Error::NoRows { dir: storage.location().to_owned() });
        }
        let sha256 = sha256(&bytes);
        Ok(Self(Arc::new(Inner { storage, manifest, sha256, shards, tokens })))
    }

    /// Removes the store, finished or not, in `dir`: its manifest, shards and tokens table, and
    /// nothing else. Does nothing where there is none; fails where the manifest is not a store's.
    pub fn remove(dir: impl AsRef<Path>) -> Result<()> {
        layout::remove(dir.as_ref())
    }

    /// Its folder, or its address.
    pub fn dir(&self) -> &Path {
        self.0.storage.location()
    }

    /// What it holds.
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
    pub fn scan_set(&self, columns: &[(HookPoint, f32)], rows: &RowSet) -> Result<ScannedRows> {
        ScannedRows::new(Arc::clone(&self.0), columns, Some(rows.clone()))
    }

    /// Chooses rows. Reads the tokens table and the numbers of all rows, and `column` too where the
    /// filter asks for norms; holds a bit a row.
    ///
    /// Fails where the filter does not fit the store, or leaves nothing.
    pub fn select(
        &self,
        filter: RowFilter,
        column: &HookPoint,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<RowSet> {
        RowSet::new(&self.0, filter, column, (observer, interrupt))
    }

    /// Reads every file and compares its hash with the manifest's; fails at the first that differs.
    pub fn verify(&self, observer: &mut dyn Observer, interrupt: &Interrupt) -> Result<()> {
        let Manifest { tokens, shards, .. } = self.manifest();
        let tokens = tokens.iter().map(|file| (&file.file, file.bytes, &file.sha256));
        let shards = shards.iter().map(|shard| (&shard.file, shard.bytes, &shard.sha256));
        let files: Vec<_> = tokens.chain(shards).collect();
        observer.begin("verify", Some(files.iter().map(|(_, bytes, _)| bytes).sum()), "bytes");
        let mut done = 0;
        for (file, bytes, expected) in files {
            interrupt.check()?;
            let storage = &*self.0.storage;
            let blob = open_sized(storage, file, bytes)?;
            check_sha256(&*blob, &storage.path(file), expected)?;
            done += bytes;
            observer.advance(done, file);
        }
        observer.end();
        Ok(())
    }
}

impl Inner {
    /// Where the store is, for messages.
    pub(crate) fn location(&self) -> PathBuf {
        self.storage.location().to_owned()
    }

    /// Whether rows have a sequence and a position.
    pub(crate) fn has_sequences(&self) -> bool {
        self.tokens.is_some()
    }

    /// Place in the manifest of the column called `name`.
    pub(crate) fn column_index(&self, name: &HookPoint) -> Result<usize> {
        let found = self.manifest.columns.iter().position(|column| column.name == *name);
        found.ok_or_else(|| Error::UnknownColumn {
            path: self.location(),
            column: name.to_string(),
            available: self.manifest.available(),
        })
    }

    /// The row groups that have rows, in the order on disk.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let mut first = 0;
        let mut groups = Vec::new();
        for (shard, reader) in self.shards.iter().enumerate() {
            for (index, rows) in reader.group_rows().iter().enumerate() {
                groups.push(Group { shard: shard as u32, index: index as u32, rows: *rows, first });
                first += u64::from(*rows);
            }
        }
        groups.retain(|group| group.rows > 0);
        groups
    }

    /// Fails where `cursor` belongs to another store or another order, or lies past the end.
    pub(crate) fn check_cursor(
        &self,
        cursor: &Cursor,
        order_sha256: &str,
        rows: u64,
    ) -> Result<()> {
        let path = self.location();
        if cursor.store_sha256 != self.sha256 {
            let (expected, found) = (self.sha256.clone(), cursor.store_sha256.clone());
            return Err(Error::OtherStore { path, expected, found });
        }
        if cursor.order_sha256 != order_sha256 {
            return Err(Error::OtherOrder { path });
        }
        if cursor.row > rows {
            return Err(Error::CursorRange { path, row: cursor.row, rows });
        }
        Ok(())
    }
}
