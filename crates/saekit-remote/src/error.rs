use std::borrow::Cow;
use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with files beyond the local disk. No message holds a secret: addresses come
/// without user, password and query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the operating system, or of the contracts.
    #[error("{0}")]
    Core(#[from] saekit_core::Error),

    /// An address of no known kind.
    #[error(
        "{location} starts with none of s3://, gs://, az://, http://, https:// and hf://; use one of them, or a folder"
    )]
    Scheme {
        /// The address.
        location: String,
    },
    /// This build cannot read such addresses.
    #[error("{location} cannot be read by this build; build saekit with feature `{feature}`")]
    MissingFeature {
        /// The address.
        location: String,
        /// The feature.
        feature: &'static str,
    },
    /// An address that lacks a part, or has one too many.
    #[error("{location} is not a valid address: {problem}; expected {expected}")]
    Address {
        /// The address.
        location: String,
        /// What is wrong.
        problem: String,
        /// What such an address looks like.
        expected: &'static str,
    },
    /// The environment's settings contradict each other, or one is missing.
    #[error("{location} cannot be opened: {problem}; {remedy}")]
    Settings {
        /// The address.
        location: String,
        /// What is wrong.
        problem: String,
        /// What to set.
        remedy: &'static str,
    },
    /// Nothing is at an address.
    #[error("there is nothing at {}: the server answered 404; check the address", path.display())]
    Missing {
        /// The address.
        path: PathBuf,
    },
    /// An address is not that of a folder.
    #[error(
        "there is no folder {location}; check the address, which names a folder, neither a file nor a pattern"
    )]
    NoFolder {
        /// The address.
        location: String,
    },
    /// The Hub may not be asked, and its cache does not have what was asked for.
    #[error(
        "{location} is not in the cache {}, and HF_HUB_OFFLINE is set; unset it, or download the files first",
        cache.display()
    )]
    Offline {
        /// The address.
        location: String,
        /// The Hub's cache.
        cache: PathBuf,
    },
    /// A web server cannot say which files it has.
    #[error(
        "the files of {location} cannot be listed, since web servers have no way to: an http source needs `manifest.json`, which names its files"
    )]
    CannotList {
        /// The address.
        location: String,
    },

    /// The server does not let the reader in.
    #[error("{} may not be read: the server answered {status}{}; {remedy}", path.display(), bracketed(code.as_deref()))]
    Denied {
        /// The file.
        path: PathBuf,
        /// The HTTP status.
        status: u16,
        /// The server's own code, such as `AccessDenied`.
        code: Option<String>,
        /// What to set.
        remedy: &'static str,
    },
    /// The credentials were valid once.
    #[error("{} may not be read: the credentials have expired ({code}); get new ones and {remedy}", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// The server's code, such as `ExpiredToken`.
        code: String,
        /// What to set.
        remedy: &'static str,
    },
    /// There are no credentials, and the machine has none of its own.
    #[error("{} may not be read: no credentials were found; {remedy}", path.display())]
    NoCredentials {
        /// The file.
        path: PathBuf,
        /// What to set.
        remedy: &'static str,
    },
    /// The server sends whole files only.
    #[error(
        "{} cannot be read in parts: its server ignores the header `Range`; use a server that knows it, or copy the files to a disk, a bucket or the Hub",
        path.display()
    )]
    NoRanges {
        /// The file.
        path: PathBuf,
    },
    /// A file is not the one that was opened.
    #[error("{} was changed while it was read; restore it, or start again to read the new one", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Bytes were asked for that the file does not have.
    #[error("{} has {bytes} bytes, but {length} were asked for from byte {offset} on; it was truncated or replaced, so restore it", path.display())]
    PastEnd {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// Where reading was to start.
        offset: u64,
        /// How many bytes were asked for.
        length: u64,
    },
    /// What may pass did not pass in time.
    #[error("{} could not be read in {attempts} attempts: {problem}; try again later", path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// How often it was tried.
        attempts: u32,
        /// What happened the last time.
        problem: String,
    },
    /// An answer that makes no sense.
    #[error("{} cannot be read: {problem}; {remedy}", path.display())]
    Answer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: Cow<'static, str>,
    },
}

saekit_core::as_core_error!(Error);

fn bracketed(code: Option<&str>) -> String {
    code.map_or_else(String::new, |code| format!(" ({code})"))
}
