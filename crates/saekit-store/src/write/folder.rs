//! The folder of a store that is being written or removed: which of its files are a store's.

use std::fs;
use std::path::{Path, PathBuf};

use saekit_core::files::{FolderLock, partial_path};

use crate::error::{Result, WriteError};
use crate::format::manifest::check_format;
use crate::format::names::{BUCKETS, LOCK, MANIFEST, SHARDS, STATE, TOKENS, UNFINISHED};

/// Prepares `dir` for a new store: creates it, refuses one that holds something to lose, and clears
/// what an unfinished store left, but for the files in `keep` and, if there are any, the state.
pub(crate) fn begin(dir: &Path, keep: &[PathBuf]) -> Result<()> {
    if dir.join(MANIFEST).exists() {
        return Err(WriteError::StoreExists { dir: dir.to_owned() }.into());
    }
    let shards = dir.join(SHARDS);
    fs::create_dir_all(&shards).map_err(saekit_core::Error::io("create folder", &shards))?;
    let marker = dir.join(UNFINISHED);
    let leftovers = own_files(dir)?;
    if let (false, Some(path)) = (marker.exists(), leftovers.first()) {
        return Err(WriteError::InTheWay { path: path.clone() }.into());
    }
    fs::write(&marker, []).map_err(saekit_core::Error::io("write", &marker))?;
    let state = dir.join(STATE);
    let kept = |path: &PathBuf| keep.contains(path) || !keep.is_empty() && *path == state;
    let leftovers: Vec<_> = leftovers.into_iter().filter(|path| !kept(path)).collect();
    remove_all(&leftovers)
}

/// Whether a store was begun in `dir` and not finished.
pub(crate) fn is_unfinished(dir: &Path) -> bool {
    dir.join(UNFINISHED).exists() && !dir.join(MANIFEST).exists()
}

/// Takes away what only an unfinished store has, its mark last.
pub(crate) fn end(dir: &Path) -> Result<()> {
    let piles = dir.join(BUCKETS);
    if piles.exists() {
        fs::remove_dir_all(&piles).map_err(saekit_core::Error::io("remove", &piles))?;
    }
    remove_all(&[dir.join(STATE), dir.join(UNFINISHED)])
}

/// Takes `dir` for this process alone; `verb` tells others what for.
pub(crate) fn lock(dir: &Path, verb: &str) -> Result<FolderLock> {
    Ok(FolderLock::take(dir, &dir.join(LOCK), verb)?.temporary())
}

/// Removes a store, finished or not, and nothing else; fails where another process writes it.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    let (manifest, marker) = (dir.join(MANIFEST), dir.join(UNFINISHED));
    if !manifest.exists() && !marker.exists() {
        return Ok(());
    }
    let _held = lock(dir, "--force")?;
    if manifest.exists() {
        let bytes = fs::read(&manifest).map_err(saekit_core::Error::io("read", &manifest))?;
        check_format(&bytes, &manifest)?;
        // Should removing be cut short, the mark says whose the rest is.
        fs::write(&marker, []).map_err(saekit_core::Error::io("write", &marker))?;
        remove_all(&[manifest])?;
    }
    if !marker.exists() {
        return Ok(());
    }
    remove_all(&own_files(dir)?)?;
    fs::remove_dir(dir.join(SHARDS)).ok(); // stays where somebody else's files are in it
    end(dir)
}

/// Files in `dir` named as a store's, the manifest apart, finished or partial, in order.
fn own_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![dir.join(TOKENS), dir.join(STATE)];
    files.extend([TOKENS, STATE, MANIFEST].map(|name| partial_path(&dir.join(name))));
    files.retain(|path| path.exists());
    let shards = dir.join(SHARDS);
    if shards.is_dir() {
        let io = || saekit_core::Error::io("list", &shards);
        let mut found = Vec::new();
        for entry in fs::read_dir(&shards).map_err(io())? {
            let path = entry.map_err(io())?.path();
            if path.file_name().and_then(|name| name.to_str()).is_some_and(is_shard) {
                found.push(path);
            }
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

fn is_shard(name: &str) -> bool {
    let name = name.strip_suffix(".partial").unwrap_or(name);
    name.strip_prefix("shard-")
        .and_then(|rest| rest.strip_suffix(".parquet"))
        .is_some_and(|number| number.len() >= 5 && number.bytes().all(|b| b.is_ascii_digit()))
}

fn remove_all(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        match fs::remove_file(path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(saekit_core::Error::io("remove", path)(source).into());
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_shards() {
        for name in ["shard-00000.parquet", "shard-123456.parquet", "shard-00003.parquet.partial"] {
            assert!(is_shard(name), "{name}");
        }
        for name in ["shard-1.parquet", "shard-0000a.parquet", "notes.parquet", "shard-00000.bin"] {
            assert!(!is_shard(name), "{name}");
        }
    }
}
