use saekit_core::HookPoint;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a codec could not be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of a contract or of what stands behind it.
    #[error("{0}")]
    Core(#[from] saekit_core::Error),
    /// The codec was made for rows of another width.
    #[error(
        "the codec {verb} rows of width {codec}, but those of `{column}` are {found} wide; evaluate it \
         where it was trained"
    )]
    Width {
        /// What the codec does with such rows: `reads` or `writes`.
        verb: &'static str,
        /// The codec's width.
        codec: usize,
        /// The column or hook point.
        column: HookPoint,
        /// Its width.
        found: usize,
    },
    /// There was nothing to evaluate on.
    #[error("there are no rows to evaluate on; harvest more text or raise the limit")]
    NoRows,
    /// A value of the store or of the codec is NaN or infinite.
    #[error("{what} holds {value} in row {row}{place}, column {column}; {remedy}")]
    NonFinite {
        /// Which rows.
        what: String,
        /// The row, counted from 0 in the order evaluated.
        row: u64,
        /// Where the row comes from, in words; empty where that is not known.
        place: String,
        /// The column of the first such value.
        column: usize,
        /// The value.
        value: f32,
        /// What to do.
        remedy: &'static str,
    },
    /// No token was left to score.
    #[error(
        "none of the {sequences} sequences has a token to score: each needs two tokens, and the \
         first of a pair must not be special; give it more text"
    )]
    NoTokens {
        /// Sequences looked at.
        sequences: u64,
    },
    /// A sequence does not fit the model.
    #[error(
        "sequence {sequence} has {length} tokens, but {model} takes at most {n_ctx}; cut the text \
         into shorter contexts"
    )]
    TooLong {
        /// The sequence, counted from 0.
        sequence: u64,
        /// Its tokens.
        length: usize,
        /// The model's name.
        model: String,
        /// Tokens the model takes.
        n_ctx: usize,
    },
    /// A token id the model does not have.
    #[error(
        "sequence {sequence} holds token id {id}, but {model} has {d_vocab} ids; use the tokenizer \
         that belongs to the model"
    )]
    UnknownToken {
        /// The sequence, counted from 0.
        sequence: u64,
        /// The id.
        id: u32,
        /// The model's name.
        model: String,
        /// Number of ids it has.
        d_vocab: usize,
    },
    /// The model's loss is NaN or infinite.
    #[error(
        "the {run} loss is {value} at position {position} of sequence {sequence}; the model's \
         weights or the codec are broken"
    )]
    NonFiniteLoss {
        /// Which of the four runs.
        run: &'static str,
        /// The sequence, counted from 0.
        sequence: u64,
        /// The position of the input token.
        position: usize,
        /// The value.
        value: f32,
    },
}

saekit_core::as_core_error!(Error);
