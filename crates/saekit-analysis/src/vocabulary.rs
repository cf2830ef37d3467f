use std::path::Path;

use saekit_core::Tokenizer;
use saekit_core::files::{read_json, write_json};
use serde::{Deserialize, Serialize};

use crate::Result;

const FILE: &str = "vocabulary.json";

/// Tokens as people should see them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Vocabulary(Vec<String>);

impl Vocabulary {
    /// The texts of all tokens; of none where there is no tokenizer.
    pub(crate) fn new(tokenizer: Option<&dyn Tokenizer>) -> Self {
        let Some(tokenizer) = tokenizer else { return Self::default() };
        let text = |id| tokenizer.token(id).unwrap_or_else(|| number(id));
        Self((0..tokenizer.d_vocab() as u32).map(text).collect())
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        Ok(read_json(&dir.join(FILE), "vocabulary")?)
    }

    /// Writes the texts into `dir`.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_json(&dir.join(FILE), self)?)
    }

    /// The text of token `id`, or its number.
    pub(crate) fn text(&self, id: u32) -> String {
        self.0.get(id as usize).cloned().unwrap_or_else(|| number(id))
    }
}

fn number(id: u32) -> String {
    format!("⟨{id}⟩")
}
