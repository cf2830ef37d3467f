//! Buckets and web servers.

mod client;
mod credentials;
mod environment;
mod options;
mod settings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore};
use saekit_core::Result as CoreResult;
use saekit_store::{Blob, Listed, Storage};

use self::client::failure;
use crate::address::Scheme;
use crate::cache::RangeCache;

use crate::failure::Failure;
use crate::network::{Filler, Network, check_range};
use crate::opening::Opening;
use crate::{Error, RemoteConfig, Result};

pub(crate) fn open(opening: Opening<'_>, config: &RemoteConfig) -> Result<Arc<dyn Storage>> {
    let (store, prefix) = settings::connect(&opening, config)?;
    let Opening { location, network, cache, .. } = opening;
    let client = Arc::new(Client { store, network });
    Ok(Arc::new(Cloud { location: location.into(), client, prefix, cache }))
}

/// The files under a prefix of a bucket, or under a path of a web server.
struct Cloud {
    location: PathBuf,
    client: Arc<Client>,
    prefix: ObjectPath,
    cache: Option<Arc<RangeCache>>,
}

impl Cloud {
    /// Where the file at `path` is for the server.
    fn key(&self, path: &str) -> Result<ObjectPath, Failure> {
        let key = if self.prefix.as_ref().is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.prefix)
        };
        ObjectPath::parse(key).map_err(|error| Failure::Answer(error.to_string()))
    }

    fn listed(&self, meta: &ObjectMeta) -> Option<Listed> {
        let path = meta.location.as_ref().strip_prefix(self.prefix.as_ref())?;
        Some(Listed::new(path.trim_start_matches('/'), meta.size))
    }

    fn wrap(&self, path: &str, blob: CloudBlob) -> Arc<dyn Blob> {
        let blob: Arc<dyn Blob> = Arc::new(blob);
        match &self.cache {
            Some(cache) => cache.wrap(&self.location.to_string_lossy(), path, blob),
            None => blob,
        }
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Storage for Cloud {
    fn location(&self) -> &Path {
        &self.location
    }

    fn list(&self) -> CoreResult<Vec<Listed>> {
        if matches!(self.client.network.scheme(), Scheme::Http | Scheme::Https) {
            let location = self.location.display().to_string();
            return Err(Error::CannotList { location }.into());
        }
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let found =
            self.client.network.read(&self.location, async || self.client.list(prefix).await);
        let mut found: Vec<_> = found?.iter().filter_map(|meta| self.listed(meta)).collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn open(&self, path: &str) -> CoreResult<Option<Arc<dyn Blob>>> {
        let shown = self.path(path);
        let meta =
            self.client.network.find(&shown, async || self.client.head(&self.key(path)?).await)?;
        let blob = |meta| CloudBlob { path: shown, client: Arc::clone(&self.client), meta };
        Ok(meta.map(|meta| self.wrap(path, blob(meta))))
    }

    fn path(&self, path: &str) -> PathBuf {
        format!("{}/{path}", self.location.display()).into()
    }
}

struct Client {
    store: Arc<dyn ObjectStore>,
    network: Network,
}

impl Client {
    async fn list(&self, prefix: Option<&ObjectPath>) -> Result<Vec<ObjectMeta>, Failure> {
        let mut found = Vec::new();
        let mut listing = self.store.list(prefix);
        while let Some(meta) = self.network.within(async { next(&mut listing).await }).await? {
            found.push(meta);
        }
        Ok(found)
    }

    /// What the server says of the file at `key`. Where it says no, it is asked for the first byte:
    /// answers without a body cannot say why not, and some servers and signatures allow nothing else.
    async fn head(&self, key: &ObjectPath) -> Result<ObjectMeta, Failure> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let refused = match self.get(key, options).await {
            Ok(result) => return Ok(result.meta),
            Err(refused) => refused,
        };
        if !matches!(refused, Failure::Status { status: 400 | 403 | 405 | 501, .. }) {
            return Err(refused);
        }
        let range = Some(GetRange::Bounded(0..1));
        match self.get(key, GetOptions { range, ..GetOptions::default() }).await {
            Ok(result) => Ok(result.meta),
            Err(explained @ Failure::Status { code: Some(_), .. }) => Err(explained),
            Err(_) => Err(refused),
        }
    }

    async fn get(&self, key: &ObjectPath, options: GetOptions) -> Result<GetResult, Failure> {
        let answer =
            async { self.store.get_opts(key, options).await.map_err(|error| failure(&error)) };
        self.network.within(answer).await
    }

    async fn fill(&self, opened: &ObjectMeta, offset: u64, out: &mut [u8]) -> Result<(), Failure> {
        let range = GetRange::Bounded(offset..offset + out.len() as u64);
        let if_match = opened.e_tag.clone().filter(|tag| !is_weak(tag));
        let options = GetOptions { range: Some(range), if_match, ..GetOptions::default() };
        let result = self.get(&opened.location, options).await?;
        if !is_same(opened, &result.meta) {
            return Err(Failure::Changed);
        }
        let mut filler = Filler::new(out);
        let mut pieces = result.into_stream();
        while let Some(piece) = self.network.within(async { next(&mut pieces).await }).await? {
            filler.push(&piece)?;
        }
        filler.finish()
    }
}

async fn next<T>(
    stream: &mut (impl futures_util::Stream<Item = object_store::Result<T>> + Unpin),
) -> Result<Option<T>, Failure> {
    stream.next().await.transpose().map_err(|error| failure(&error))
}

/// Whether an etag says only that the file means the same. Servers compare such with nothing.
fn is_weak(tag: &str) -> bool {
    tag.starts_with("W/")
}

/// Whether an answer is about the file that was opened; not every server looks at `If-Match`.
fn is_same(opened: &ObjectMeta, found: &ObjectMeta) -> bool {
    let same_version = match (&opened.e_tag, &found.e_tag) {
        (Some(opened), Some(found)) => opened == found,
        _ => opened.last_modified == found.last_modified,
    };
    same_version && opened.size == found.size
}

/// A file of a bucket or of a web server.
struct CloudBlob {
    path: PathBuf,
    client: Arc<Client>,
    meta: ObjectMeta,
}

impl fmt::Debug for CloudBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudBlob").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Blob for CloudBlob {
    fn is_remote(&self) -> bool {
        true
    }

    fn bytes(&self) -> u64 {
        self.meta.size
    }

    fn version(&self) -> Option<&str> {
        self.meta.e_tag.as_deref()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> CoreResult<()> {
        check_range(&self.path, self.meta.size, offset, out.len() as u64)?;
        if out.is_empty() {
            return Ok(());
        }
        let attempt = async || {
            let filled = self.client.fill(&self.meta, offset, out).await;
            filled.map_err(Failure::of_opened_file)
        };
        Ok(self.client.network.read(&self.path, attempt)?)
    }
}
