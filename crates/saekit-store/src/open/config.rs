//! How to open a store: what to do about damage, and how to read files of other tools.

use serde::{Deserialize, Serialize};

use crate::format::dtype::DType;
use crate::place::choice::Choice;

/// How to open a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenConfig {
    /// Policy for damaged files.
    pub damaged: Damaged,
    /// How to read files of other tools; a store of saekit's own says everything itself.
    pub foreign: ForeignConfig,
    /// Which files of other tools are meant, where a place holds several things.
    pub choice: Choice,
}

/// Policy for files that are missing or damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Damaged {
    /// Stop with its error.
    #[default]
    Fail,
    /// Skip it. Every file is read once while the store is opened, so that damage is known before
    /// anything depends on the rows.
    Skip,
}

/// How to read files of other tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignConfig {
    /// Columns of activations; all that can be where there are none.
    pub columns: Vec<String>,
    /// Column that becomes the sequence of each row: its document. Ids of any type are taken.
    pub document: Option<String>,
    /// Column of whole numbers that becomes the position of each row in its sequence.
    pub position: Option<String>,
    /// Column of the token of each row; `token_ids` where there is one and nothing is said.
    pub token_ids: Option<String>,
    /// Column of the scale of each row, for vectors of 8-bit whole numbers.
    pub scale: Option<String>,
    /// The dtype of 16-bit values, for files that do not say it.
    pub dtype: Option<DType>,
    /// Rows are read and mixed in groups of about so many bytes.
    pub group_bytes: usize,
}

impl Default for ForeignConfig {
    fn default() -> Self {
        Self {
            columns: vec![],
            document: None,
            position: None,
            token_ids: None,
            scale: None,
            dtype: None,
            group_bytes: 1 << 20,
        }
    }
}
