//! Opening a store: what is in a place, checked, and what is left out of it.

mod foreign;
pub(crate) mod saved_dataset;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use saekit_core::files::sha256;
use saekit_core::{Interrupt, Observer};
use serde::{Deserialize, Serialize};

use crate::foreign::check_two_bytes;
use crate::format::names::MANIFEST;
use crate::memory::give_back;
use crate::shard::Shard;
use crate::shard::native::{NativeShard, open_sized};
use crate::storage::{check_sha256, read_all};
use crate::store::{Inner, Store};
use crate::{Blob, DType, Error, Manifest, Result, ShardInfo, Storage, Tokens};

/// Shards that are opened side by side: far away, where each takes a round trip or two, and nearby.
const OPENED_AT_ONCE: [usize; 2] = [16, 4];

/// How to open a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenConfig {
    /// What to do about a file that is damaged.
    pub damaged: Damaged,
    /// How to read files of other tools; a store of saekit's own says everything itself.
    pub foreign: ForeignConfig,
}

/// What to do about a file that is missing or damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Damaged {
    /// Stop with its error.
    #[default]
    Fail,
    /// Leave it out. Every file is read once while the store is opened, so that damage is known
    /// before anything depends on the rows.
    Skip,
}

/// How to read files of other tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignConfig {
    /// Columns of activations; all that can be where there are none.
    pub columns: Vec<String>,
    /// Column of whole numbers that becomes the sequence of each row: its document.
    pub document: Option<String>,
    /// Column of whole numbers that becomes the position of each row in its sequence.
    pub position: Option<String>,
    /// What values of two bytes are, where a file does not say it.
    pub dtype: Option<DType>,
    /// Rows are read and mixed in groups of about so many bytes.
    pub group_bytes: usize,
}

impl Default for ForeignConfig {
    fn default() -> Self {
        Self { columns: vec![], document: None, position: None, dtype: None, group_bytes: 1 << 20 }
    }
}

impl ForeignConfig {
    /// Fails where something was said that is not so of saekit's own store, of which `path` is the
    /// manifest; leaves in `manifest` the columns that were asked for.
    fn check(&self, path: &Path, manifest: &mut Manifest) -> Result<()> {
        let (available, columns) = (manifest.available(), &mut manifest.columns);
        for name in &self.columns {
            if !columns.iter().any(|column| column.name.as_str() == name) {
                let (path, column) = (path.to_owned(), name.clone());
                return Err(Error::MissingColumn { path, column, available });
            }
        }
        if !self.columns.is_empty() {
            columns.retain(|column| self.columns.iter().any(|name| column.name.as_str() == name));
        }
        if self.document.is_some() || self.position.is_some() {
            let problem = "saekit's own store says itself which document a row is of".to_owned();
            let remedy = "leave out `--document` and `--position`".to_owned();
            return Err(Error::Options { path: path.to_owned(), problem, remedy });
        }
        let mut columns = manifest.columns.iter();
        columns.try_for_each(|c| check_two_bytes(path, c.name.as_str(), c.dtype, self.dtype))
    }
}

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Rows it should have had, where that is known.
    pub rows: Option<u64>,
    /// What is wrong with it.
    pub problem: String,
}

/// A store being opened.
pub(crate) struct Opening<'a> {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) config: &'a OpenConfig,
    pub(crate) observer: &'a mut dyn Observer,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) skipped: Vec<Skipped>,
}

impl Opening<'_> {
    /// Opens what is there.
    pub(crate) fn open(mut self) -> Result<Store> {
        match self.storage.open(MANIFEST)? {
            Some(blob) => self.open_native(&*blob),
            None => foreign::open(&mut self),
        }
    }

    /// Opens saekit's own store, of which `blob` is the manifest.
    fn open_native(&mut self, blob: &dyn Blob) -> Result<Store> {
        let path = self.storage.path(MANIFEST);
        let bytes = read_all(blob)?;
        let mut manifest = Manifest::parse(&bytes, &path)?;
        self.config.foreign.check(&path, &mut manifest)?;
        let tokens = manifest.tokens.as_ref();
        let tokens = tokens.map(|file| Tokens::open(&*self.storage, file, manifest.sequences));
        let tokens = tokens.transpose()?;
        let total = manifest.shards.len() as u64;
        self.observer.begin("opening", Some(total), "shards");
        let (mut shards, mut left) = (Vec::new(), Vec::new());
        let [far, near] = OPENED_AT_ONCE;
        for infos in manifest.shards.chunks(if blob.is_remote() { far } else { near }) {
            self.interrupt.check()?;
            for (info, opened) in infos.iter().zip(self.open_shards(infos, &manifest)) {
                match opened {
                    Ok(shard) => {
                        shards.push(shard);
                        left.push(info.clone());
                    }
                    Err(error) => {
                        self.skip(self.storage.path(&info.file), Some(info.rows), error)?;
                    }
                }
            }
            self.observer.advance(shards.len() as u64, "");
        }
        self.observer.end();
        let sha256 = self.sha256(sha256(&bytes));
        manifest.rows = left.iter().map(|info| info.rows).sum();
        manifest.shards = left;
        self.finish(Inner {
            storage: Arc::clone(&self.storage),
            has_sequences: tokens.is_some(),
            manifest,
            sha256,
            shards,
            tokens,
            skipped: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Whether every file is read while the store is opened.
    pub(crate) fn reads_all(&self) -> bool {
        self.config.damaged == Damaged::Skip
    }

    /// Opens shards side by side.
    fn open_shards(&self, infos: &[ShardInfo], manifest: &Manifest) -> Vec<Result<Box<dyn Shard>>> {
        let (storage, reads_all) = (&*self.storage, self.reads_all());
        let open = |info| open_shard(storage, info, manifest, reads_all);
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                infos.iter().map(|info| scope.spawn(move || open(info))).collect();
            let panicked = |panic| std::panic::resume_unwind(panic);
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        })
    }

    /// Leaves a file out, unless `error` is not damage or damage is to be an error.
    pub(crate) fn skip(&mut self, path: PathBuf, rows: Option<u64>, error: Error) -> Result<()> {
        if self.config.damaged == Damaged::Fail || !error.is_damage() {
            return Err(error);
        }
        self.skipped.push(Skipped { path, rows, problem: error.to_string() });
        Ok(())
    }

    /// The identity of the store, where files may have been left out.
    pub(crate) fn sha256(&self, whole: String) -> String {
        if self.skipped.is_empty() {
            return whole;
        }
        let location = self.storage.location();
        let name = |path: &Path| path.strip_prefix(location).unwrap_or(path).display().to_string();
        let names = self.skipped.iter().map(|skipped| name(&skipped.path));
        sha256([vec![whole], names.collect()].concat().join("\n").as_bytes())
    }

    /// The store, unless it has no rows.
    pub(crate) fn finish(&mut self, mut inner: Inner) -> Result<Store> {
        inner.skipped = std::mem::take(&mut self.skipped);
        if inner.manifest.rows == 0 {
            return match inner.skipped.first() {
                Some(skipped) => Err(Error::NothingLeft {
                    dir: inner.location(),
                    skipped: inner.skipped.len(),
                    problem: skipped.problem.clone(),
                }),
                None => Err(Error::NoRows { dir: inner.location() }),
            };
        }
        give_back();
        Ok(Store::new(inner))
    }
}

fn open_shard(
    storage: &dyn Storage,
    info: &ShardInfo,
    manifest: &Manifest,
    reads_all: bool,
) -> Result<Box<dyn Shard>> {
    let shard = NativeShard::open(storage, info, manifest)?;
    if reads_all {
        let blob = open_sized(storage, &info.file, info.bytes)?;
        check_sha256(&*blob, &storage.path(&info.file), &info.sha256)?;
    }
    Ok(Box::new(shard))
}
