//! The decoder and the tokenizer against `transformers` and `tokenizers` (`golden/gpt2`, written by
//! its `generate.py`), the laws of capturing and editing, and one test for each kind of bad input.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod laws;
mod parity;
mod support;
mod tokenizer;
