use std::path::PathBuf;

use saekit_core::HookPoint;
use saekit_store::{Choice, DType, StoreSpec};

/// What to harvest, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HarvestConfig {
    /// Files (`.txt`: a document; `.jsonl`: a document a line; `.parquet`: a document a row) and
    /// folders or patterns of such files, which are taken by name.
    pub inputs: Vec<PathBuf>,
    /// Which files of those folders are meant, where they hold several things.
    pub choice: Choice,
    /// The hook points, one column of the store each, all from one forward pass.
    pub hooks: Vec<HookPoint>,
    /// The field or column of a record that holds its text, or its list of token ids; otherwise
    /// `text`, and where there is none `input_ids`.
    pub text_field: Option<String>,
    /// What the manifest calls the data; otherwise the file name of the first input.
    pub dataset: Option<String>,
    /// Tokens a context, BOS included; otherwise the model's longest, at most
    /// [`CONTEXT_SIZE`](Self::CONTEXT_SIZE). Records of token ids keep their own length.
    pub context_size: Option<usize>,
    /// Decides the order of documents, and of rows within a shard.
    pub seed: u64,
    /// Whether rows of special tokens (BOS, EOS, padding) are stored too.
    pub keep_special: bool,
    /// Ends after this many rows.
    pub max_rows: Option<u64>,
    /// Tokens in a forward pass, padding included; one sequence at least. Results depend on it by
    /// no more than the model's own rounding.
    pub batch_tokens: usize,
    /// How values are stored.
    pub dtype: DType,
    /// Payload of a full shard, bytes; one shard is held in memory.
    pub shard_bytes: u64,
}

impl HarvestConfig {
    /// The longest context that is taken unasked: longer ones cost more a token and, at the same
    /// number of rows, show fewer documents.
    pub const CONTEXT_SIZE: usize = 1024;
    /// Default of [`batch_tokens`](Self::batch_tokens): enough rows for efficient matrix products.
    pub const BATCH_TOKENS: usize = 4096;
}

impl Default for HarvestConfig {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            choice: Choice::default(),
            hooks: Vec::new(),
            text_field: None,
            dataset: None,
            context_size: None,
            seed: 0,
            keep_special: false,
            max_rows: None,
            batch_tokens: Self::BATCH_TOKENS,
            dtype: DType::F16,
            shard_bytes: StoreSpec::SHARD_BYTES,
        }
    }
}
