use std::path::Path;

use saekit_core::{Encoding, ModelInfo, Result, Tokenizer, files};
use serde_json::Value;

use crate::Error;

/// What decoding puts in the place of bytes that are not UTF-8.
const NOT_UTF8: char = '\u{FFFD}';

/// A tokenizer in Hugging Face's format.
pub struct HfTokenizer {
    inner: tokenizers::Tokenizer,
    d_vocab: usize,
    bos: Option<u32>,
    special_ids: Vec<u32>,
    sha256: String,
}

impl HfTokenizer {
    /// Reads `tokenizer.json` in `dir`; truncation and padding that it asks for are turned off.
    ///
    /// The token that begins a sequence is `bos_token_id` of `config.json`, else `bos_token` of
    /// `tokenizer_config.json`, where there are such files. Special are the begin, end and padding
    /// tokens of both, and the added tokens that `tokenizer.json` marks so.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("tokenizer.json");
        if !path.is_file() {
            let remedy = "a fast tokenizer writes it: `AutoTokenizer.from_pretrained(model).\
                          save_pretrained(folder)` in transformers";
            return Err(Error::MissingFile { path, remedy });
        }
        let bytes = std::fs::read(&path).map_err(saekit_core::Error::io("read", &path))?;
        let inner = parse(&bytes).map_err(|source| Error::Tokenizer { path, source })?;
        let ids = inner.get_vocab(true).into_values();
        let d_vocab = ids.max().map_or(0, |id| id as usize + 1);
        let roles = Roles::read(dir, &inner, d_vocab)?;
        let added = inner.get_added_tokens_decoder();
        let marked = (0..d_vocab as u32).filter(|id| added.get(id).is_some_and(|t| t.special));
        let mut special_ids: Vec<u32> = marked.chain(roles.all).collect();
        special_ids.sort_unstable();
        special_ids.dedup();
        let sha256 = files::sha256(&bytes);
        Ok(Self { inner, d_vocab, bos: roles.bos, special_ids, sha256 })
    }
}

fn parse(bytes: &[u8]) -> tokenizers::Result<tokenizers::Tokenizer> {
    let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes)?;
    tokenizer.with_truncation(None)?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

impl Tokenizer for HfTokenizer {
    fn encode(&self, text: &str) -> Result<Encoding> {
        let encoding =
            self.inner.encode(text, false).map_err(|source| Error::Tokenize { source })?;
        let offsets = encoding.get_offsets().iter();
        Ok(Encoding {
            ids: encoding.get_ids().to_vec(),
            offsets: offsets.map(|(start, end)| (*start as u32, *end as u32)).collect(),
        })
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        Ok(self.inner.decode(ids, false).map_err(|source| Error::Tokenize { source })?)
    }

    fn token(&self, id: u32) -> Option<String> {
        let entry = self.inner.id_to_token(id)?;
        match self.inner.decode(&[id], false) {
            Ok(text) if !text.is_empty() && !text.contains(NOT_UTF8) => Some(text),
            _ => Some(entry),
        }
    }

    fn d_vocab(&self) -> usize {
        self.d_vocab
    }

    fn bos(&self) -> Option<u32> {
        self.bos
    }

    fn special_ids(&self) -> &[u32] {
        &self.special_ids
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// Tokens with a part to play.
struct Roles {
    bos: Option<u32>,
    all: Vec<u32>,
}

impl Roles {
    fn read(dir: &Path, tokenizer: &tokenizers::Tokenizer, d_vocab: usize) -> Result<Self, Error> {
        let model = read_optional(&dir.join("config.json"))?;
        let own = read_optional(&dir.join("tokenizer_config.json"))?;
        let ids = |role: &str| {
            let mut ids = ids_of(&model[format!("{role}_token_id")]);
            ids.extend(
                text_of(&own[format!("{role}_token")]).and_then(|t| tokenizer.token_to_id(t)),
            );
            ids.retain(|id| (*id as usize) < d_vocab);
            ids
        };
        let bos = ids("bos");
        let first = bos.first().copied();
        Ok(Self { bos: first, all: [bos, ids("eos"), ids("pad")].concat() })
    }
}

/// A JSON file that may be absent.
fn read_optional(path: &Path) -> Result<Value, Error> {
    if path.is_file() { Ok(files::read_json(path, "JSON file")?) } else { Ok(Value::Null) }
}

/// A token id, or a list of them.
fn ids_of(value: &Value) -> Vec<u32> {
    let many = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    many.iter().filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok()).collect()
}

/// A token's text: a string, or an object that has it as `content`.
fn text_of(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["content"].as_str())
}

/// Fails where `tokenizer` has ids that the model of `info` does not know. The model may have more:
/// embeddings are often padded to a round number.
pub fn check_tokenizer(info: &ModelInfo, tokenizer: &dyn Tokenizer) -> Result<(), Error> {
    if tokenizer.d_vocab() <= info.d_vocab {
        return Ok(());
    }
    Err(Error::VocabularyTooLarge {
        tokenizer: tokenizer.d_vocab(),
        model: info.name.clone(),
        d_vocab: info.d_vocab,
    })
}
