use std::path::{Path, PathBuf};

/// Any error, boxed: how an implementation's own typed error travels through a contract.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The result of a contract's method.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong across a contract.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two sizes that have to agree do not.
    #[error("{what} is {found}, expected {expected}")]
    Shape {
        /// What was measured, for example "width of the input rows".
        what: String,
        /// The size that was required.
        expected: usize,
        /// The size that was met.
        found: usize,
    },
    /// A value is NaN or infinite.
    #[error("{what} holds {value} at row {row}, column {column}")]
    NonFinite {
        /// Which matrix.
        what: String,
        /// Row of the first such value.
        row: usize,
        /// Column of the first such value.
        column: usize,
        /// The value.
        value: f32,
    },
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {}", path.display(), io_reason(source))]
    Io {
        /// What was attempted, for example "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A JSON file does not say what it should.
    #[error("{} is not a valid {what}: {source}", path.display())]
    Json {
        /// What the file should have been, for example "store manifest".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// Something else stands where a file should be.
    #[error("{} is {found}; {remedy}", path.display())]
    NotTheFile {
        /// The file's path.
        path: PathBuf,
        /// The thing that is there.
        found: String,
        /// How to get the file.
        remedy: &'static str,
    },
    /// A file that saekit wrote for itself is not as it was written.
    #[error("{} was changed after it was written", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The user asked to stop (Ctrl-C); what was promised to survive is on disk.
    #[error("interrupted")]
    Interrupted,
    /// Another process writes to the folder.
    #[error(
        "{holder} writes to `{}`; wait for it, or choose another folder with `--out`", dir.display()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// Who writes, in words.
        holder: String,
    },
    /// A hook point the model does not have.
    #[error("hook point `{hook}` does not exist in {model}; it has {available}")]
    UnknownHook {
        /// The hook point asked for.
        hook: String,
        /// The model's name.
        model: String,
        /// The hook points there are, in words.
        available: String,
    },
    /// An implementation's own error.
    #[error("{0}")]
    Implementation(#[source] BoxError),
}

impl Error {
    /// True where `error`, or one of the errors behind it, says that the user asked to stop.
    pub fn is_interrupted(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if matches!(error.downcast_ref(), Some(Self::Interrupted)) {
                return true;
            }
            next = error.source();
        }
        false
    }

    /// Wraps an implementation's error.
    pub fn from_source(source: impl Into<BoxError>) -> Self {
        Self::Implementation(source.into())
    }

    /// An [`Error::Io`] for `action` on `path`, to be used with `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Fails unless `found` equals `expected`.
    pub fn check_size(what: &str, expected: usize, found: usize) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(Self::Shape { what: what.to_owned(), expected, found })
    }
}

/// The system's reason, with the remedy where there is a plain one.
fn io_reason(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::StorageFull
        | std::io::ErrorKind::FileTooLarge
        | std::io::ErrorKind::QuotaExceeded => {
            format!(
                "{source}; free space there or choose another output folder, then run the same command again"
            )
        }
        _ => source.to_string(),
    }
}

/// Makes a crate's own error fit for the border of a contract: `From<$error> for saekit_core::Error`.
///
/// `$error` is an enum with a variant `Core` that holds an [`Error`], which is unwrapped
/// rather than wrapped again.
#[macro_export]
macro_rules! as_core_error {
    ($error:ident) => {
        impl From<$error> for $crate::Error {
            fn from(error: $error) -> Self {
                match error {
                    $error::Core(error) => error,
                    error => Self::from_source(error),
                }
            }
        }
    };
}
