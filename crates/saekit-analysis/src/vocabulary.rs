use std::collections::BTreeMap;
use std::path::Path;

use saekit_core::Tokenizer;
use saekit_core::files::write_sealed;
use saekit_core::pieces;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::index::read_own;

const FILE: &str = "vocabulary.json";

/// Tokens as people should see them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vocabulary {
    /// Each token by itself.
    texts: Vec<String>,
    /// The bytes that a token adds to a text, where they are others than those of its text.
    pieces: BTreeMap<u32, Vec<u8>>,
    /// Which of them are words, as far as that is known.
    #[serde(skip)]
    words: Vec<bool>,
}

impl Vocabulary {
    /// Tokens before and after a context that may hold parts of its characters.
    pub(crate) const MARGIN: u32 = 4;

    /// The texts of all tokens; of none where there is no tokenizer.
    pub(crate) fn new(tokenizer: Option<&dyn Tokenizer>) -> Self {
        let Some(tokenizer) = tokenizer else { return Self::default() };
        let special = tokenizer.special_ids();
        let mut vocabulary = Self::default();
        for id in 0..tokenizer.d_vocab() as u32 {
            let text = tokenizer.token(id).unwrap_or_else(|| number(id));
            let piece = tokenizer.piece(id).unwrap_or_else(|| text.clone().into_bytes());
            let letters = String::from_utf8_lossy(&piece).chars().any(char::is_alphabetic);
            vocabulary.words.push(letters && special.binary_search(&id).is_err());
            if piece != text.as_bytes() {
                vocabulary.pieces.insert(id, piece);
            }
            vocabulary.texts.push(text);
        }
        vocabulary
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        read_own(&dir.join(FILE), "vocabulary")
    }

    /// Writes texts and pieces into `dir`.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_sealed(&dir.join(FILE), self)?)
    }

    /// The text of token `id` by itself, or its number.
    pub(crate) fn text(&self, id: u32) -> String {
        self.texts.get(id as usize).cloned().unwrap_or_else(|| number(id))
    }

    /// The texts of `tokens` from number `from` up to `to`, in the context of all of them: see
    /// [`pieces::texts`].
    pub(crate) fn context(&self, tokens: &[u32], from: usize, to: usize) -> Vec<String> {
        let pieces: Vec<Vec<u8>> = tokens.iter().map(|id| self.piece(*id)).collect();
        pieces::texts(&pieces, from, to)
    }

    fn piece(&self, id: u32) -> Vec<u8> {
        self.pieces.get(&id).cloned().unwrap_or_else(|| self.text(id).into_bytes())
    }

    /// Whether token `id` has a letter and is not special; true where that is not known.
    pub(crate) fn is_word(&self, id: u32) -> bool {
        self.words.get(id as usize).copied().unwrap_or(true)
    }
}

fn number(id: u32) -> String {
    format!("⟨{id}⟩")
}
