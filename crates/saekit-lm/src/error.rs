use std::path::PathBuf;

use saekit_core::BoxError;

/// What can go wrong with a language model or a tokenizer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the contracts' own, such as a failed file operation.
    #[error("{0}")]
    Core(#[from] saekit_core::Error),
    /// A file that every model folder needs is not there.
    #[error("{} does not exist; {remedy}", path.display())]
    MissingFile {
        /// The file.
        path: PathBuf,
        /// What to do about it.
        remedy: &'static str,
    },
    /// `config.json` lacks a setting or has one of the wrong kind.
    #[error(
        "{} is not a valid {family} configuration: {source}; use the one published with the weights",
        path.display()
    )]
    Config {
        /// The configuration.
        path: PathBuf,
        /// The architecture it claims.
        family: &'static str,
        /// What is missing or wrong.
        source: serde_json::Error,
    },
    /// Two settings contradict each other, or one is out of range.
    #[error("setting `{setting}` is {found}, expected {expected}, in {}", path.display())]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
        /// The configuration.
        path: PathBuf,
    },
    /// The architecture is not one that can be run.
    #[error(
        "`model_type` is {found}, which cannot be run; choose a model of one of these: {supported}, \
         in {}",
        path.display()
    )]
    UnknownFamily {
        /// `model_type` as the configuration has it.
        found: String,
        /// Those that can be run.
        supported: String,
        /// The configuration.
        path: PathBuf,
    },
    /// A weight file is cut short, or is none.
    #[error("{} is not a whole safetensors file: {reason}; download it again", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The table of contents of weights in several files is not about these files.
    #[error("{} is not the index of these weights: {reason}; download index and weights again", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What does not agree.
        reason: String,
    },
    /// The weights lack a tensor.
    #[error(
        "tensor `{tensor}` is missing from {}; config.json and the weights must be those of one \
         model, and the weights whole",
        path.display()
    )]
    MissingTensor {
        /// The tensor.
        tensor: String,
        /// Where it should have been.
        path: PathBuf,
    },
    /// A tensor has another shape than the configuration implies.
    #[error(
        "tensor `{tensor}` has shape {found:?}, expected {expected:?} by config.json, in {}; the \
         two must come from one model",
        path.display()
    )]
    TensorShape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The file.
        path: PathBuf,
    },
    /// A tensor's numbers are of a kind that weights do not have.
    #[error(
        "tensor `{tensor}` has dtype {found}, expected F32, F16 or BF16, in {}; convert the weights \
         (quantised models are not read)",
        path.display()
    )]
    TensorDtype {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        found: String,
        /// The file.
        path: PathBuf,
    },
    /// The weights hold part of a model that the configuration does not describe.
    #[error(
        "tensor `{tensor}` has no place in the model that config.json describes, in {}; the two \
         must come from one model",
        path.display()
    )]
    SurplusTensor {
        /// The tensor.
        tensor: String,
        /// The file.
        path: PathBuf,
    },
    /// `tokenizer.json` cannot be read.
    #[error("{} is not a valid tokenizer: {source}; download it again", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: BoxError,
    },
    /// The tokenizer gave up on a text.
    #[error("the tokenizer of {} failed on a text: {source}", path.display())]
    Tokenize {
        /// The tokenizer's file.
        path: PathBuf,
        /// Why.
        source: BoxError,
    },
    /// The tokenizer has ids that the model does not know.
    #[error(
        "the tokenizer has {tokenizer} token ids, but model `{model}` only {d_vocab}; use the \
         tokenizer published with the model"
    )]
    VocabularyTooLarge {
        /// Token ids of the tokenizer.
        tokenizer: usize,
        /// The model's name.
        model: String,
        /// Token ids of the model.
        d_vocab: usize,
    },
    /// A token id that the model does not know.
    #[error(
        "token id {id} does not exist in model `{model}`, whose ids end at {}; tokenise with the \
         model's own tokenizer",
        d_vocab - 1
    )]
    TokenId {
        /// The id.
        id: u32,
        /// The model's name.
        model: String,
        /// Token ids of the model.
        d_vocab: usize,
    },
    /// A sequence longer than the model takes.
    #[error("a sequence has {found} tokens, but model `{model}` takes at most {n_ctx}; cut it")]
    TooLong {
        /// Its length.
        found: usize,
        /// The model's name.
        model: String,
        /// The longest the model takes.
        n_ctx: usize,
    },
    /// The device failed.
    #[error("the device failed while activations were read from it: {source}")]
    Device {
        /// What it said.
        source: BoxError,
    },
}

impl Error {
    /// [`Error::Device`], to be used with `map_err`.
    pub(crate) fn device(source: impl Into<BoxError>) -> Self {
        Self::Device { source: source.into() }
    }
}

saekit_core::as_core_error!(Error);
