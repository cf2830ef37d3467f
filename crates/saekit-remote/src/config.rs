use std::path::PathBuf;
use std::time::Duration;

/// How patiently to read, and what to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteConfig {
    /// How long a server may be silent, before it answers and between two pieces of an answer.
    pub timeout: Duration,
    /// How often a request is made again after a failure that may pass: no connection, silence, an
    /// answer that breaks off, and the statuses 408, 429, 500, 502, 503 and 504.
    pub retries: u32,
    /// The wait before the first repetition. It doubles with every further one, up to
    /// [`LONGEST_DELAY`](Self::LONGEST_DELAY), and is the same in every run.
    pub delay: Duration,
    /// Where to keep what was read; `None` keeps nothing.
    pub cache: Option<CacheConfig>,
}

impl RemoteConfig {
    /// The longest wait between two attempts.
    pub const LONGEST_DELAY: Duration = Duration::from_secs(30);
}

impl Default for RemoteConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            retries: 6,
            delay: Duration::from_millis(250),
            cache: None,
        }
    }
}

/// A folder in which ranges of files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// The folder. It is made where it is missing, and may be shared by several runs.
    pub dir: PathBuf,
    /// How many bytes it may hold. What was used least recently goes first.
    pub bytes: u64,
}
