//! What the Hub's cache has, where the Hub may not be asked.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hf_hub::HFClient;
use saekit_core::{Error as CoreError, Result as CoreResult};
use saekit_store::{Blob, Fault, Folder, Listed, Storage};

use crate::hub::address::HubAddress;
use crate::hub::cache;
use crate::hub::failure;
use crate::network::Network;
use crate::{Error, Result};

/// The file that says which others there are. Files of other tools have none.
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
    let Some(snapshot) = snapshot else { return Err(Error::Offline { location, cache }) };
    let dir = snapshot.join(&address.prefix);
    if !dir.exists() {
        return Err(Error::Offline { location, cache });
    }
    if !dir.is_dir() {
        return Err(Error::NoFolder { location });
    }
    // The cache calls a commit's folder after it.
    let commit = snapshot.file_name().map(|name| name.to_string_lossy().into_owned());
    let folder = Folder::new(&dir);
    Ok(Arc::new(Snapshot { location: location.into(), dir, folder, cache, commit }))
}

/// Where the manifest is of the store that a file is a shard of, by the file's name.
fn manifest_of(path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/')?;
    name.strip_prefix("shard-")?.strip_suffix(".parquet")?;
    let store = folder.strip_suffix("shards")?;
    (store.is_empty() || store.ends_with('/')).then(|| format!("{store}{MANIFEST}"))
}

/// A folder of the Hub's cache, under the name it has on the Hub.
#[derive(Debug)]
struct Snapshot {
    location: PathBuf,
    dir: PathBuf,
    folder: Folder,
    cache: PathBuf,
    commit: Option<String>,
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

    fn revision(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    /// Fails where a store's shards are there without what says how many there are.
    fn list(&self) -> CoreResult<Vec<Listed>> {
        let listed = self.folder.list().map_err(|error| match error {
            CoreError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
                self.lacks(&self.location).into()
            }
            other => other,
        })?;
        // A link without the file that it leads to: the cache has lost it.
        if listed.iter().any(|file| matches!(file.fault, Some(Fault::Link(_)))) {
            return Err(self.lacks(&self.location).into());
        }
        let has = |path: &str| listed.iter().any(|file| file.path == path);
        let mut manifests = listed.iter().filter_map(|file| manifest_of(&file.path));
        match manifests.find(|manifest| !has(manifest)) {
            Some(missing) => Err(self.lacks(&self.path(&missing)).into()),
            None => Ok(listed),
        }
    }

    fn open(&self, path: &str) -> CoreResult<Option<Arc<dyn Blob>>> {
        let file = self.dir.join(path);
        if file.is_symlink() && !file.exists() {
            return Err(self.lacks(&self.path(path)).into());
        }
        match cache::open(&file)? {
            None if path != MANIFEST => Err(self.lacks(&self.path(path)).into()),
            None => self.list().map(|_| None),
            found => Ok(found),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        format!("{}/{path}", self.location.display()).into()
    }
}
