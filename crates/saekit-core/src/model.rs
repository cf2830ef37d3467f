use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Matrix, Result};

/// A place in a language model by its TransformerLens name, such as `blocks.2.hook_resid_post`.
///
/// Outside the crate that runs models it is an opaque string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HookPoint(String);

impl HookPoint {
    /// Any name; whether a model has it is that model's to say.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a model without running it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// A name for people and manifests: the folder's, or what the user called it.
    pub name: String,
    /// The architecture (`model_type` of the configuration), such as `gpt2`.
    pub family: String,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Longest sequence it takes, tokens.
    pub n_ctx: usize,
    /// Number of token ids.
    pub d_vocab: usize,
    /// SHA-256 of the weights and configuration, hex.
    pub sha256: String,
}

/// Sequences of token ids, padded on the right to one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    ids: Vec<u32>,
    width: usize,
    lengths: Vec<usize>,
}

impl TokenBatch {
    /// Pads `sequences` to the longest with id 0. Padding comes last, so causal models never look
    /// at it; callers skip those positions by [`lengths`](Self::lengths).
    pub fn new(sequences: &[Vec<u32>]) -> Self {
        let width = sequences.iter().map(Vec::len).max().unwrap_or(0);
        let mut ids = vec![0; sequences.len() * width];
        for (row, sequence) in ids.chunks_mut(width.max(1)).zip(sequences) {
            row[..sequence.len()].copy_from_slice(sequence);
        }
        Self { ids, width, lengths: sequences.iter().map(Vec::len).collect() }
    }

    /// Number of sequences.
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// Padded length.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Token ids, sequence after sequence, `rows * width` of them.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// True length of each sequence.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The ids of sequence `i`, without padding.
    pub fn sequence(&self, i: usize) -> &[u32] {
        &self.ids[i * self.width..][..self.lengths[i]]
    }
}

/// A replacement of the activations at a hook point in the middle of a forward pass.
pub struct Edit<'a> {
    /// Where.
    pub hook: &'a HookPoint,
    /// Changes the activations in place: `[rows * width, d]`, sequence after sequence, padding
    /// included.
    pub replace: &'a mut dyn FnMut(&TokenBatch, &mut Matrix) -> Result<()>,
}

/// A causal language model.
pub trait LanguageModel: Send + Sync {
    /// What is known without running it.
    fn info(&self) -> &ModelInfo;

    /// Every hook point with the width of its activations.
    fn hook_points(&self) -> Vec<(HookPoint, usize)>;

    /// The activations at each of `hooks`, `[rows * width, d]` each, from one forward pass that
    /// stops after the last of them.
    fn capture(&self, tokens: &TokenBatch, hooks: &[HookPoint]) -> Result<Vec<Matrix>>;

    /// Negative log-likelihood, nats, of each next token: `[rows, width - 1]`, where column `t`
    /// scores token `t + 1`; entries from `length - 1` on are padding and mean nothing.
    fn nll(&self, tokens: &TokenBatch, edit: Option<Edit<'_>>) -> Result<Matrix>;

    /// The unembedding, `[d_vocab, d_model]`: logits are its product with the normed last residual.
    fn unembedding(&self) -> Result<Matrix>;
}

/// A text as token ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The bytes of the text each token covers, start and end.
    pub offsets: Vec<(u32, u32)>,
}

/// A model's vocabulary: text to ids and back.
pub trait Tokenizer: Send + Sync {
    /// The ids of `text`, nothing added at either end.
    fn encode(&self, text: &str) -> Result<Encoding>;

    /// The text of `ids`.
    fn decode(&self, ids: &[u32]) -> Result<String>;

    /// One token by itself, as people should see it: its text, with bytes that are part of a
    /// character as `<0xC3>`. No two tokens have the same. `None` past the end.
    fn token(&self, id: u32) -> Option<String>;

    /// The bytes that token `id` adds to a text in which other tokens stand before it; `None` past
    /// the end. A character may be spread over several tokens.
    fn piece(&self, id: u32) -> Option<Vec<u8>> {
        self.token(id).map(String::into_bytes)
    }

    /// Number of token ids.
    fn d_vocab(&self) -> usize;

    /// The token that begins a sequence, where there is one.
    fn bos(&self) -> Option<u32>;

    /// Ids that stand for no text (begin, end, padding), ascending.
    fn special_ids(&self) -> &[u32];

    /// SHA-256 of the tokenizer's file, hex.
    fn sha256(&self) -> &str;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_on_the_right() {
        let batch = TokenBatch::new(&[vec![5, 6, 7], vec![8]]);
        assert_eq!((batch.rows(), batch.width()), (2, 3));
        assert_eq!(batch.ids(), [5, 6, 7, 8, 0, 0]);
        assert_eq!(batch.sequence(1), [8]);
    }

    #[test]
    fn may_be_empty() {
        let batch = TokenBatch::new(&[]);
        assert_eq!((batch.rows(), batch.width()), (0, 0));
    }
}
