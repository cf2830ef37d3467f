use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use saekit_core::{Encoding, ModelInfo, Result, Tokenizer, border, files, input};
use serde_json::Value;

use crate::Error;
use crate::pieces::{Reading, Token, displays};

/// The longest `tokenizer.json`; the largest known has 35 MB.
const MAX_BYTES: u64 = 1 << 30;
/// Ids without a token that a vocabulary may have, beside as many as it has tokens.
const HOLES: usize = 1 << 16;

/// A tokenizer in Hugging Face's format.
pub struct HfTokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    d_vocab: usize,
    /// One more than the largest id of the model's own vocabulary, without added tokens.
    d_own: usize,
    bos: Option<u32>,
    special_ids: Vec<u32>,
    sha256: String,
    reading: Reading,
    /// Every token as people should see it, made when it is first asked for.
    displays: OnceLock<BTreeMap<u32, String>>,
}

impl HfTokenizer {
    /// Reads `tokenizer.json` in `dir`; truncation and padding that it asks for are turned off.
    ///
    /// The token that begins a sequence is `bos_token_id` of `config.json`, else `bos_token` of
    /// `tokenizer_config.json`, where there are such files. Special are the begin, end and padding
    /// tokens of both, and the added tokens that `tokenizer.json` marks so.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("tokenizer.json");
        input::check_link(&path)?;
        if !path.is_file() {
            let remedy = "a fast tokenizer writes it: `AutoTokenizer.from_pretrained(model).\
                          save_pretrained(folder)` in transformers";
            return Err(Error::MissingFile { path, remedy });
        }
        let bytes = input::read(&path, MAX_BYTES)?;
        let invalid = |source| Error::Tokenizer { path: path.clone(), source };
        let inner = border::caught(|| parse(&bytes)).unwrap_or_else(|reason| Err(reason.into()));
        let inner = inner.map_err(invalid)?;
        let d_vocab = size(&inner, true).map_err(|reason| invalid(reason.into()))?;
        let d_own = size(&inner, false).map_err(|reason| invalid(reason.into()))?;
        let roles = Roles::read(dir, &inner, d_vocab)?;
        let mut special_ids = roles.all;
        special_ids.extend(marked(&inner));
        special_ids.sort_unstable();
        special_ids.dedup();
        Ok(Self {
            inner,
            d_vocab,
            d_own,
            bos: roles.bos,
            special_ids,
            sha256: files::sha256(&bytes),
            reading: Reading::of(&bytes),
            displays: OnceLock::new(),
            path,
        })
    }

    /// The bytes that `entry`, token `id`, adds to a text.
    fn bytes(&self, id: u32, entry: &str) -> Vec<u8> {
        let added = self.inner.get_added_vocabulary().simple_id_to_token(id).is_some();
        if added && self.special_ids.binary_search(&id).is_ok() {
            return entry.as_bytes().to_vec();
        }
        self.reading.bytes(entry, added)
    }

    fn displays(&self) -> &BTreeMap<u32, String> {
        self.displays.get_or_init(|| {
            let token = |id| {
                let entry = self.inner.id_to_token(id)?;
                Some((id, Token { bytes: self.bytes(id, &entry), entry }))
            };
            displays(&(0..self.d_vocab as u32).filter_map(token).collect())
        })
    }

    fn failed(&self, source: saekit_core::BoxError) -> Error {
        Error::Tokenize { path: self.path.clone(), source }
    }
}

/// One more than the largest id.
fn size(tokenizer: &tokenizers::Tokenizer, added: bool) -> Result<usize, String> {
    let vocabulary = tokenizer.get_vocab(added);
    let tokens = vocabulary.len();
    let size = vocabulary.into_values().max().map_or(0, |id| id as usize + 1);
    if size > 2 * tokens + HOLES {
        return Err(format!("it has the token id {}, but only {tokens} tokens", size - 1));
    }
    Ok(size)
}

/// The added tokens that are marked as special.
fn marked(tokenizer: &tokenizers::Tokenizer) -> impl Iterator<Item = u32> {
    let added = tokenizer.get_added_tokens_decoder();
    let special: BTreeMap<u32, bool> = added.into_iter().map(|(id, t)| (id, t.special)).collect();
    special.into_iter().filter(|(_, special)| *special).map(|(id, _)| id)
}

fn parse(bytes: &[u8]) -> tokenizers::Result<tokenizers::Tokenizer> {
    let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes)?;
    tokenizer.with_truncation(None)?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

impl Tokenizer for HfTokenizer {
    fn encode(&self, text: &str) -> Result<Encoding> {
        let encoding = border::caught(|| self.inner.encode(text, false))
            .unwrap_or_else(|reason| Err(reason.into()))
            .map_err(|source| self.failed(source))?;
        let offsets = encoding.get_offsets().iter();
        Ok(Encoding {
            ids: encoding.get_ids().to_vec(),
            offsets: offsets.map(|(start, end)| (*start as u32, *end as u32)).collect(),
        })
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        let text = border::caught(|| self.inner.decode(ids, false))
            .unwrap_or_else(|reason| Err(reason.into()));
        Ok(text.map_err(|source| self.failed(source))?)
    }

    fn token(&self, id: u32) -> Option<String> {
        self.displays().get(&id).cloned()
    }

    fn piece(&self, id: u32) -> Option<Vec<u8>> {
        Some(self.bytes(id, &self.inner.id_to_token(id)?))
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

/// Fails where the own vocabulary of `tokenizer` has ids that the model of `info` does not know. The
/// model may have more: embeddings are often padded to a round number. Added tokens may have ids that
/// the model was never resized for: only a text in which one occurs cannot be run.
pub fn check_tokenizer(info: &ModelInfo, tokenizer: &HfTokenizer) -> Result<(), Error> {
    if tokenizer.d_own <= info.d_vocab {
        return Ok(());
    }
    Err(Error::VocabularyTooLarge {
        tokenizer: tokenizer.d_own,
        model: info.name.clone(),
        d_vocab: info.d_vocab,
    })
}
