//! Where activations are: a folder, files, an address.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use saekit_core::number;
use saekit_remote::{CacheConfig, RemoteConfig};
use saekit_store::{Damaged, ForeignConfig, OpenConfig, Storage, Store, local_place};
use serde::{Deserialize, Serialize};

use crate::exit::{OnInterrupt as _, Usage};
use crate::options::place::{ChoiceOptions, Location};
use crate::session::Session;

/// What may be said of a store beside where it is. It is also the `[store_options]` table of a
/// configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreOptions {
    /// Columns of activations in files of other tools [default: all that can be]
    #[arg(long = "column", value_name = "NAME")]
    #[serde(rename = "column", skip_serializing_if = "Vec::is_empty")]
    pub(crate) columns: Vec<String>,
    /// Column that tells the document (or the sequence) of a row: whole numbers, texts or bytes
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<String>,
    /// Column with the position of each row in its document
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<String>,
    /// Column of whole numbers that tells the token of a row [default: `token_ids`, if there is one]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_ids: Option<String>,
    /// Column of the scale of each row, for vectors of int8 or uint8: a value is the product of both
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scale_column: Option<String>,
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
    #[arg(long, value_name = "GIB", value_parser = super::whole())]
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

    /// Opens the store at `location`, or what `choose` means of it, and says what there is to say.
    pub(crate) fn open(
        &self,
        location: &Location,
        choose: &ChoiceOptions,
        session: &Session,
    ) -> Result<Store> {
        let storage = self.storage(location)?;
        let config = OpenConfig { choice: choose.choice()?, ..self.config()? };
        let interrupt = &session.interrupt;
        let store = Store::open_in(storage, &config, &mut session.observer(), interrupt)
            .on_interrupt(interrupt, || "nothing was changed".to_owned())?;
        if let Some(revision) = store.revision() {
            session.say(&format!("{location}: revision {revision}"));
        }
        for note in store.notes() {
            session.say(&format!("{location}: {note}"));
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
            scale: self.scale_column.clone(),
            dtype: self.half_dtype.as_deref().map(str::parse).transpose()?,
            ..ForeignConfig::default()
        };
        Ok(OpenConfig { damaged, foreign, ..OpenConfig::default() })
    }

    fn storage(&self, location: &Location) -> Result<Arc<dyn Storage>> {
        if let Some(address) = location.address()? {
            let bytes = self.cache_gib.unwrap_or(CACHE_GIB).saturating_mul(1 << 30);
            let cache = self.cache.clone().map(|dir| CacheConfig { dir, bytes });
            let config = RemoteConfig { cache, ..RemoteConfig::default() };
            let address = address.strip_suffix("/manifest.json").unwrap_or(address);
            return Ok(saekit_remote::open(address, &config)?);
        }
        Ok(Arc::new(local_place(&location.0)?))
    }
}
