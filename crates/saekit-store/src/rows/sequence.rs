//! A sequence of tokens, with where each token's text lies.

/// A sequence as it went through the model: one entry a token in each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenizedSequence {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The record of the input each token came from, counted from 0. A token that was added, such
    /// as BOS, counts to the record of the token after it.
    pub documents: Vec<u32>,
    /// First byte of the token's text in its record.
    pub byte_starts: Vec<u32>,
    /// Byte after the last of the token's text in its record; equal to the start where the token
    /// stands for no text.
    pub byte_ends: Vec<u32>,
}
