//! Ranges of files, kept in a folder of limited size.
//!
//! An entry is one file: the SHA-256 of the bytes, then the bytes. Its name is the SHA-256 of what
//! they are (address, path, version, offset, length), so an entry is never out of date.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use saekit_core::{Error as CoreError, Result as CoreResult};
use saekit_store::Blob;
use sha2::{Digest as _, Sha256};

use crate::{CacheConfig, Result};

/// Bytes of the checksum before an entry's own.
const CHECKSUM: usize = 32;
/// Entries begin their life under another name, which ends like this.
const UNFINISHED: &str = ".part";
/// After this time the writer of an unfinished entry is taken for dead.
const ABANDONED: Duration = Duration::from_hours(1);

/// A folder of ranges.
///
/// Several processes may share it: each counts what it found and what it wrote, so together they may
/// go beyond the limit until the next one starts.
#[derive(Debug)]
pub(crate) struct RangeCache {
    dir: PathBuf,
    limit: u64,
    /// In the names of unfinished entries. Machines that share the folder may have the same process
    /// ids, so it is drawn at random.
    writer: u64,
    index: Mutex<Index>,
}

impl RangeCache {
    /// The cache in the folder of `config`: the one that this process has open already, if it does, so
    /// that stores which share a folder share its limit, too.
    pub(crate) fn shared(config: &CacheConfig) -> Result<Arc<Self>> {
        static OPEN: Mutex<Vec<Weak<RangeCache>>> = Mutex::new(Vec::new());
        fs::create_dir_all(&config.dir).map_err(CoreError::io("create", &config.dir))?;
        let dir = config.dir.canonicalize().map_err(CoreError::io("find", &config.dir))?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|cache| cache.strong_count() > 0);
        let same = |cache: &Arc<Self>| cache.dir == dir && cache.limit == config.bytes;
        if let Some(cache) = open.iter().filter_map(Weak::upgrade).find(same) {
            return Ok(cache);
        }
        let cache = Arc::new(Self::open(&CacheConfig { dir, bytes: config.bytes })?);
        open.push(Arc::downgrade(&cache));
        Ok(cache)
    }

    fn open(config: &CacheConfig) -> Result<Self> {
        let dir = config.dir.clone();
        fs::create_dir_all(&dir).map_err(CoreError::io("create", &dir))?;
        let mut found = existing(&dir)?;
        found.sort();
        let writer = RandomState::new().hash_one(std::process::id());
        let cache = Self { dir, limit: config.bytes, writer, index: Mutex::default() };
        for (_, name, bytes) in found {
            cache.insert(name, bytes);
        }
        Ok(cache)
    }

    /// `blob` with its ranges kept, if it has a version.
    pub(crate) fn wrap(
        self: &Arc<Self>,
        location: &str,
        path: &str,
        blob: Arc<dyn Blob>,
    ) -> Arc<dyn Blob> {
        let Some(version) = blob.version() else { return blob };
        let identity = [location, path, version].map(str::to_owned);
        Arc::new(CachedBlob { blob, identity, cache: Arc::clone(self) })
    }

    /// Fills `out` from the entry `name`. Where that is missing or damaged, `out` is left as it may
    /// be and the answer is no.
    fn read(&self, name: &str, out: &mut [u8]) -> bool {
        let Some(bytes) = self.index().touch(name) else { return false };
        let good =
            bytes == entry_bytes(out) && read_entry(&self.dir.join(name), out).unwrap_or(false);
        if !good {
            self.index().remove(name);
        }
        good
    }

    /// Keeps `bytes` as the entry `name`. A cache that cannot be written is slow, not wrong, so that
    /// is no error.
    fn write(&self, name: &str, bytes: &[u8]) {
        if entry_bytes(bytes) <= self.limit && self.write_entry(name, bytes).is_ok() {
            self.insert(name.to_owned(), entry_bytes(bytes));
        }
    }

    fn write_entry(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let unfinished = self.dir.join(self.unfinished_name(name));
        let write = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(&Sha256::digest(bytes))?;
            file.write_all(bytes)?;
            fs::rename(&unfinished, self.dir.join(name))
        };
        write().inspect_err(|_| drop(fs::remove_file(&unfinished)))
    }

    /// A name that nobody else writes to.
    fn unfinished_name(&self, name: &str) -> String {
        let number = self.index().next_unfinished();
        format!("{name}.{:016x}.{number}{UNFINISHED}", self.writer)
    }

    /// Counts the entry `name` as the one used last, and removes others while there is too much.
    fn insert(&self, name: String, bytes: u64) {
        let removed = self.index().insert(name, bytes, self.limit);
        for name in removed {
            drop(fs::remove_file(self.dir.join(name)));
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which entries there are, in the order of their last use.
#[derive(Debug, Default)]
struct Index {
    /// Time of the last use and size of each.
    entries: BTreeMap<String, (u64, u64)>,
    by_use: BTreeMap<u64, String>,
    bytes: u64,
    clock: u64,
    unfinished: u64,
}

impl Index {
    /// The size of the entry `name`, which becomes the one used last.
    fn touch(&mut self, name: &str) -> Option<u64> {
        let bytes = self.remove(name)?;
        self.add(name.to_owned(), bytes);
        Some(bytes)
    }

    /// Adds an entry and returns those that have to go for it.
    fn insert(&mut self, name: String, bytes: u64, limit: u64) -> Vec<String> {
        self.remove(&name);
        self.add(name, bytes);
        let mut removed = Vec::new();
        while self.bytes > limit {
            let Some(oldest) = self.by_use.values().next().cloned() else { break };
            self.remove(&oldest);
            removed.push(oldest);
        }
        removed
    }

    fn add(&mut self, name: String, bytes: u64) {
        self.clock += 1;
        self.by_use.insert(self.clock, name.clone());
        self.entries.insert(name, (self.clock, bytes));
        self.bytes += bytes;
    }

    fn remove(&mut self, name: &str) -> Option<u64> {
        let (used, bytes) = self.entries.remove(name)?;
        self.by_use.remove(&used);
        self.bytes -= bytes;
        Some(bytes)
    }

    fn next_unfinished(&mut self) -> u64 {
        self.unfinished += 1;
        self.unfinished
    }
}

/// Time of the last use, name and size of the entries of a folder. Files that are no entries are left
/// alone.
fn existing(dir: &Path) -> Result<Vec<(SystemTime, String, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(CoreError::io("list", dir))? {
        let entry = entry.map_err(CoreError::io("list", dir))?;
        let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) else {
            continue;
        };
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if is_entry(&name) {
            found.push((used, name, metadata.len()));
        } else if is_abandoned(&name, used) {
            drop(fs::remove_file(entry.path()));
        }
    }
    Ok(found)
}

fn is_entry(name: &str) -> bool {
    name.len() == 2 * CHECKSUM && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_abandoned(name: &str, used: SystemTime) -> bool {
    let ours = name.ends_with(UNFINISHED) && name.get(..2 * CHECKSUM).is_some_and(is_entry);
    ours && used.elapsed().is_ok_and(|age| age > ABANDONED)
}

fn entry_bytes(bytes: &[u8]) -> u64 {
    (CHECKSUM + bytes.len()) as u64
}

/// Whether the file at `path` holds as many bytes as `out` and they are the right ones. Marks it as
/// used.
fn read_entry(path: &Path, out: &mut [u8]) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    let mut checksum = [0; CHECKSUM];
    file.read_exact(&mut checksum)?;
    file.read_exact(out)?;
    let good = file.read(&mut [0])? == 0 && Sha256::digest(&*out)[..] == checksum;
    drop(file.set_modified(SystemTime::now()));
    Ok(good)
}

/// A file some of whose ranges are in the cache.
#[derive(Debug)]
struct CachedBlob {
    blob: Arc<dyn Blob>,
    /// Address, path and version.
    identity: [String; 3],
    cache: Arc<RangeCache>,
}

impl CachedBlob {
    fn entry_name(&self, offset: u64, length: u64) -> String {
        let mut hash = Sha256::new();
        for part in &self.identity {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(offset.to_le_bytes());
        hash.update(length.to_le_bytes());
        hash.finalize().iter().fold(String::new(), |mut name, byte| {
            write!(name, "{byte:02x}").expect("a string takes everything");
            name
        })
    }
}

impl Blob for CachedBlob {
    fn is_remote(&self) -> bool {
        true
    }

    fn bytes(&self) -> u64 {
        self.blob.bytes()
    }

    fn version(&self) -> Option<&str> {
        self.blob.version()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> CoreResult<()> {
        let name = self.entry_name(offset, out.len() as u64);
        if self.cache.read(&name, out) {
            return Ok(());
        }
        self.blob.read_at(offset, out)?;
        self.cache.write(&name, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A file whose byte at `i` is `i`, which counts how often it is read.
    #[derive(Debug)]
    struct Counted {
        reads: AtomicUsize,
        version: Option<&'static str>,
    }

    impl Blob for Counted {
        fn bytes(&self) -> u64 {
            256
        }

        fn version(&self) -> Option<&str> {
            self.version
        }

        fn read_at(&self, offset: u64, out: &mut [u8]) -> CoreResult<()> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            for (i, byte) in (offset..).zip(out) {
                *byte = i as u8;
            }
            Ok(())
        }
    }

    struct Fixture {
        dir: tempfile::TempDir,
        counted: Arc<Counted>,
        blob: Arc<dyn Blob>,
    }

    fn fixture(limit: u64, version: Option<&'static str>) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let counted = Arc::new(Counted { reads: AtomicUsize::new(0), version });
        let blob = reopened(dir.path(), limit, &counted);
        Fixture { dir, counted, blob }
    }

    fn reopened(dir: &Path, bytes: u64, counted: &Arc<Counted>) -> Arc<dyn Blob> {
        let config = CacheConfig { dir: dir.to_owned(), bytes };
        let cache = Arc::new(RangeCache::open(&config).unwrap());
        cache.wrap("s3://b", "a", Arc::<Counted>::clone(counted))
    }

    /// Reads 8 bytes and says how many reads of the file that took.
    fn reads(counted: &Counted, blob: &dyn Blob, offset: u64) -> usize {
        let before = counted.reads.load(Ordering::Relaxed);
        let mut out = [0; 8];
        blob.read_at(offset, &mut out).unwrap();
        assert_eq!(out, std::array::from_fn(|i| (offset as usize + i) as u8));
        counted.reads.load(Ordering::Relaxed) - before
    }

    fn names(dir: &Path) -> Vec<PathBuf> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_range_is_read_once_also_by_the_next_process() {
        let Fixture { dir, counted, blob } = fixture(1000, Some("v1"));
        assert_eq!(reads(&counted, &*blob, 16), 1);
        assert_eq!(reads(&counted, &*blob, 16), 0);
        assert_eq!(reads(&counted, &*blob, 17), 1);
        let blob = reopened(dir.path(), 1000, &counted);
        assert_eq!(reads(&counted, &*blob, 17), 0);
    }

    #[test]
    fn another_version_is_another_entry_and_no_version_is_none() {
        let Fixture { dir, counted, blob } = fixture(1000, Some("v1"));
        assert_eq!(reads(&counted, &*blob, 0), 1);
        let newer = Arc::new(Counted { reads: AtomicUsize::new(0), version: Some("v2") });
        assert_eq!(reads(&newer, &*reopened(dir.path(), 1000, &newer), 0), 1);
        let unversioned = fixture(1000, None);
        assert_eq!(reads(&unversioned.counted, &*unversioned.blob, 0), 1);
        assert_eq!(reads(&unversioned.counted, &*unversioned.blob, 0), 1);
        assert_eq!(names(unversioned.dir.path()).len(), 0);
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let Fixture { dir, counted, blob } = fixture(3 * 40, Some("v1"));
        for (offset, expected) in [(0, 1), (8, 1), (16, 1), (0, 0), (24, 1), (0, 0), (8, 1)] {
            assert_eq!(reads(&counted, &*blob, offset), expected, "{offset}");
            let bytes: u64 = names(dir.path()).iter().map(|p| p.metadata().unwrap().len()).sum();
            assert!(bytes <= 120, "{bytes}");
        }
        let names = names(dir.path());
        for (age, name) in names.iter().enumerate() {
            let used = SystemTime::now() - Duration::from_secs(age as u64 + 1);
            File::options().write(true).open(name).unwrap().set_modified(used).unwrap();
        }
        drop(reopened(dir.path(), 50, &counted));
        assert_eq!(self::names(dir.path()), names[..1]);
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let Fixture { dir, counted, blob } = fixture(39, Some("v1"));
        assert_eq!(reads(&counted, &*blob, 0), 1);
        assert_eq!(names(dir.path()).len(), 0);
    }

    #[test]
    fn damaged_entries_are_read_again() {
        let Fixture { dir, counted, blob } = fixture(1000, Some("v1"));
        assert_eq!(reads(&counted, &*blob, 0), 1);
        let entry = names(dir.path()).remove(0);
        let good = fs::read(&entry).unwrap();
        let mut flipped = good.clone();
        flipped[CHECKSUM + 3] ^= 1;
        let longer = [&good[..], &[0]].concat();
        for damaged in [&flipped, &good[..20], &good[..39], &longer, &[]] {
            fs::write(&entry, damaged).unwrap();
            assert_eq!(reads(&counted, &*blob, 0), 1, "{} bytes", damaged.len());
            assert_eq!(fs::read(&entry).unwrap(), good);
            fs::write(&entry, damaged).unwrap();
            assert_eq!(reads(&counted, &*reopened(dir.path(), 1000, &counted), 0), 1);
        }
        fs::remove_file(&entry).unwrap();
        assert_eq!(reads(&counted, &*blob, 0), 1);
    }

    #[test]
    fn stores_that_share_a_folder_share_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let config = |bytes| CacheConfig { dir: dir.path().to_owned(), bytes };
        let first = RangeCache::shared(&config(100)).unwrap();
        assert!(Arc::ptr_eq(&first, &RangeCache::shared(&config(100)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &RangeCache::shared(&config(200)).unwrap()));
        let before = first.writer;
        drop(first);
        assert_ne!(RangeCache::shared(&config(100)).unwrap().writer, before);
    }

    /// As they may be on two machines that share a folder and whose process ids are the same.
    #[test]
    fn two_writers_never_write_to_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let config = CacheConfig { dir: dir.path().to_owned(), bytes: 100 };
        let [a, b] = [(); 2].map(|()| RangeCache::open(&config).unwrap());
        let name = "0".repeat(2 * CHECKSUM);
        let [first, second] = [&a, &b].map(|cache| cache.unfinished_name(&name));
        assert_ne!(first, second);
        assert_ne!(first, a.unfinished_name(&name));
        assert!(is_abandoned(&first, SystemTime::now() - 2 * ABANDONED));
    }

    #[test]
    fn only_entries_are_removed_and_what_a_dead_process_left() {
        let dir = tempfile::tempdir().unwrap();
        let hash = "0".repeat(2 * CHECKSUM);
        let old = dir.path().join(format!("{hash}.1.1{UNFINISHED}"));
        for path in [
            &old,
            &dir.path().join(format!("{hash}.2.1{UNFINISHED}")),
            &dir.path().join("thesis.tex"),
        ] {
            fs::write(path, "x").unwrap();
        }
        let long_ago = SystemTime::now() - 2 * ABANDONED;
        File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        RangeCache::open(&CacheConfig { dir: dir.path().to_owned(), bytes: 0 }).unwrap();
        assert_eq!(names(dir.path()).len(), 2);
        assert!(!old.exists());
    }
}
