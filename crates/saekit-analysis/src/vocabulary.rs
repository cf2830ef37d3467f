use std::path::Path;

use saekit_core::Tokenizer;
use saekit_core::files::write_sealed;

use crate::Result;
use crate::index::read_own;

const FILE: &str = "vocabulary.json";

/// Tokens as people should see them.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    texts: Vec<String>,
    /// Which of them are words, as far as that is known.
    words: Vec<bool>,
}

impl Vocabulary {
    /// The texts of all tokens; of none where there is no tokenizer.
    pub(crate) fn new(tokenizer: Option<&dyn Tokenizer>) -> Self {
        let Some(tokenizer) = tokenizer else { return Self::default() };
        let ids = 0..tokenizer.d_vocab() as u32;
        let text = |id| tokenizer.token(id).unwrap_or_else(|| number(id));
        let texts: Vec<String> = ids.clone().map(text).collect();
        let special = tokenizer.special_ids();
        let word = |(id, text): (u32, &String)| {
            text.chars().any(char::is_alphabetic) && !special.contains(&id)
        };
        let words = ids.zip(&texts).map(word).collect();
        Self { texts, words }
    }

    /// Reads the texts that [`write`](Self::write) wrote.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let texts = read_own(&dir.join(FILE), "vocabulary")?;
        Ok(Self { texts, words: Vec::new() })
    }

    /// Writes the texts into `dir`.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_sealed(&dir.join(FILE), &self.texts)?)
    }

    /// The text of token `id`, or its number.
    pub(crate) fn text(&self, id: u32) -> String {
        self.texts.get(id as usize).cloned().unwrap_or_else(|| number(id))
    }

    /// Whether token `id` has a letter and is not special; true where that is not known.
    pub(crate) fn is_word(&self, id: u32) -> bool {
        self.words.get(id as usize).copied().unwrap_or(true)
    }
}

fn number(id: u32) -> String {
    format!("⟨{id}⟩")
}
