use saekit_core::{CodecShape, Provenance};
use saekit_store::{RowCounts, RowFilter, RowSelection};
use serde::{Deserialize, Serialize};

use crate::Settings;

/// `analysis.json`: what was analysed, how, and what is missing. Hashes are SHA-256 in hex.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Always [`Summary::FORMAT`].
    pub format: String,
    /// Always [`Summary::VERSION`].
    pub version: u32,
    /// Version of saekit that made it.
    pub saekit_version: String,
    /// The codec, as its path was given.
    pub codec: String,
    /// Hash of the codec's weights.
    pub codec_sha256: String,
    /// The codec's widths.
    pub shape: CodecShape,
    /// Where the codec comes from.
    pub provenance: Provenance,
    /// The store, as its path was given.
    pub store: String,
    /// Hash of the store's manifest.
    pub store_sha256: String,
    /// The column that was encoded.
    pub column: String,
    /// Name of the data the store was harvested from.
    pub dataset: Option<String>,
    /// Name of the model whose vocabulary and unembedding were used.
    pub model: Option<String>,
    /// Rows analysed.
    pub rows: u64,
    /// Which rows of the store those are, where not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<ChosenRows>,
    /// Mean number of latents that fire in a row.
    pub l0: f64,
    /// Latents that never fired.
    pub dead: u64,
    /// Latents that fire in more than a tenth of the rows.
    pub dense: u64,
    /// Latents whose decoder row is nearly another's.
    pub duplicates: u64,
    /// What decided sizes and random choices.
    pub settings: Settings,
    /// Sections that could not be made.
    pub missing: Vec<Missing>,
}

/// Rows chosen from a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChosenRows {
    /// What they were chosen by.
    pub filter: RowFilter,
    /// How many were kept, and why the others were not.
    pub counts: RowCounts,
}

/// A section that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// The section's name.
    pub section: String,
    /// Why, and what would help.
    pub why: String,
}

impl ChosenRows {
    pub(crate) fn of(rows: &RowSelection) -> Self {
        Self { filter: rows.filter().clone(), counts: rows.counts() }
    }
}

impl Summary {
    /// What `format` says.
    pub const FORMAT: &str = "saekit-analysis";
    /// The version of the format this crate writes and reads.
    pub const VERSION: u32 = 1;
}
