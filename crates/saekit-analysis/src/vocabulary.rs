use saekit_core::Tokenizer;

/// Tokens as people should see them.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary(Vec<String>);

impl Vocabulary {
    /// The texts of all tokens; of none where there is no tokenizer.
    pub(crate) fn new(tokenizer: Option<&dyn Tokenizer>) -> Self {
        let Some(tokenizer) = tokenizer else { return Self::default() };
        let text = |id| tokenizer.token(id).unwrap_or_else(|| number(id));
        Self((0..tokenizer.d_vocab() as u32).map(text).collect())
    }

    /// The text of token `id`, or its number.
    pub(crate) fn text(&self, id: u32) -> String {
        self.0.get(id as usize).cloned().unwrap_or_else(|| number(id))
    }
}

fn number(id: u32) -> String {
    format!("⟨{id}⟩")
}
