use std::path::PathBuf;

/// The result of reading, writing or rewriting a dictionary.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with a dictionary or the folder it is read from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor has another shape than the dictionary's sizes ask for.
    #[error("tensor `{tensor}` has shape {found:?}, expected {expected:?} ({meaning})")]
    Shape {
        /// The tensor.
        tensor: &'static str,
        /// The shape it has.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The sizes by name, such as `d_sae, d_in`.
        meaning: &'static str,
    },
    /// A value the activation function cannot work with.
    #[error("{what} is {found}, expected {expected}")]
    Value {
        /// Which value.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// An identity that does not hold for this dictionary.
    #[error("cannot {rewrite}: {reason}")]
    NotEquivalent {
        /// The rewriting asked for.
        rewrite: &'static str,
        /// Why the result would be another function.
        reason: &'static str,
    },
    /// A format cannot say what the dictionary is.
    #[error("{format} cannot express {feature}; export in saekit's own format instead")]
    NotExpressible {
        /// The format.
        format: &'static str,
        /// What it lacks.
        feature: String,
    },
    /// No format recognises the folder.
    #[error(
        "{} holds no dictionary that saekit reads; expected {expected}", path.display()
    )]
    Unrecognised {
        /// The folder.
        path: PathBuf,
        /// The files that would have been recognised.
        expected: String,
    },
    /// The configuration beside the tensors says something unusable.
    #[error("`{key}` {problem} in {}", path.display())]
    Config {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor file does not hold what it should.
    #[error("{problem} in {}", path.display())]
    Tensors {
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor file cannot be parsed.
    #[error("{} is not a whole safetensors file ({reason}); copy or export it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        reason: String,
    },
    /// A contract's error: files, sizes.
    #[error("{0}")]
    Core(#[from] saekit_core::Error),
}

saekit_core::as_core_error!(Error);
