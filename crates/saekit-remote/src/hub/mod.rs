//! The Hugging Face Hub.

mod address;
mod cache;
mod offline;
mod parts;
mod settings;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFError, HFRepository, RepoTypeAny};
use saekit_core::Result as CoreResult;
use saekit_store::{Blob, Listed, Storage};
use url::Url;

use self::address::HubAddress;
use self::parts::Parts;
use self::settings::{HubSettings, offline};
use crate::cache::RangeCache;
use crate::environment::Unfit;
use crate::failure::{Failure, innermost, plain_code};
use crate::network::{Network, check_range};
use crate::opening::Opening;
use crate::{Error, Result};

pub(crate) fn open(opening: Opening<'_>) -> Result<Arc<dyn Storage>> {
    let address = HubAddress::of(&opening)?;
    let Opening { location, network, cache, .. } = opening;
    let connected = connect().map_err(|unfit| unfit.at(&location))?;
    if offline() {
        return offline::open(&network, &connected.client, &address, location);
    }
    let asked = async || network.within(commit(&connected.client, &address)).await;
    let commit = network.read(Path::new(&location), asked)?;
    let files = address.files(&connected.endpoint, &commit);
    let Connected { client, parts, .. } = connected;
    let repository = client.repository(address.kind, &address.owner, &address.name);
    let pinned = Arc::new(Pinned { repository, commit, files, parts, network });
    Ok(Arc::new(Hub { location: location.into(), pinned, prefix: address.prefix, cache }))
}

/// Who asks the Hub.
struct Connected {
    endpoint: Url,
    client: HFClient,
    parts: Parts,
}

fn connect() -> Result<Connected, Unfit> {
    let settings = HubSettings::from_environment()?;
    let (client, parts) = (settings.client()?, Parts::new(&settings)?);
    Ok(Connected { endpoint: settings.endpoint, client, parts })
}

/// The commit that a revision stands for now.
async fn commit(client: &HFClient, address: &HubAddress) -> Result<String, Failure> {
    let HubAddress { owner, name, revision, .. } = address;
    let sha = match address.kind {
        RepoTypeAny::Dataset => {
            client.dataset(owner, name).info().revision(revision).send().await.map(|info| info.sha)
        }
        _ => client.model(owner, name).info().revision(revision).send().await.map(|info| info.sha),
    };
    let sha = sha.map_err(failure)?;
    sha.ok_or_else(|| Failure::Answer("the Hub named no commit for the revision".to_owned()))
}

/// A commit of a repository.
#[derive(Debug)]
struct Pinned {
    repository: HFRepository<RepoTypeAny>,
    commit: String,
    /// Where its files are.
    files: Url,
    parts: Parts,
    network: Network,
}

impl Pinned {
    async fn tree(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        let prefix = Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty());
        let tree = self.repository.list_tree().revision(&self.commit).maybe_path_in_repo(prefix);
        let mut tree = pin!(tree.recursive(true).send().map_err(failure)?);
        let mut found = Vec::new();
        let mut next = async || tree.next().await.transpose().map_err(failure);
        while let Some(entry) = self.network.within(next()).await? {
            if let RepoTreeEntry::File { path, size, .. } = entry {
                found.push(Listed::new(path, size));
            }
        }
        Ok(found)
    }

    /// Size and hash of the file at `path`.
    async fn file(&self, path: &str) -> Result<(u64, String), Failure> {
        self.parts.find(&self.network, self.url(path)).await
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.files.clone();
        url.path_segments_mut().expect("web addresses have paths").extend(path.split('/'));
        url
    }

    /// Where the Hub's cache has the file at `path`, if it does.
    async fn cached(&self, path: &str) -> Option<PathBuf> {
        let file = self.repository.download_file().filename(path).revision(&self.commit);
        file.local_files_only(true).send().await.ok()
    }

    /// Fills `out` with the bytes from `offset` on of the file at `path`, which has `bytes` bytes.
    async fn fill(
        &self,
        path: &str,
        bytes: u64,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), Failure> {
        self.parts.fill(&self.network, self.url(path), bytes, offset, out).await
    }
}

/// A folder of a repository, at one commit.
#[derive(Debug)]
struct Hub {
    location: PathBuf,
    pinned: Arc<Pinned>,
    prefix: String,
    cache: Option<Arc<RangeCache>>,
}

impl Hub {
    fn in_repository(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }

    fn wrap(&self, path: &str, blob: HubBlob) -> Arc<dyn Blob> {
        let blob: Arc<dyn Blob> = Arc::new(blob);
        match &self.cache {
            Some(cache) => cache.wrap(&self.location.to_string_lossy(), path, blob),
            None => blob,
        }
    }

    fn relative(&self, mut listed: Listed) -> Option<Listed> {
        let path = listed.path.strip_prefix(&self.prefix)?.trim_start_matches('/').to_owned();
        listed.path = path;
        Some(listed)
    }
}

impl Storage for Hub {
    fn location(&self) -> &Path {
        &self.location
    }

    fn revision(&self) -> Option<&str> {
        Some(&self.pinned.commit)
    }

    fn list(&self) -> CoreResult<Vec<Listed>> {
        let pinned = &self.pinned;
        let asked = async || pinned.tree(&self.prefix).await;
        let found = pinned.network.read(&self.location, asked).map_err(|error| match error {
            Error::Missing { path } if !self.prefix.is_empty() => {
                Error::NoFolder { location: path.display().to_string() }
            }
            other => other,
        })?;
        let mut found: Vec<_> = found.into_iter().filter_map(|file| self.relative(file)).collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn open(&self, path: &str) -> CoreResult<Option<Arc<dyn Blob>>> {
        let shown = self.path(path);
        let file = self.in_repository(path);
        let pinned = &self.pinned;
        let cached = pinned.network.read(&shown, async || Ok(pinned.cached(&file).await))?;
        if let Some(cached) = cached {
            return cache::open(&cached);
        }
        let found = pinned.network.find(&shown, async || pinned.file(&file).await)?;
        Ok(found.map(|(bytes, version)| {
            let pinned = Arc::clone(pinned);
            self.wrap(path, HubBlob { path: shown, file, pinned, bytes, version })
        }))
    }

    fn path(&self, path: &str) -> PathBuf {
        format!("{}/{path}", self.location.display()).into()
    }
}

/// A file of a commit.
#[derive(Debug)]
struct HubBlob {
    path: PathBuf,
    /// Its path in the repository.
    file: String,
    pinned: Arc<Pinned>,
    bytes: u64,
    version: String,
}

impl Blob for HubBlob {
    fn is_remote(&self) -> bool {
        true
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn version(&self) -> Option<&str> {
        Some(&self.version)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> CoreResult<()> {
        check_range(&self.path, self.bytes, offset, out.len() as u64)?;
        if out.is_empty() {
            return Ok(());
        }
        let attempt = async || {
            let filled = self.pinned.fill(&self.file, self.bytes, offset, out).await;
            filled.map_err(Failure::of_opened_file)
        };
        Ok(self.pinned.network.read(&self.path, attempt)?)
    }
}

/// Why `hf-hub` failed, without the addresses in its messages, which may be signed.
pub(crate) fn failure(error: HFError) -> Failure {
    use HFError as E;
    match error {
        E::Http { context }
        | E::AuthRequired { context }
        | E::Forbidden { context }
        | E::Conflict { context }
        | E::RateLimited { context, .. } => Failure::Status {
            status: context.status.as_u16(),
            code: context.error_code.as_deref().and_then(plain_code),
        },
        E::RepoNotFound { .. }
        | E::RevisionNotFound { .. }
        | E::EntryNotFound { .. }
        | E::LocalEntryNotFound { .. } => Failure::Status { status: 404, code: None },
        E::Request { source, .. } => parts::failure(source),
        E::Xet { source, .. } => Failure::Connection(innermost(&*source)),
        E::MalformedResponse { what, .. } => Failure::Answer(what),
        other => Failure::Answer(innermost(&other)),
    }
}
