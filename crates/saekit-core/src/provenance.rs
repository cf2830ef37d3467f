use serde::{Deserialize, Serialize};

/// Where a codec comes from: written with it, and into every format it is exported to.
///
/// Hashes are SHA-256 in hex; `None` where the thing does not exist or was not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Version of saekit that trained it.
    pub saekit_version: String,
    /// Training method, such as `topk`.
    pub learner: Option<String>,
    /// The language model's name.
    pub model: Option<String>,
    /// Hash of the model's weights and configuration.
    pub model_sha256: Option<String>,
    /// Hash of `tokenizer.json`.
    pub tokenizer_sha256: Option<String>,
    /// Where the input rows were read.
    pub hook_point: Option<String>,
    /// Where the target rows were read, if elsewhere.
    pub target_hook_point: Option<String>,
    /// Tokens a sequence had when harvested.
    pub context_size: Option<usize>,
    /// Whether each harvested sequence began with BOS.
    pub prepend_bos: Option<bool>,
    /// Whether rows of special tokens were left out.
    pub excludes_special_tokens: Option<bool>,
    /// Name of the data the store was harvested from.
    pub dataset: Option<String>,
    /// Hash of the store's manifest.
    pub store_sha256: Option<String>,
    /// Hash of the run's resolved plan.
    pub plan_sha256: Option<String>,
    /// Rows trained on.
    pub rows: Option<u64>,
}
