//! Which rows of a store are used and in what order, as flags and as the `[rows]` table.

use anyhow::Result;
use saekit_core::HookPoint;
use saekit_store::{RowFilter, RowSelection, Split, Store, TokenSpans};
use serde::{Deserialize, Serialize};

use crate::exit::{OnInterrupt as _, Usage};
use crate::session::Session;

/// Flags that choose rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Rows")]
pub(crate) struct RowOptions {
    /// Part of the documents that is held out, such as 0.05 [default: none]
    #[arg(long, value_name = "FRACTION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_out: Option<f64>,
    /// Decides which documents are held out [default: 0]
    #[arg(long, value_name = "SEED", value_parser = super::whole())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) split_seed: Option<u64>,
    /// The part to use: train or held-out [default: train]
    #[arg(long, value_name = "PART", value_parser = ["train", "held-out"], hide_possible_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<String>,
    /// Positions in a sequence to use, the first and the one after the last, such as 1..128
    #[arg(long, value_name = "RANGE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) positions: Option<String>,
    /// Token ids whose rows are left out
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) exclude_tokens: Vec<u32>,
    /// Use only tokens between those with these ids, such as one side of a chat: the ids, one after the
    /// other, that begin a span, and the one that ends it, such as 151644,77091,198..151645
    #[arg(long, value_name = "IDS..ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) between: Option<String>,
    /// Leave out rows whose norm is more than so many times the mean
    #[arg(long, value_name = "X")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_norm: Option<f64>,
    /// Leave out rows that hold NaN or infinity, which are an error otherwise
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) drop_non_finite: bool,
}

impl RowOptions {
    /// Whether every row is used.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The rows of `store` that are meant; `None` is all. Says how many there are.
    pub(crate) fn select(
        &self,
        store: &Store,
        columns: &[HookPoint],
        session: &Session,
    ) -> Result<Option<RowSelection>> {
        let filter = self.filter()?;
        if filter.is_all() {
            return Ok(None);
        }
        let interrupt = &session.interrupt;
        let set = store
            .select(filter, columns, &mut session.observer(), interrupt)
            .on_interrupt(interrupt, || "nothing was changed".to_owned())?;
        session.say(&format!("rows: {}", set.counts()));
        Ok(Some(set))
    }

    fn filter(&self) -> Result<RowFilter> {
        let part = match self.part.as_deref() {
            None | Some("train") => Split::Train,
            Some("held-out") if self.held_out.is_some() => Split::HeldOut,
            Some("held-out") => {
                let text = "the held-out part was asked for, but `--held-out` does not say how large it is";
                return Err(Usage(text.to_owned()).into());
            }
            Some(other) => {
                return Err(
                    Usage(format!("`part` is `{other}`, expected train or held-out")).into()
                );
            }
        };
        let mut exclude_tokens = self.exclude_tokens.clone();
        exclude_tokens.sort_unstable();
        exclude_tokens.dedup();
        Ok(RowFilter {
            held_out: self.held_out.unwrap_or(0.0),
            split_seed: self.split_seed.unwrap_or(0),
            part,
            positions: self.positions.as_deref().map(range).transpose()?,
            exclude_tokens,
            between: self.between.as_deref().map(spans).transpose()?,
            max_norm: self.max_norm,
            drop_non_finite: self.drop_non_finite,
        })
    }
}

/// `1..128` as numbers; either may be missing.
fn range(text: &str) -> Result<(u32, u32)> {
    let numbers = text.split_once("..").and_then(|(start, end)| {
        let start = if start.is_empty() { 0 } else { start.parse().ok()? };
        let end = if end.is_empty() { u32::MAX } else { end.parse().ok()? };
        (start < end).then_some((start, end))
    });
    let wrong = || Usage(format!("`--positions` is `{text}`, expected a range such as 1..128"));
    numbers.ok_or_else(|| wrong().into())
}

/// `5,6..7` as the tokens before and after spans.
fn spans(text: &str) -> Result<TokenSpans> {
    let parts = text.split_once("..").and_then(|(begin, end)| {
        let begin = begin.split(',').map(|id| id.trim().parse().ok()).collect::<Option<_>>()?;
        Some(TokenSpans { begin, end: end.trim().parse().ok()? })
    });
    let wrong = || Usage(format!("`--between` is `{text}`, expected token ids such as 5,6..7"));
    parts.ok_or_else(|| wrong().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_ids_on_both_sides() {
        let found = spans("5, 6..7").unwrap();
        assert_eq!(found, TokenSpans { begin: vec![5, 6], end: 7 });
        for bad in ["", "5", "..7", "5,..7", "5..", "a..7"] {
            let message = spans(bad).unwrap_err().to_string();
            assert!(message.contains("such as 5,6..7"), "{message}");
        }
    }

    #[test]
    fn ranges_may_lack_an_end() {
        assert_eq!(range("1..128").unwrap(), (1, 128));
        assert_eq!(range("..8").unwrap(), (0, 8));
        assert_eq!(range("1..").unwrap(), (1, u32::MAX));
        for bad in ["", "5", "5..5", "a..b", "3..2"] {
            let message = range(bad).unwrap_err().to_string();
            assert!(message.contains("such as 1..128"), "{message}");
        }
    }
}
