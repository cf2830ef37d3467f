//! What can go wrong with one attempt, and what that means for the reader.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::address::Scheme;

/// What to do about answers that make no sense.
const OTHER: &str = "check the address, and the settings of its server";

/// Why one attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server answered with a status of 300 or more; some say why in a code of their own.
    Status { status: u16, code: Option<String> },
    /// The server was silent for too long.
    Silent(Duration),
    /// There is no connection, or there is none any more.
    Connection(String),
    /// The answer was shorter than it should have been.
    Short { found: u64, expected: u64 },
    /// The answer was another part than that which was asked for.
    OtherPart { found: String, expected: String },
    /// A part was asked for and the whole was sent.
    WholeFile,
    /// The file is another one than that which was opened.
    Changed,
    /// Nobody gave credentials, and the machine has none.
    NoCredentials,
    /// The bucket is in this region, which is not where it was looked for.
    Region(String),
    /// Anything else. It will not pass.
    Answer(String),
}

impl Failure {
    /// Whether it may be gone by the next attempt.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::Silent(_) | Self::Connection(_) | Self::Short { .. } | Self::OtherPart { .. } => {
                true
            }
            Self::WholeFile
            | Self::Changed
            | Self::NoCredentials
            | Self::Region(_)
            | Self::Answer(_) => false,
        }
    }

    /// Whether the server said that there is no such thing.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. })
    }

    /// The same, of a file that was there when it was opened.
    pub(crate) fn of_opened_file(self) -> Self {
        match self {
            Self::Status { status: 404 | 412 | 416, .. } => Self::Changed,
            other => other,
        }
    }

    /// The error of the last of `attempts` attempts to read `path`.
    pub(crate) fn into_error(self, path: &Path, scheme: Scheme, attempts: u32) -> Error {
        let path = path.to_owned();
        let remedy = match self {
            Self::Status { status: 401, .. } => scheme.credentials_or_address(),
            _ => scheme.credentials(),
        };
        match self {
            Self::Status { status: 400 | 401 | 403, code: Some(code) } if expired(&code) => {
                Error::Expired { path, code, remedy }
            }
            Self::Status { status: 404, .. } => Error::Missing { path },
            Self::Status { status: status @ (401 | 403), code } => {
                Error::Denied { path, status, code, remedy }
            }
            Self::NoCredentials => Error::NoCredentials { path, remedy },
            Self::WholeFile => Error::NoRanges { path },
            Self::Changed => Error::Changed { path },
            Self::Region(region) => {
                let remedy = format!("set AWS_REGION={region}").into();
                Error::Answer {
                    path,
                    problem: "the bucket is in another region".to_owned(),
                    remedy,
                }
            }
            other if other.may_pass() => {
                Error::Unavailable { path, attempts, problem: other.to_string() }
            }
            other => Error::Answer { path, problem: other.to_string(), remedy: OTHER.into() },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, code: None } => write!(f, "the server answered {status}"),
            Self::Status { status, code: Some(code) } => {
                write!(f, "the server answered {status} ({code})")
            }
            Self::Silent(limit) => write!(f, "the server was silent for {limit:?}"),
            Self::Connection(problem) => write!(f, "the connection failed ({problem})"),
            Self::Short { found, expected } => {
                write!(f, "the server sent {found} bytes, expected {expected}")
            }
            Self::OtherPart { found, expected } => {
                write!(f, "the server sent {found}, expected {expected}")
            }
            Self::WholeFile => f.write_str("the server sent the whole file, expected a part"),
            Self::Changed => f.write_str("the file was changed"),
            Self::NoCredentials => f.write_str("no credentials were found"),
            Self::Region(region) => write!(f, "the bucket is in the region {region}"),
            Self::Answer(problem) => f.write_str(problem),
        }
    }
}

impl StdError for Failure {}

fn expired(code: &str) -> bool {
    code.to_ascii_lowercase().contains("expired")
}

/// A server's code for what is wrong, where it is a plain word: nothing else is repeated, since
/// servers repeat requests.
pub(crate) fn plain_code(code: &str) -> Option<String> {
    let plain = !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain.then(|| code.to_owned())
}

/// What the innermost cause of `error` says. Those around it repeat addresses.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// `error`, its cause, the cause of that, and so on.
pub(crate) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
