//! The sequences of a corpus: documents in seeded order, tokenised and packed.

use std::collections::VecDeque;

use saekit_core::rng::{Permutation, Rng};
use saekit_core::{Interrupt, Tokenizer};
use saekit_store::TokenizedSequence;

use crate::corpus::{Corpus, Kind};
use crate::error::{Error, Result};
use crate::pack::{Packer, Piece};

/// Text tokenised at once, bytes. Longer documents are cut at a lone line break or space, where
/// tokenizers cut words anyway, so that memory does not grow with the document.
const PIECE: usize = 1 << 20;

/// Sequences that are one forward pass.
#[derive(Debug)]
pub(crate) struct Batch {
    /// In the store's order.
    pub(crate) sequences: Vec<TokenizedSequence>,
    /// Bytes of the corpus that were used up to here.
    pub(crate) consumed: u64,
}

/// How documents become sequences.
#[derive(Clone, Copy)]
pub(crate) struct Recipe<'a> {
    /// The documents.
    pub(crate) corpus: &'a Corpus,
    /// Needed where they are text.
    pub(crate) tokenizer: Option<&'a dyn Tokenizer>,
    /// Number of token ids the model has.
    pub(crate) d_vocab: usize,
    /// Tokens a context.
    pub(crate) context_size: usize,
    /// Tokens a batch, padding included; one sequence at least.
    pub(crate) batch_tokens: usize,
    /// Decides the order of documents.
    pub(crate) seed: u64,
    /// Asks to stop.
    pub(crate) interrupt: &'a Interrupt,
}

/// The sequences, in batches. Ends after the first error.
pub(crate) struct Batches<'a> {
    recipe: Recipe<'a>,
    order: Permutation,
    /// Place in the order, and the byte reached in that document.
    place: u64,
    from: u64,
    consumed: u64,
    packer: Packer,
    ready: VecDeque<TokenizedSequence>,
    over: bool,
}

impl<'a> Batches<'a> {
    /// From the first document in the seed's order.
    pub(crate) fn new(recipe: Recipe<'a>) -> Self {
        let rng = Rng::new(recipe.seed, "harvest.documents");
        Self {
            order: Permutation::new(rng, recipe.corpus.documents()),
            place: 0,
            from: 0,
            consumed: 0,
            packer: Packer::new(recipe.context_size, recipe.tokenizer.and_then(Tokenizer::bos)),
            ready: VecDeque::new(),
            over: false,
            recipe,
        }
    }

    fn batch(&mut self) -> Result<Option<Batch>> {
        let mut sequences = Vec::new();
        let mut width = 0;
        while self.fill()? {
            width = width.max(self.ready[0].ids.len());
            if !sequences.is_empty() && (sequences.len() + 1) * width > self.recipe.batch_tokens {
                break;
            }
            sequences.extend(self.ready.pop_front());
        }
        if sequences.is_empty() {
            return Ok(None);
        }
        Ok(Some(Batch { sequences, consumed: self.consumed }))
    }

    /// The next sequence by itself, and whether it is the last that was made of
    /// [`consumed`](Self::consumed), but for a context that is not full yet.
    pub(crate) fn sequence(&mut self) -> Result<Option<(TokenizedSequence, bool)>> {
        self.fill()?;
        Ok(self.ready.pop_front().map(|sequence| (sequence, self.ready.is_empty())))
    }

    /// Bytes of the corpus that were used up.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Makes a sequence ready; false where there are no more.
    fn fill(&mut self) -> Result<bool> {
        while self.ready.is_empty() && self.place < self.order.len() {
            self.recipe.interrupt.check()?;
            let document = self.order.get(self.place);
            match self.recipe.corpus.kind() {
                Kind::Text => self.text(document)?,
                Kind::Ids => self.ids(document)?,
            }
            if self.from == self.recipe.corpus.len(document) {
                (self.place, self.from) = (self.place + 1, 0);
            }
            if self.place == self.order.len() {
                self.ready.extend(self.packer.finish());
            }
        }
        Ok(!self.ready.is_empty())
    }

    fn ids(&mut self, document: u64) -> Result<()> {
        let ids = self.recipe.corpus.ids_of(document)?;
        self.advance(4 * ids.len());
        if !ids.is_empty() {
            let n = ids.len();
            self.ready.push_back(TokenizedSequence {
                ids,
                documents: vec![number(document); n],
                byte_starts: vec![0; n],
                byte_ends: vec![0; n],
            });
        }
        Ok(())
    }

    fn text(&mut self, document: u64) -> Result<()> {
        let mut bytes = Vec::new();
        self.recipe.corpus.bytes_of(document, self.from, PIECE, &mut bytes)?;
        if self.from + (bytes.len() as u64) < self.recipe.corpus.len(document) {
            bytes.truncate(cut(&bytes));
        }
        let tokenizer = self.recipe.tokenizer.expect("text is refused where there is none");
        let text = str::from_utf8(&bytes).expect("checked when read, and cut between characters");
        let encoding = tokenizer.encode(text)?;
        if let Some(&id) = encoding.ids.iter().find(|id| **id as usize >= self.recipe.d_vocab) {
            return Err(Error::Tokenizer {
                token: tokenizer.token(id).unwrap_or_default().escape_debug().to_string(),
                id,
                document,
                last: self.recipe.d_vocab.saturating_sub(1),
            });
        }
        let base = u32::try_from(self.from).expect("documents are below 4 GiB");
        let document = number(document);
        self.packer.push(Piece { document, base, encoding: &encoding }, &mut self.ready);
        self.advance(bytes.len());
        Ok(())
    }

    fn advance(&mut self, bytes: usize) {
        self.from += bytes as u64;
        self.consumed += bytes as u64;
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.over {
            return None;
        }
        let item = self.batch().transpose();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }
}

fn number(document: u64) -> u32 {
    u32::try_from(document).expect("the corpus refuses more documents")
}

/// Where to cut `bytes`, which may end in the middle of a character: after the last line break, or
/// before the last space, that stands alone between other characters; failing that after the last
/// whole character.
fn cut(bytes: &[u8]) -> usize {
    let black = |byte: &u8| !byte.is_ascii_whitespace();
    let lone = (1..bytes.len().saturating_sub(1)).rev().find(|&i| {
        let after_break =
            i > 1 && bytes[i - 1] == b'\n' && black(&bytes[i - 2]) && black(&bytes[i]);
        let before_space = bytes[i] == b' ' && black(&bytes[i - 1]) && black(&bytes[i + 1]);
        after_break || before_space
    });
    lone.unwrap_or_else(|| match str::from_utf8(bytes) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    })
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn cuts_where_words_part() {
        let cases = [("one two three", 7), ("one\ntwo", 4), ("a b\n\nc", 1), ("one  two", 8)];
        for (text, expected) in cases {
            assert_eq!(cut(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn never_cuts_a_character() {
        let text = "ééé";
        assert_eq!(cut(&text.as_bytes()[..5]), 4);
    }
}
