//! The rows of a store that a filter leaves, a bit per row.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use saekit_core::files::sha256;
use saekit_core::{HookPoint, Interrupt, Observer};
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::error::{Result, StreamError};
use crate::memory::trim_heap;
use crate::read::row_buffer::RowBuffer;
use crate::select::classify::RowClassifier;
use crate::select::filter::{Exclusion, RowFilter};
use crate::select::packed_file::{Packed, PackedWriter, Run};
use crate::select::token_exclusions::TokenExclusions;

/// The rows of a store that a [`RowFilter`] leaves; made by [`Store::select`](crate::Store::select).
/// Clones share a temporary file without a name, with a bit per row, which is deleted with the last of them.
#[derive(Clone, Debug)]
pub struct RowSelection(Arc<Selected>);

#[derive(Debug)]
struct Selected {
    filter: RowFilter,
    /// For each row, in the order on disk, whether it is used.
    bits: Packed<1>,
    counts: RowCounts,
}

/// The used rows of a range.
#[derive(Debug)]
pub(crate) struct UsedRows(Run<1>);

/// Counts of used and excluded rows. A row that fails several tests counts for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowCounts {
    /// Rows that are used.
    pub kept: u64,
    /// Rows of the other part of the split.
    pub other_part: u64,
    /// Rows at positions that are not used.
    pub positions: u64,
    /// Rows of excluded tokens.
    pub tokens: u64,
    /// Rows of tokens outside of the spans.
    pub outside: u64,
    /// Rows with too large a norm.
    pub norm: u64,
    /// Rows with NaN or infinity.
    pub non_finite: u64,
}

impl fmt::Display for RowCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, other_part, positions, tokens, outside, norm, non_finite } = *self;
        let all = kept + other_part + positions + tokens + outside + norm + non_finite;
        write!(f, "{kept} of {all} rows")?;
        let reasons = [
            (other_part, "in the other part"),
            (positions, "at other positions"),
            (tokens, "of excluded tokens"),
            (outside, "outside of the spans"),
            (norm, "of too large a norm"),
            (non_finite, "with NaN or infinity"),
        ];
        let mut mark = ':';
        for (count, reason) in reasons.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{mark} {count} {reason}")?;
            mark = ',';
        }
        Ok(())
    }
}

impl RowSelection {
    /// Looks at the rows of `store`: at its tokens table and the numbers of its rows; at the rows
    /// themselves, in `columns`, only where their values matter.
    pub(crate) fn new(
        store: &Catalog,
        filter: RowFilter,
        columns: &[HookPoint],
        watch: (&mut dyn Observer, &Interrupt),
    ) -> Result<Self> {
        filter.check(store)?;
        let set = Self::choose(store, filter, columns, watch);
        trim_heap();
        set
    }

    fn choose(
        store: &Catalog,
        filter: RowFilter,
        columns: &[HookPoint],
        (observer, interrupt): (&mut dyn Observer, &Interrupt),
    ) -> Result<Self> {
        let table = store.tokens.as_ref().filter(|_| filter.needs_table());
        let reasons =
            table.map(|table| TokenExclusions::new(table, &filter, interrupt)).transpose()?;
        let tokens = reasons.as_ref().map(TokenExclusions::lookup);
        let mut classifier =
            RowClassifier { store, columns, filter: &filter, tokens, rows: RowBuffer::default() };
        let (mut bits, mut counts) = (PackedWriter::create()?, RowCounts::default());
        observer.begin("choosing rows", Some(store.manifest.rows), "rows");
        for group in store.groups() {
            interrupt.check()?;
            for reason in classifier.group(group, interrupt)? {
                counts.add(reason);
                bits.push(reason.is_none().into())?;
            }
            observer.advance(bits.len(), "");
        }
        observer.end();
        if counts.kept == 0 {
            return Err(StreamError::Filter {
                path: store.location(),
                problem: format!("no row is left ({counts})"),
                remedy: "loosen the filter".to_owned(),
            }
            .into());
        }
        Ok(Self(Arc::new(Selected { filter, bits: bits.finish()?, counts })))
    }

    /// Counts of the used rows, and of the others by reason.
    pub fn counts(&self) -> RowCounts {
        self.0.counts
    }

    /// The filter that it was made with.
    pub fn filter(&self) -> &RowFilter {
        &self.0.filter
    }

    /// Hash of what decides it beside the store.
    pub(crate) fn sha256(&self) -> String {
        let text = serde_json::to_string(&self.0.filter).expect("numbers and names");
        sha256(text.as_bytes())
    }

    /// Reads which of the rows `range`, in the order on disk, are used.
    pub(crate) fn used(&self, range: Range<u64>) -> Result<UsedRows> {
        self.0.bits.read(range).map(UsedRows)
    }
}

impl UsedRows {
    /// Whether row `row`, which is one of them, is used.
    pub(crate) fn contains(&self, row: u64) -> bool {
        self.0.get(row) == 1
    }

    /// The rows this mask covers.
    pub(crate) fn range(&self) -> Range<u64> {
        self.0.range()
    }

    /// Those that are used, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.range().filter(|row| self.contains(*row))
    }
}

impl RowCounts {
    /// Counts a row that is excluded for `reason`, or used.
    fn add(&mut self, reason: Option<Exclusion>) {
        let count = match reason {
            None => &mut self.kept,
            Some(Exclusion::OtherPart) => &mut self.other_part,
            Some(Exclusion::Position) => &mut self.positions,
            Some(Exclusion::Token) => &mut self.tokens,
            Some(Exclusion::Outside) => &mut self.outside,
            Some(Exclusion::Norm) => &mut self.norm,
            Some(Exclusion::NonFinite) => &mut self.non_finite,
        };
        *count += 1;
    }
}
