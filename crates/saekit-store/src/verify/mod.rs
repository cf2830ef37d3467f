//! Reading a whole store to check every byte, count and value.

mod positions;
mod statistics;

use std::sync::Arc;

use saekit_core::{HookPoint, Interrupt, Observer, RowSource as _};

use self::statistics::Statistics;
use crate::catalog::Catalog;
use crate::error::{Error, OpenError, Result};
use crate::format::manifest::Manifest;
use crate::format::names::MANIFEST;
use crate::storage::{check_sha256, open_sized};
use crate::stream::scanned::ScannedRows;

/// Rows read at a time.
const ROWS: usize = 1024;

/// Counts of what [`Store::verify`](crate::Store::verify) checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Rows, each of which was read.
    pub rows: u64,
    /// Files whose hash was compared with the manifest's.
    pub hashed: u64,
    /// What could not be checked, and why, a phrase each.
    pub unchecked: Vec<String>,
}

/// Checks the whole store; fails at the first fault.
pub(crate) fn verify(
    store: &Arc<Catalog>,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Verified> {
    let mut verified = Verified::default();
    if store.has_manifest {
        check_hashes_are_there(store)?;
        if let Some(problem) = store.manifest.same_shards() {
            let path = store.storage.path(MANIFEST);
            return Err(OpenError::Manifest { path, problem }.into());
        }
    } else {
        let missing = "hashes and statistics, which only a store with a manifest has: `saekit \
                       convert-store` writes one";
        verified.unchecked.push(missing.to_owned());
    }
    compare_hashes(store, &mut verified, observer, interrupt)?;
    read_rows(store, &mut verified, observer, interrupt)?;
    verified.unchecked.extend(positions::check(store, observer, interrupt)?);
    Ok(verified)
}

/// Fails where the manifest lacks the hash of a file.
fn check_hashes_are_there(store: &Catalog) -> Result<()> {
    let Manifest { tokens, shards, .. } = &store.manifest;
    let tokens = tokens.iter().map(|file| (&file.file, &file.sha256));
    let mut files = tokens.chain(shards.iter().map(|shard| (&shard.file, &shard.sha256)));
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match files.find(|(_, sha256)| !is_hash(sha256)) {
        None => Ok(()),
        Some((file, sha256)) => {
            let path = store.storage.path(MANIFEST);
            let problem = format!("`sha256` of `{file}` is `{sha256}`, which is no SHA-256");
            Err(OpenError::Manifest { path, problem }.into())
        }
    }
}

fn compare_hashes(
    store: &Catalog,
    verified: &mut Verified,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<()> {
    let Manifest { tokens, shards, .. } = &store.manifest;
    let tokens = tokens.iter().map(|file| (&file.file, file.bytes, &file.sha256));
    let shards = shards.iter().map(|shard| (&shard.file, shard.bytes, &shard.sha256));
    let files: Vec<_> = tokens.chain(shards).collect();
    let total = files.iter().map(|(_, bytes, _)| bytes).sum();
    observer.begin("comparing hashes", Some(total), "bytes");
    for (file, bytes, expected) in files {
        interrupt.check()?;
        let storage = &*store.storage;
        let blob = open_sized(storage, file, bytes)?;
        if !expected.is_empty() {
            check_sha256(&*blob, &storage.path(file), expected)?;
            verified.hashed += 1;
        }
        verified.files += 1;
        verified.bytes += bytes;
        observer.advance(verified.bytes, file);
    }
    observer.end();
    Ok(())
}

/// Reads every value, and compares the statistics with the manifest's where those are of all rows.
fn read_rows(
    store: &Arc<Catalog>,
    verified: &mut Verified,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<()> {
    let columns: Vec<(HookPoint, f32)> =
        store.manifest.columns.iter().map(|column| (column.name.clone(), 1.0)).collect();
    let mut scan = ScannedRows::new(Arc::clone(store), &columns, None)?;
    let mut statistics = Statistics::new(&store.manifest.columns);
    observer.begin("reading rows", Some(store.manifest.rows), "rows");
    while let Some(batch) = scan.next_batch(ROWS).map_err(Error::from_core)? {
        interrupt.check()?;
        verified.rows += batch.rows() as u64;
        statistics.push(&batch);
        scan.recycle(batch);
        observer.advance(verified.rows, "");
    }
    observer.end();
    if store.has_manifest && store.skipped.is_empty() {
        statistics.compare(&store.storage.path(MANIFEST))?;
    } else if store.has_manifest {
        let skipped = "statistics, which are of the damaged files too";
        verified.unchecked.push(skipped.to_owned());
    }
    Ok(())
}
