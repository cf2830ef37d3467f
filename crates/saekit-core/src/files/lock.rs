//! One process at a time in an output folder.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Attempts to lock a file that others remove meanwhile, or that does not name its holder yet.
const ATTEMPTS: usize = 50;
/// Pause before another attempt: a holder writes its name right after it has locked the file.
const PAUSE: Duration = Duration::from_millis(10);
/// A lock file says one short line; a longer one is somebody else's.
const MAX_BYTES: u64 = 4096;
const DAY: u64 = 24 * 60 * 60;

/// A folder that this process alone writes to, until this is dropped.
///
/// The system releases the lock however the process ends. The file says who holds it, and is empty
/// while nobody does.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    path: PathBuf,
    is_temporary: bool,
}

/// What a lock file says: who holds the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    verb: String,
    process: u32,
    host: String,
    /// Start of the work, nanoseconds since 1970.
    since: u128,
}

impl FolderLock {
    /// Locks the folder `dir` by the file `path`, in it or beside it, for the work `verb`, such as
    /// "harvest". Creates the folder of the file where it is missing.
    ///
    /// # Errors
    /// [`Error::InUse`] where another process holds the folder. The error says which one, unless the file
    /// does not name it within half a second.
    pub fn take(dir: &Path, path: &Path, verb: &str) -> Result<Self> {
        let holder = Holder::this(verb);
        let parent = path.parent().unwrap_or(dir);
        for _ in 0..ATTEMPTS {
            fs::create_dir_all(parent).map_err(Error::io("create folder", parent))?;
            let opened = File::options().create(true).append(true).open(path);
            let file = opened.map_err(Error::io("open", path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let Some(holder) = Holder::read(path) else {
                        thread::sleep(PAUSE);
                        continue;
                    };
                    let (dir, holder) = (dir.to_owned(), holder.in_words());
                    return Err(Error::InUse { dir, holder });
                }
                Err(TryLockError::Error(source)) => return Err(Error::io("lock", path)(source)),
            }
            let mut lock = Self { file, path: path.to_owned(), is_temporary: false };
            lock.say(&holder).map_err(Error::io("write", path))?;
            // Whoever held it before may have removed the file after it was opened here: then the
            // lock is on a file that nobody else can see. (Windows lets nobody read a locked file,
            // and no name of an open file be used again.)
            if cfg!(windows) || Holder::read(path).as_ref() == Some(&holder) {
                return Ok(lock);
            }
        }
        Err(Error::InUse { dir: dir.to_owned(), holder: "another saekit".to_owned() })
    }

    /// The same, but its file is removed when it is dropped.
    #[must_use]
    pub fn temporary(self) -> Self {
        let mut lock = self;
        lock.is_temporary = true;
        lock
    }

    fn say(&mut self, holder: &Holder) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(&serde_json::to_vec(holder)?)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Where this fails the next holder writes its own name.
        if self.is_temporary {
            fs::remove_file(&self.path).ok();
        } else {
            self.file.set_len(0).ok();
        }
    }
}

impl Holder {
    fn this(verb: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            verb: verb.to_owned(),
            process: process::id(),
            host: host(),
            since: since.as_nanos(),
        }
    }

    /// The holder that the file at `path` names, where it names one.
    fn read(path: &Path) -> Option<Self> {
        let is_short = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= MAX_BYTES);
        let text = is_short.then(|| fs::read(path).ok())??;
        serde_json::from_slice(&text).ok()
    }

    /// The holder as an error names it.
    fn in_words(&self) -> String {
        let Self { verb, process, host: there, since } = self;
        let on = if *there == host() { String::new() } else { format!(" on {there}") };
        let since = clock((since / 1_000_000_000) as u64);
        format!("another saekit {verb} (process {process}{on}, since {since})")
    }
}

/// The time of day of a moment in seconds since 1970, and how many days ago it was, if any.
fn clock(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (hour, minute) = (seconds % DAY / 3600, seconds % 3600 / 60);
    let ago = match now.saturating_sub(seconds) / DAY {
        0 => String::new(),
        1 => ", a day ago".to_owned(),
        days => format!(", {days} days ago"),
    };
    format!("{hour:02}:{minute:02} UTC{ago}")
}

/// The name of this machine, where the system says it in a file.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_loser_says_who_holds_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        let held = FolderLock::take(dir.path(), &path, "harvest").unwrap();
        let message = FolderLock::take(dir.path(), &path, "analyze").unwrap_err().to_string();
        let process = process::id();
        assert!(
            message.contains(&format!("another saekit harvest (process {process}, since "))
                && message.contains("--out"),
            "{message}"
        );
        drop(held);
        assert_eq!(fs::read(&path).unwrap(), b"");
        drop(FolderLock::take(dir.path(), &path, "analyze").unwrap().temporary());
        assert!(!path.exists());
    }

    #[test]
    fn one_at_a_time_though_each_removes_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        let (inside, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Ok(lock) = FolderLock::take(dir.path(), &path, "test") else {
                            continue;
                        };
                        let lock = lock.temporary();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }

    #[test]
    fn a_holder_that_has_not_written_its_name_yet_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        let mut held = FolderLock::take(dir.path(), &path, "harvest").unwrap();
        held.file.set_len(0).unwrap();
        let message = thread::scope(|scope| {
            let loser = scope.spawn(|| FolderLock::take(dir.path(), &path, "analyze"));
            thread::sleep(5 * PAUSE);
            held.say(&Holder::this("harvest")).unwrap();
            loser.join().unwrap().unwrap_err().to_string()
        });
        assert!(message.contains("another saekit harvest (process "), "{message}");
    }

    #[test]
    fn a_holder_on_another_machine_is_named_with_it() {
        let holder =
            Holder { host: "far".to_owned(), since: 61_000_000_000, ..Holder::this("eval") };
        let text = holder.in_words();
        assert!(
            text.contains(" on far, since 00:01 UTC, ") && text.ends_with(" days ago)"),
            "{text}"
        );
    }

    #[test]
    fn a_holder_that_names_nobody_still_holds_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        let _held = FolderLock::take(dir.path(), &path, "harvest").unwrap();
        fs::write(&path, "no JSON").unwrap();
        let message = FolderLock::take(dir.path(), &path, "analyze").unwrap_err().to_string();
        assert!(message.contains("another saekit writes to"), "{message}");
    }
}
