//! Tokens of consecutive documents, packed into contexts.

use std::collections::VecDeque;

use saekit_core::Encoding;
use saekit_store::TokenizedSequence;

/// A part of a document that was tokenised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    /// Number of the document in the input.
    pub(crate) document: u32,
    /// Where the part begins in the document, bytes; 0 where the document begins.
    pub(crate) base: u32,
    /// Its tokens, offsets counted from `base`.
    pub(crate) encoding: &'a Encoding,
}

/// Fills contexts of `size` tokens, each `[BOS, tokens...]`, documents parted by BOS.
///
/// BOS at the front of a context also parts documents, so it is not doubled there. Without a BOS
/// nothing is added anywhere. BOS counts as an empty token at the start of the token after it.
#[derive(Debug)]
pub(crate) struct Packer {
    size: usize,
    bos: Option<u32>,
    open: TokenizedSequence,
}

impl Packer {
    /// Contexts of `size` tokens, 2 or more.
    pub(crate) fn new(size: usize, bos: Option<u32>) -> Self {
        assert!(size >= 2, "a context of {size} tokens");
        Self { size, bos, open: TokenizedSequence::default() }
    }

    /// Adds a piece; contexts that are complete go to `full`.
    pub(crate) fn push(&mut self, piece: Piece<'_>, full: &mut VecDeque<TokenizedSequence>) {
        let Encoding { ids, offsets } = piece.encoding;
        for (i, (&id, &(start, end))) in ids.iter().zip(offsets).enumerate() {
            let (start, end) = (piece.base + start, piece.base + end);
            let parted = i == 0 && piece.base == 0 && !self.open.ids.is_empty();
            if let Some(bos) = self.bos.filter(|_| parted) {
                self.add(bos, piece.document, (start, start), full);
            }
            if let Some(bos) = self.bos.filter(|_| self.open.ids.is_empty()) {
                self.add(bos, piece.document, (start, start), full);
            }
            self.add(id, piece.document, (start, end), full);
        }
    }

    /// The last context, shorter than the others, unless it is a single token.
    pub(crate) fn finish(&mut self) -> Option<TokenizedSequence> {
        Some(std::mem::take(&mut self.open)).filter(|rest| rest.ids.len() >= 2)
    }

    fn add(
        &mut self,
        id: u32,
        document: u32,
        bytes: (u32, u32),
        full: &mut VecDeque<TokenizedSequence>,
    ) {
        self.open.ids.push(id);
        self.open.documents.push(document);
        self.open.byte_starts.push(bytes.0);
        self.open.byte_ends.push(bytes.1);
        if self.open.ids.len() == self.size {
            full.push_back(std::mem::take(&mut self.open));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contexts of one-byte tokens.
    fn pack(size: usize, bos: Option<u32>, documents: &[&[u32]]) -> Vec<TokenizedSequence> {
        let mut packer = Packer::new(size, bos);
        let mut full = VecDeque::new();
        for (document, ids) in documents.iter().enumerate() {
            let offsets = (0..ids.len() as u32).map(|i| (i, i + 1)).collect();
            let encoding = Encoding { ids: ids.to_vec(), offsets };
            packer
                .push(Piece { document: document as u32, base: 0, encoding: &encoding }, &mut full);
        }
        full.extend(packer.finish());
        full.into()
    }

    fn ids(sequences: &[TokenizedSequence]) -> Vec<&[u32]> {
        sequences.iter().map(|s| s.ids.as_slice()).collect()
    }

    #[test]
    fn contexts_begin_with_bos_and_documents_are_parted_by_it() {
        let packed = pack(4, Some(0), &[&[1, 2, 3, 4], &[5, 6], &[7]]);
        assert_eq!(ids(&packed), [&[0, 1, 2, 3], &[0, 4, 0, 5], &[0, 6, 0, 7]]);
        assert_eq!(packed[1].documents, [0, 0, 1, 1]);
        assert_eq!(packed[1].byte_starts, [3, 3, 0, 0]);
        assert_eq!(packed[1].byte_ends, [3, 4, 0, 1]);
    }

    #[test]
    fn a_document_at_the_front_of_a_context_gets_one_bos() {
        let packed = pack(3, Some(0), &[&[1, 2], &[3, 4]]);
        assert_eq!(ids(&packed), [&[0, 1, 2], &[0, 3, 4]]);
    }

    #[test]
    fn a_context_may_end_with_the_bos_that_parts_documents() {
        let packed = pack(3, Some(0), &[&[1], &[2, 3]]);
        assert_eq!(ids(&packed), [&[0, 1, 0], &[0, 2, 3]]);
    }

    #[test]
    fn without_bos_nothing_is_added_and_a_single_token_is_dropped() {
        let packed = pack(2, None, &[&[1, 2, 3], &[4], &[5]]);
        assert_eq!(ids(&packed), [&[1, 2], &[3, 4]]);
    }

    #[test]
    fn a_later_piece_continues_its_document() {
        let mut packer = Packer::new(3, Some(0));
        let mut full = VecDeque::new();
        let encoding = Encoding { ids: vec![1], offsets: vec![(0, 1)] };
        packer.push(Piece { document: 0, base: 0, encoding: &encoding }, &mut full);
        packer.push(Piece { document: 0, base: 1, encoding: &encoding }, &mut full);
        assert_eq!(ids(full.make_contiguous()), [[0, 1, 1]]);
        assert_eq!(full[0].byte_starts, [0, 0, 1]);
    }
}
