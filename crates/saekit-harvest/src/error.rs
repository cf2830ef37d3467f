use std::path::{Path, PathBuf};

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between text and a store.
///
/// `place` names a record as `file:line` or `file, row n`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to read.
    #[error("no input; name at least one file or folder of {known}")]
    NoInput {
        /// The extensions that can be read.
        known: String,
    },
    /// An input that is not there.
    #[error("there is no file or folder {}; check the path", path.display())]
    Missing {
        /// The input.
        path: PathBuf,
    },
    /// A file whose extension says nothing to us.
    #[error("cannot tell the format of {} by its extension; expected {known}", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The extensions that can be read.
        known: String,
    },
    /// A folder without a file that can be read.
    #[error("the folder {} holds no file of {known}{holds}", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
        /// The extensions that can be read.
        known: String,
        /// The files that it holds, in words.
        holds: String,
    },
    /// A file that is an input twice.
    #[error("{} is named twice, by itself or by the folder that it is in; name it once", path.display())]
    NamedTwice {
        /// The file.
        path: PathBuf,
    },
    /// A file without a single document.
    #[error("{} holds no document; leave it out", path.display())]
    NoDocuments {
        /// The file.
        path: PathBuf,
    },
    /// Documents there are, but not one token in them.
    #[error(
        "not one of the {documents} documents in the input holds a token; check the field that is read"
    )]
    NoTokens {
        /// Number of documents.
        documents: u64,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "{place} is not UTF-8: invalid at byte {offset} of the {of}; convert it, for example with `iconv -t UTF-8`"
    )]
    InvalidUtf8 {
        /// The file, and the line or row where the format has them.
        place: String,
        /// Position of the first byte that does not fit.
        offset: u64,
        /// Where the position is counted: in the `file` or in the `value`.
        of: &'static str,
    },
    /// A file in UTF-16.
    #[error("{} is in UTF-16; convert it with `iconv -f UTF-16 -t UTF-8`", path.display())]
    Utf16 {
        /// The file.
        path: PathBuf,
    },
    /// A packing that is not read.
    #[error("{} is packed by {name}; unpack it with `{command}`, or pack it with gzip or zstd", path.display())]
    Packing {
        /// The file.
        path: PathBuf,
        /// The packing.
        name: &'static str,
        /// The command that unpacks it.
        command: &'static str,
    },
    /// A packed file that does not unpack.
    #[error(
        "cannot unpack {} ({packing}): {source}; download it again if it is cut short or damaged, or unpack it by hand",
        path.display()
    )]
    Unpack {
        /// The file.
        path: PathBuf,
        /// The packing.
        packing: &'static str,
        /// The reason.
        source: std::io::Error,
    },
    /// A line too long for JSON lines.
    #[error("{}:{line} is longer than {mib} MiB; JSON lines hold one record per line", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// The line's number.
        line: u64,
        /// The limit.
        mib: u64,
    },
    /// A line that is not a JSON object.
    #[error(
        "{place} is not a JSON object: {reason}; JSON lines hold one record per line, and \
         `jq -c '.[]' FILE` makes them of a list"
    )]
    InvalidJson {
        /// The line.
        place: String,
        /// What was found where.
        reason: String,
    },
    /// A text that JSON does not allow.
    #[error("{place}: the text is not a string of JSON: {reason}; write it again or leave it out")]
    InvalidString {
        /// The line.
        place: String,
        /// Where and why parsing stopped.
        reason: String,
    },
    /// A file of a library's format that cannot be read.
    #[error("cannot read {}: {reason}; download or write it again (parquet: uncompressed or with snappy or zstd)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reader's reason, on one line.
        reason: String,
    },
    /// A record without the field that is read.
    #[error("{place} has no field {field}; it has {found}; name the right one with `--text-field`")]
    MissingField {
        /// The record.
        place: String,
        /// The fields that were looked for.
        field: String,
        /// The fields there are.
        found: String,
    },
    /// A field that is neither text nor token ids.
    #[error("{place}: field `{field}` is {found}, expected a string or a list of token ids")]
    WrongType {
        /// The record.
        place: String,
        /// The field.
        field: String,
        /// What it holds.
        found: String,
    },
    /// Text in one record and token ids in another.
    #[error("{place} holds {found}, the records before it {expected}; harvest them separately")]
    MixedKinds {
        /// The first record that is unlike the others.
        place: String,
        /// What it holds.
        found: &'static str,
        /// What the others hold.
        expected: &'static str,
    },
    /// A token id the model does not have.
    #[error(
        "{place} holds token id {id}, but the model has the ids 0 to {last}; take the ids from this model's tokenizer"
    )]
    TokenId {
        /// The record.
        place: String,
        /// The id.
        id: i64,
        /// The model's last id.
        last: usize,
    },
    /// A text with a token that the model does not have.
    #[error(
        "the tokenizer gives id {id} (`{token}`) in document {document}, but the model has the ids 0 to {last}; take it out of the text, or use the `tokenizer.json` that came with the model"
    )]
    Tokenizer {
        /// The token, as people should see it.
        token: String,
        /// Its id.
        id: u32,
        /// Number of the document in the input, from 0.
        document: u64,
        /// The model's last id.
        last: usize,
    },
    /// A token to begin sequences with that the model does not have.
    #[error(
        "sequences begin with token {id} by the tokenizer, but the model has the ids 0 to {last}; use the `tokenizer.json` that came with the model"
    )]
    Bos {
        /// The id.
        id: u32,
        /// The model's last id.
        last: usize,
    },
    /// A record of token ids longer than the model can take.
    #[error(
        "{place} holds {tokens} token ids, the model takes {n_ctx}; cut the records to {n_ctx} or fewer, since they are taken as they are"
    )]
    TooLong {
        /// The record.
        place: String,
        /// Its number of ids.
        tokens: usize,
        /// The model's longest sequence.
        n_ctx: usize,
    },
    /// A document whose byte offsets do not fit the tokens table.
    #[error("{place} is a document of 4 GiB or more; split it")]
    HugeDocument {
        /// The record.
        place: String,
    },
    /// More documents than the tokens table can number.
    #[error("{place} is document number 2^32; harvest the input in several parts")]
    TooManyDocuments {
        /// The record.
        place: String,
    },
    /// Text for a model that came without a tokenizer.
    #[error("{} holds text, but the model has no tokenizer; put its `tokenizer.json` into the model's folder or give records of `input_ids`", path.display())]
    NoTokenizer {
        /// The first file with text.
        path: PathBuf,
    },
    /// A setting outside its range.
    #[error("`{name}` is {found}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// An error of the store.
    #[error("{0}")]
    Store(#[from] saekit_store::Error),
    /// An error of the model, the tokenizer or the file system; or the user asked to stop.
    #[error("{0}")]
    Core(#[from] saekit_core::Error),
}

/// Most characters of a library's reason.
const REASON: usize = 160;

impl Error {
    /// [`Error::Damaged`], with as much of `reason` as fits a line.
    pub(crate) fn damaged(path: &Path, reason: &str) -> Self {
        let reason = reason.lines().next().unwrap_or_default().chars().take(REASON).collect();
        Self::Damaged { path: path.to_owned(), reason }
    }
}

saekit_core::as_core_error!(Error);
