//! Files that the Hub's clients have put into its cache.

use std::path::Path;
use std::sync::Arc;

use saekit_core::Result as CoreResult;
use saekit_store::{Blob, Folder, Storage as _};

/// The folder of a repository's files. A commit's own folder has links to them.
const BLOBS: &str = "blobs";

/// The file of the cache at `path`, under the version that it has on the Hub.
pub(crate) fn open(path: &Path) -> CoreResult<Option<Arc<dyn Blob>>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let blob = Folder::new(path.parent().unwrap_or(Path::new(""))).open(&name)?;
    Ok(blob.map(|blob| match hash(path) {
        Some(version) => Arc::new(Cached { blob, version }),
        None => blob,
    }))
}

/// The hash of the file that `path` is a link to. Where systems have no links there is none.
fn hash(path: &Path) -> Option<String> {
    let file = path.canonicalize().ok()?;
    let is_blob = file.parent()?.file_name()? == BLOBS;
    is_blob.then(|| file.file_name()?.to_str().map(str::to_owned))?
}

/// A file whose version is its hash rather than the time when it was downloaded.
#[derive(Debug)]
struct Cached {
    blob: Arc<dyn Blob>,
    version: String,
}

impl Blob for Cached {
    fn bytes(&self) -> u64 {
        self.blob.bytes()
    }

    fn version(&self) -> Option<&str> {
        Some(&self.version)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> CoreResult<()> {
        self.blob.read_at(offset, out)
    }
}
