//! Which rows to use: a part of the documents, tokens, positions, spans and norms.

use saekit_core::rng::Rng;
use serde::{Deserialize, Serialize};

use saekit_core::TokenizedSequence;

use crate::catalog::Catalog;
use crate::error::{Result, StreamError};

/// Which rows to use; by default all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowFilter {
    /// Part of the documents that is held out, 0 to 1; of the sequences, where a store has no tokens
    /// table. Which documents those are is decided by [`split_seed`](Self::split_seed) and their
    /// number alone.
    pub held_out: f64,
    /// Decides which documents are held out.
    pub split_seed: u64,
    /// The part to use.
    pub part: Split,
    /// Positions in a sequence that are used, from the first to before the last; `None` is all.
    pub positions: Option<(u32, u32)>,
    /// Token ids whose rows are excluded, ascending.
    pub exclude_tokens: Vec<u32>,
    /// Only rows of tokens in such spans are used, where any are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub between: Option<TokenSpans>,
    /// Rows whose norm is more than so many times the mean norm of their column are excluded.
    pub max_norm: Option<f64>,
    /// Excludes rows that hold NaN or infinity; otherwise reading them is an error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_non_finite: bool,
}

/// Spans of tokens in a sequence, such as what one side says in a chat: from after the tokens `begin`,
/// one after the other, to before the next token `end`, or to the end of the sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSpans {
    /// Tokens before a span; at least one.
    pub begin: Vec<u32>,
    /// The token after it.
    pub end: u32,
}

impl TokenSpans {
    /// For each of the tokens `ids` of a sequence whether it lies in a span.
    pub(crate) fn inside(&self, ids: &[u32]) -> Vec<bool> {
        let mut is_inside = false;
        let mut inside = Vec::with_capacity(ids.len());
        for (position, id) in ids.iter().enumerate() {
            is_inside &= *id != self.end;
            inside.push(is_inside);
            is_inside |= ids[..=position].ends_with(&self.begin);
        }
        inside
    }
}

/// A side of a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The documents that are not held out.
    #[default]
    Train,
    /// The held-out documents.
    HeldOut,
}

/// The reason why a row is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exclusion {
    OtherPart,
    Position,
    Token,
    Outside,
    Norm,
    NonFinite,
}

impl RowFilter {
    /// Whether every row is used.
    pub fn is_all(&self) -> bool {
        let Self { held_out, part, positions, exclude_tokens, max_norm, .. } = self;
        let by_value = max_norm.is_some() || self.drop_non_finite;
        *held_out == 0.0
            && *part == Split::Train
            && positions.is_none()
            && exclude_tokens.is_empty()
            && self.between.is_none()
            && !by_value
    }

    /// Fails where it cannot be applied to `store`.
    pub(super) fn check(&self, store: &Catalog) -> Result<()> {
        let fail = |problem: &str, remedy: &str| {
            let (path, problem) = (store.location(), problem.to_owned());
            Err(StreamError::Filter { path, problem, remedy: remedy.to_owned() }.into())
        };
        if !(0.0..1.0).contains(&self.held_out) {
            return fail("the part held out is not in 0 to 1", "hold out 0.05, for example");
        }
        if self.max_norm.is_some_and(|norm| norm.is_nan() || norm <= 0.0) {
            return fail("the largest norm is not positive", "give 10, for example");
        }
        let by_row = self.held_out > 0.0 || self.part == Split::HeldOut || self.positions.is_some();
        if by_row && !store.has_sequences {
            let remedy = "name them with --document and --position, or filter before storing";
            return fail("its rows have no sequence and position", remedy);
        }
        if self.is_by_token() && store.tokens.is_none() {
            return fail("it has no tokens table", "leave tokens out before storing");
        }
        if self.between.as_ref().is_some_and(|between| between.begin.is_empty()) {
            return fail("no token begins a span", "give one, or several that follow each other");
        }
        Ok(())
    }

    /// Whether the filter needs the tokens table, where there is one.
    pub(super) fn needs_table(&self) -> bool {
        self.held_out > 0.0 || self.part == Split::HeldOut || self.is_by_token()
    }

    /// Whether the filter depends on the token of a row.
    fn is_by_token(&self) -> bool {
        !self.exclude_tokens.is_empty() || self.between.is_some()
    }

    /// Whether document `number` is held out.
    fn holds_out(&self, number: u32) -> bool {
        Rng::new(self.split_seed, "store.split").uniform(u64::from(number)) < self.held_out
    }

    fn is_other_part(&self, document: u32) -> bool {
        self.holds_out(document) != (self.part == Split::HeldOut)
    }

    /// The reason why the token at `position` of `sequence` is excluded, if it is.
    pub(crate) fn token(&self, sequence: &TokenizedSequence, position: usize) -> Option<Exclusion> {
        if self.is_other_part(sequence.documents[position]) {
            return Some(Exclusion::OtherPart);
        }
        let excluded = self.exclude_tokens.binary_search(&sequence.ids[position]).is_ok();
        excluded.then_some(Exclusion::Token)
    }

    /// The reason why a row is excluded by its sequence and position alone, if it is.
    pub(super) fn numbers(
        &self,
        (sequence, position): (u32, u32),
        has_table: bool,
    ) -> Option<Exclusion> {
        if !has_table && self.is_other_part(sequence) {
            return Some(Exclusion::OtherPart);
        }
        let outside = |(start, end): (u32, u32)| !(start..end).contains(&position);
        self.positions.is_some_and(outside).then_some(Exclusion::Position)
    }
}
