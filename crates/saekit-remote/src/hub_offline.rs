//! What the Hub's cache has, where the Hub may not be asked.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hf_hub::HFClient;
use saekit_core::{Error as CoreError, Result as CoreResult};
use saekit_store::{Blob, Folder, Listed, Storage};

use crate::hub::failure;
use crate::hub_address::HubAddress;
use crate::network::Network;
use crate::{Error, Result};

/// The one file that a folder may well be without: files of other tools have none.
const MANIFEST: &str = "manifest.json";

/// What the Hub's cache has of the revision, and nothing else.
pub(crate) fn open(
    network: &Network,
    client: &HFClient,
    address: &HubAddress,
    location: String,
) -> Result<Arc<dyn Storage>> {
    let repository = client.repository(address.kind, &address.owner, &address.name);
    let snapshot = network.find(Path::new(&location), async || {
        let snapshot = repository.snapshot_download().revision(&address.revision);
        snapshot.local_files_only(true).send().await.map_err(failure)
    })?;
    let cache = client.cache_dir().to_owned();
    match snapshot.map(|snapshot| snapshot.join(&address.prefix)) {
        Some(dir) if dir.is_dir() => {
            Ok(Arc::new(Snapshot { location: location.into(), folder: Folder::new(dir), cache }))
        }
        Some(file) if file.exists() => Err(Error::NoFolder { location }),
        _ => Err(Error::Offline { location, cache }),
    }
}

/// A folder of the Hub's cache, under the name it has on the Hub.
#[derive(Debug)]
struct Snapshot {
    location: PathBuf,
    folder: Folder,
    cache: PathBuf,
}

impl Snapshot {
    fn lacks(&self, location: &Path) -> Error {
        Error::Offline { location: location.display().to_string(), cache: self.cache.clone() }
    }
}

impl Storage for Snapshot {
    fn location(&self) -> &Path {
        &self.location
    }

    fn list(&self) -> CoreResult<Vec<Listed>> {
        self.folder.list().map_err(|error| match error {
            CoreError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
                self.lacks(&self.location).into()
            }
            other => other,
        })
    }

    fn open(&self, path: &str) -> CoreResult<Option<Arc<dyn Blob>>> {
        match self.folder.open(path)? {
            None if path != MANIFEST => Err(self.lacks(&self.path(path)).into()),
            found => Ok(found),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        format!("{}/{path}", self.location.display()).into()
    }
}
