/// A sequence of tokens as it went through the model: one entry per token in each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenizedSequence {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The document of each token: the number of its record in the input, from 0. An added token,
    /// such as BOS, has the document of the token after it.
    pub documents: Vec<u32>,
    /// First byte of each token's text in its document.
    pub byte_starts: Vec<u32>,
    /// The byte after the last of each token's text in its document; equal to the start where a token
    /// stands for no text.
    pub byte_ends: Vec<u32>,
}
