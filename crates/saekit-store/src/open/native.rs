//! Opening saekit's own stores, of which a manifest says everything.

use std::path::Path;
use std::sync::Arc;

use saekit_core::files::sha256;

use crate::catalog::Catalog;
use crate::error::{OpenError, Result};
use crate::foreign::check_half_dtype;
use crate::format::manifest::{Manifest, ShardInfo};
use crate::format::names::MANIFEST;
use crate::open::config::ForeignConfig;
use crate::open::opening::Opening;
use crate::shard::Shard;
use crate::shard::native::NativeShard;
use crate::storage::{Blob, Storage, check_sha256, open_sized, read_all};
use crate::tokens::Tokens;

/// Shards that are opened side by side: far away, where each takes a round trip or two, and nearby.
const OPENED_AT_ONCE: [usize; 2] = [16, 4];

/// A manifest is smaller than this: a million shards take a fifth of it.
const MAX_MANIFEST: u64 = 1 << 30;

/// Opens saekit's own store, of which `blob` is the manifest.
pub(super) fn open(opening: &mut Opening<'_>, blob: &dyn Blob) -> Result<Catalog> {
    let path = opening.storage.path(MANIFEST);
    let bytes = read_all(blob, &path, MAX_MANIFEST)?;
    let mut manifest = Manifest::parse(&bytes, &path)?;
    apply(&opening.config.foreign, &path, &mut manifest)?;
    let tokens = manifest.tokens.as_ref();
    let tokens = tokens.map(|file| Tokens::open(&*opening.storage, file, manifest.sequences));
    let tokens = tokens.transpose()?;
    let total = manifest.shards.len() as u64;
    opening.observer.begin("opening", Some(total), "shards");
    let (mut shards, mut left) = (Vec::new(), Vec::new());
    let [far, near] = OPENED_AT_ONCE;
    for infos in manifest.shards.chunks(if blob.is_remote() { far } else { near }) {
        opening.interrupt.check()?;
        for (info, opened) in infos.iter().zip(open_shards(opening, infos, &manifest)) {
            match opened {
                Ok(shard) => {
                    shards.push(Arc::from(shard));
                    left.push(info.clone());
                }
                Err(error) => {
                    opening.skip(opening.storage.path(&info.file), Some(info.rows), error)?;
                }
            }
        }
        opening.observer.advance(shards.len() as u64, "");
    }
    opening.observer.end();
    let notes = missing_hashes(&manifest).into_iter().collect();
    let sha256 = opening.sha256(sha256(&bytes));
    manifest.rows = left.iter().map(|info| info.rows).sum();
    manifest.shards = left;
    opening.finish(Catalog {
        storage: Arc::clone(&opening.storage),
        has_sequences: tokens.is_some(),
        manifest,
        sha256,
        shards,
        tokens,
        skipped: Vec::new(),
        notes,
        has_manifest: true,
    })
}

/// Says how many files have no hash.
fn missing_hashes(manifest: &Manifest) -> Option<String> {
    let missing = manifest.shards.iter().filter(|shard| shard.sha256.is_empty()).count();
    let of = manifest.shards.len();
    (missing > 0).then(|| {
        format!(
            "{missing} of {of} shards have no hash in the manifest: a change of them would not be \
             noticed (`saekit convert-store` writes a store with hashes)"
        )
    })
}

/// Rejects options that do not apply to a native store (`path` is its manifest), then keeps only the
/// requested columns.
fn apply(config: &ForeignConfig, path: &Path, manifest: &mut Manifest) -> Result<()> {
    let (available, columns) = (manifest.available(), &mut manifest.columns);
    for name in &config.columns {
        if !columns.iter().any(|column| column.name.as_str() == name) {
            let (path, column) = (path.to_owned(), name.clone());
            return Err(OpenError::MissingColumn { path, column, available }.into());
        }
    }
    if !config.columns.is_empty() {
        columns.retain(|column| config.columns.iter().any(|name| column.name.as_str() == name));
    }
    if config.document.is_some() || config.position.is_some() {
        let problem = "saekit's own store says itself which document a row is of".to_owned();
        let remedy = "leave out `--document` and `--position`".to_owned();
        return Err(OpenError::Options { path: path.to_owned(), problem, remedy }.into());
    }
    if config.scale.is_some() {
        let problem = "saekit's own store has the scale of each row beside its values".to_owned();
        let remedy = "leave out `--scale-column`".to_owned();
        return Err(OpenError::Options { path: path.to_owned(), problem, remedy }.into());
    }
    let mut columns = manifest.columns.iter();
    columns.try_for_each(|c| check_half_dtype(path, c.name.as_str(), c.dtype, config.dtype))
}

/// Opens shards side by side.
fn open_shards(
    opening: &Opening<'_>,
    infos: &[ShardInfo],
    manifest: &Manifest,
) -> Vec<Result<Box<dyn Shard>>> {
    let (storage, reads_all) = (&*opening.storage, opening.reads_all());
    let open = |info| open_shard(storage, info, manifest, reads_all);
    std::thread::scope(|scope| {
        let threads: Vec<_> = infos.iter().map(|info| scope.spawn(move || open(info))).collect();
        let panicked = |panic| std::panic::resume_unwind(panic);
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    })
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
