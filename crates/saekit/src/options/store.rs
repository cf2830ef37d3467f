//! Where activations are: a folder, files, an address.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use saekit_core::number;
use saekit_remote::{CacheConfig, RemoteConfig};
use saekit_store::{Damaged, Folder, ForeignConfig, OpenConfig, Storage, Store};
use serde::{Deserialize, Serialize};

use crate::exit::{OnInterrupt as _, Usage};
use crate::session::Session;

/// What may be said of a store beside where it is. It is also the `[store_options]` table of a
/// configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreOptions {
    /// Columns of activations in files of other tools [default: all that can be]
    #[arg(long = "column", value_name = "NAME")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) columns: Vec<String>,
    /// Column that tells the document (or the sequence) of a row: whole numbers, texts or bytes
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<String>,
    /// Column of whole numbers that tells the position of a row in its document
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<String>,
    /// Column of whole numbers that tells the token of a row [default: token_ids, if there is one]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_ids: Option<String>,
    /// The dtype of 16-bit values, if a file does not say it: f16 or bf16
    #[arg(long, value_name = "DTYPE", value_parser = ["f16", "bf16"], hide_possible_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) half_dtype: Option<String>,
    /// A damaged shard is an error (fail), or is left out and reported (skip) [default: fail]
    #[arg(long, value_name = "POLICY", value_parser = ["fail", "skip"], hide_possible_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) damaged: Option<String>,
    /// Folder that keeps what was read of a store far away [default: none]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache: Option<PathBuf>,
    /// Largest size of that folder [default: 16]
    #[arg(long, value_name = "GIB")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_gib: Option<u64>,
}

/// GiB that a cache may take where nothing is said.
const CACHE_GIB: u64 = 16;

impl StoreOptions {
    /// Whether nothing was said.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Opens the store at `location` and says what there is to say of it.
    pub(crate) fn open(&self, location: &Path, session: &Session) -> Result<Store> {
        let storage = self.storage(location)?;
        let config = self.config()?;
        let interrupt = &session.interrupt;
        let store = Store::open_in(storage, &config, &mut session.observer(), interrupt)
            .on_interrupt(interrupt, || "nothing was changed".to_owned())?;
        if let Some(revision) = store.revision() {
            session.say(&format!("{}: revision {revision}", shown(location)));
        }
        for note in store.notes() {
            session.say(&format!("{}: {note}", shown(location)));
        }
        for skipped in store.skipped() {
            session.warn(&format!("left out: {}", skipped.problem));
        }
        if let Some(count) = Some(store.skipped().len()).filter(|count| *count > 0) {
            let rows: Option<u64> = store.skipped().iter().map(|skipped| skipped.rows).sum();
            let rows = rows.map_or_else(
                || "an unknown number of rows".to_owned(),
                |rows| format!("{} rows", number::count(rows)),
            );
            let files = if count == 1 { "file" } else { "files" };
            let count = number::count(count as u64);
            session.warn(&format!("{count} damaged {files} with {rows} left out"));
        }
        Ok(store)
    }

    fn config(&self) -> Result<OpenConfig> {
        let damaged = match self.damaged.as_deref() {
            None | Some("fail") => Damaged::Fail,
            Some("skip") => Damaged::Skip,
            Some(other) => {
                return Err(Usage(format!("`damaged` is `{other}`, expected fail or skip")).into());
            }
        };
        let foreign = ForeignConfig {
            columns: self.columns.clone(),
            document: self.document.clone(),
            position: self.position.clone(),
            token_ids: self.token_ids.clone(),
            dtype: self.half_dtype.as_deref().map(str::parse).transpose()?,
            ..ForeignConfig::default()
        };
        Ok(OpenConfig { damaged, foreign })
    }

    fn storage(&self, location: &Path) -> Result<Arc<dyn Storage>> {
        if let Some(address) = location.to_str().filter(|text| saekit_remote::is_remote(text)) {
            let bytes = self.cache_gib.unwrap_or(CACHE_GIB).saturating_mul(1 << 30);
            let cache = self.cache.clone().map(|dir| CacheConfig { dir, bytes });
            let config = RemoteConfig { cache, ..RemoteConfig::default() };
            let address = address.strip_suffix("/manifest.json").unwrap_or(address);
            return Ok(saekit_remote::open(address, &config)?);
        }
        Ok(Arc::new(local(location)?))
    }
}

/// A location as it may be written down: an address without what may be secret.
pub(crate) fn shown(location: &Path) -> String {
    saekit_remote::shown(&location.display().to_string())
}

/// The folder, the file or the files that match a pattern.
fn local(location: &Path) -> Result<Folder> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    if location.file_name().is_some_and(|name| name == "manifest.json") {
        return Ok(Folder::new(parent(location)));
    }
    if location.is_file() {
        let dir = parent(location);
        let file = location.file_name().map_or_else(|| dir.clone(), |name| dir.join(name));
        return Ok(Folder::of_files(dir, &[file]));
    }
    let text = location.to_string_lossy();
    if location.exists() || !text.contains(['*', '?', '[']) {
        return Ok(Folder::new(location));
    }
    let paths = glob::glob(&text).with_context(|| format!("{text} is not a valid pattern"))?;
    let mut files = paths.collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| path.is_file());
    if files.is_empty() {
        return Err(Usage(format!("no file matches {text}")).into());
    }
    let fixed = text.split(['*', '?', '[']).next().unwrap_or_default();
    let dir = match fixed.rsplit_once('/') {
        Some(("", _)) => PathBuf::from("/"),
        Some((dir, _)) => PathBuf::from(dir),
        None => PathBuf::from("."),
    };
    Ok(Folder::of_files(dir, &files))
}
