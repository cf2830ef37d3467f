use saekit_core::{CodecShape, Provenance};
use serde::{Deserialize, Serialize};

use crate::{CrossEntropyReport, ReconstructionReport};

/// An evaluation of one codec, as it is written to JSON.
///
/// A figure that does not exist is `null`; a part that was not asked for is `null` as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Version of this layout, [`Evaluation::VERSION`].
    pub version: u32,
    /// Version of saekit that measured.
    pub saekit_version: String,
    /// The codec's file or folder, as it was given.
    pub codec: String,
    /// SHA-256 of its weights, hex.
    pub codec_sha256: Option<String>,
    /// Its widths.
    pub shape: CodecShape,
    /// Where it comes from.
    pub provenance: Provenance,
    /// What it was evaluated on.
    pub on: EvaluatedOn,
    /// How well rows were reconstructed.
    pub reconstruction: Option<ReconstructionReport>,
    /// What the reconstruction costs the model.
    pub cross_entropy: Option<CrossEntropyReport>,
}

/// What a codec was evaluated on. Hashes are SHA-256 in hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluatedOn {
    /// The store's folder, as it was given.
    pub store: Option<String>,
    /// Hash of the store's manifest.
    pub store_sha256: Option<String>,
    /// The column of the store that was encoded.
    pub column: Option<String>,
    /// Name of the data the store was harvested from.
    pub dataset: Option<String>,
    /// The language model's name.
    pub model: Option<String>,
    /// Hash of the model's weights and configuration.
    pub model_sha256: Option<String>,
    /// Hash of `tokenizer.json`.
    pub tokenizer_sha256: Option<String>,
    /// Which rows of the store, where not all were to be used: how many are left, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
}

impl Evaluation {
    /// The layout this version writes.
    pub const VERSION: u32 = 1;

    /// An evaluation with no figures yet, of the codec at `codec`.
    pub fn new(codec: String, shape: CodecShape, provenance: Provenance, on: EvaluatedOn) -> Self {
        Self {
            version: Self::VERSION,
            saekit_version: env!("CARGO_PKG_VERSION").to_owned(),
            codec,
            codec_sha256: None,
            shape,
            provenance,
            on,
            reconstruction: None,
            cross_entropy: None,
        }
    }
}
