//! Which rows of a store are used: parts by document, and rows left out by token, place or norm.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use saekit_core::files::sha256;
use saekit_core::rng::Rng;
use saekit_core::{HookPoint, Interrupt, Observer};
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::catalog::row_range::RowRange;
use crate::error::StreamError;
use crate::memory::give_back;
use crate::read::row_buffer::{Rows, Selection};
use crate::select::packed_file::{Packed, PackedWriter, Run};
use crate::select::token_exclusions::{TokenLookup, TokenReasons};
use crate::{Error, Result, TokenizedSequence};

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
    /// Which of the two parts to use.
    pub part: Part,
    /// Positions in a sequence that are used, from the first to before the last; `None` is all.
    pub positions: Option<(u32, u32)>,
    /// Tokens whose rows are left out, ascending.
    pub exclude_tokens: Vec<u32>,
    /// Only rows of tokens in such spans are used, where any are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub between: Option<Between>,
    /// Rows whose norm is more than so many times the mean norm of their column are left out.
    pub max_norm: Option<f64>,
    /// Rows that hold NaN or infinity are left out, where reading them would be an error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_non_finite: bool,
}

/// Spans of tokens in a sequence, such as what one side says in a chat: from after the tokens `begin`,
/// one after the other, to before the next token `end`, or to the end of the sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// Tokens before a span; at least one.
    pub begin: Vec<u32>,
    /// The token after it.
    pub end: u32,
}

impl Between {
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
pub enum Part {
    /// What is not held out.
    #[default]
    Train,
    /// What is.
    HeldOut,
}

/// The rows of a store that a [`RowFilter`] leaves; made by [`Store::select`](crate::Store::select).
/// Clones share a temporary file without a name, of a bit a row, which goes with the last of them.
#[derive(Clone, Debug)]
pub struct RowSet(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    filter: RowFilter,
    /// For each row, in the order on disk, whether it is used.
    bits: Packed<1>,
    counts: RowCounts,
}

/// Which rows of a range are used.
#[derive(Debug)]
pub(crate) struct UsedRows(Run<1>);

/// What became of the rows of a store. A row that fails several tests counts for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowCounts {
    /// Rows that are used.
    pub kept: u64,
    /// Rows of the other part of the split.
    pub other_part: u64,
    /// Rows at positions that are not used.
    pub positions: u64,
    /// Rows of tokens that are left out.
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

/// Why a row is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
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
            && *part == Part::Train
            && positions.is_none()
            && exclude_tokens.is_empty()
            && self.between.is_none()
            && !by_value
    }

    /// Fails where it cannot be applied to `store`.
    fn check(&self, store: &Catalog) -> Result<()> {
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
        let by_row = self.held_out > 0.0 || self.part == Part::HeldOut || self.positions.is_some();
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

    /// Whether the tokens table matters, where there is one.
    fn needs_table(&self) -> bool {
        self.held_out > 0.0 || self.part == Part::HeldOut || self.is_by_token()
    }

    /// Whether the token of a row matters.
    fn is_by_token(&self) -> bool {
        !self.exclude_tokens.is_empty() || self.between.is_some()
    }

    /// Whether document `number` is held out.
    fn holds_out(&self, number: u32) -> bool {
        Rng::new(self.split_seed, "store.split").uniform(u64::from(number)) < self.held_out
    }

    fn is_other_part(&self, document: u32) -> bool {
        self.holds_out(document) != (self.part == Part::HeldOut)
    }

    /// Why the token at `position` of `sequence` is left out, if it is.
    pub(crate) fn token(&self, sequence: &TokenizedSequence, position: usize) -> Option<Reason> {
        if self.is_other_part(sequence.documents[position]) {
            return Some(Reason::OtherPart);
        }
        let excluded = self.exclude_tokens.binary_search(&sequence.ids[position]).is_ok();
        excluded.then_some(Reason::Token)
    }

    /// Why a row is left out by its numbers alone, if it is.
    fn numbers(&self, (sequence, position): (u32, u32), has_table: bool) -> Option<Reason> {
        if !has_table && self.is_other_part(sequence) {
            return Some(Reason::OtherPart);
        }
        let outside = |(start, end): (u32, u32)| !(start..end).contains(&position);
        self.positions.is_some_and(outside).then_some(Reason::Position)
    }
}

impl RowSet {
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
        give_back();
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
            table.map(|table| TokenReasons::new(table, &filter, interrupt)).transpose()?;
        let tokens = reasons.as_ref().map(TokenReasons::lookup);
        let mut judge = Judge { store, columns, filter: &filter, tokens, rows: Rows::default() };
        let (mut bits, mut counts) = (PackedWriter::create()?, RowCounts::default());
        observer.begin("choosing rows", Some(store.manifest.rows), "rows");
        for group in store.groups() {
            interrupt.check()?;
            for reason in judge.group(group, interrupt)? {
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
        Ok(Self(Arc::new(Kept { filter, bits: bits.finish()?, counts })))
    }

    /// How many rows are used, and why the others are not.
    pub fn counts(&self) -> RowCounts {
        self.0.counts
    }

    /// What it was made with.
    pub fn filter(&self) -> &RowFilter {
        &self.0.filter
    }

    /// Hash of what decides it beside the store.
    pub(crate) fn sha256(&self) -> String {
        let text = serde_json::to_string(&self.0.filter).expect("numbers and names");
        sha256(text.as_bytes())
    }

    /// Which of the rows `range`, in the order on disk, are used.
    pub(crate) fn used(&self, range: Range<u64>) -> Result<UsedRows> {
        self.0.bits.read(range).map(UsedRows)
    }
}

impl UsedRows {
    /// Whether row `row`, which is one of them, is used.
    pub(crate) fn contains(&self, row: u64) -> bool {
        self.0.get(row) == 1
    }

    /// The rows that this tells of, used or not.
    pub(crate) fn range(&self) -> Range<u64> {
        self.0.range()
    }

    /// Those that are used, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.range().filter(|row| self.contains(*row))
    }
}

impl RowCounts {
    /// Counts a row that is left out for `reason`, or used.
    fn add(&mut self, reason: Option<Reason>) {
        let count = match reason {
            None => &mut self.kept,
            Some(Reason::OtherPart) => &mut self.other_part,
            Some(Reason::Position) => &mut self.positions,
            Some(Reason::Token) => &mut self.tokens,
            Some(Reason::Outside) => &mut self.outside,
            Some(Reason::Norm) => &mut self.norm,
            Some(Reason::NonFinite) => &mut self.non_finite,
        };
        *count += 1;
    }
}

/// Decides about the rows of one group after the other.
struct Judge<'a> {
    store: &'a Catalog,
    columns: &'a [HookPoint],
    filter: &'a RowFilter,
    /// Where the table matters.
    tokens: Option<TokenLookup<'a>>,
    rows: Rows,
}

impl Judge<'_> {
    /// For each row of `group` why it is left out, if it is.
    fn group(&mut self, group: RowRange, interrupt: &Interrupt) -> Result<Vec<Option<Reason>>> {
        let mut reasons = self.by_number(group)?;
        for column in self.columns {
            self.by_value(group, column, interrupt, &mut reasons)?;
        }
        Ok(reasons)
    }

    /// For each row of `group` why its sequence and position leave it out, if they do.
    fn by_number(&mut self, group: RowRange) -> Result<Vec<Option<Reason>>> {
        let (store, rows) = (self.store, group.rows as usize);
        if !store.has_sequences {
            return Ok(vec![None; rows]);
        }
        let (mut sequences, mut positions) = (vec![0; rows], vec![0; rows]);
        let shard = &store.shards[group.shard as usize];
        let index = group.index as usize;
        shard.read_tokens(index, group.range(), &mut sequences, &mut positions)?;
        let reason = |at| {
            let by_token = self.by_token(group, at)?;
            let by_numbers = self.filter.numbers(at, store.tokens.is_some());
            Ok(match by_token {
                Some(Reason::OtherPart) => by_token,
                _ => by_numbers.or(by_token),
            })
        };
        sequences.into_iter().zip(positions).map(reason).collect()
    }

    /// Why the token of a row of `group` leaves it out, if it does.
    fn by_token(&mut self, group: RowRange, at: (u32, u32)) -> Result<Option<Reason>> {
        let Some(tokens) = &mut self.tokens else { return Ok(None) };
        match tokens.find(at)? {
            Some(token) => tokens.reason(token),
            None => Err(self.unknown_token(group, at)),
        }
    }

    /// Puts into `reasons`, for each row of `group` that has none yet, why its values in `column` leave
    /// it out, if they do.
    fn by_value(
        &mut self,
        group: RowRange,
        column: &HookPoint,
        interrupt: &Interrupt,
        reasons: &mut [Option<Reason>],
    ) -> Result<()> {
        let RowFilter { max_norm, drop_non_finite, .. } = *self.filter;
        if max_norm.is_none() && !drop_non_finite {
            return Ok(());
        }
        let store = self.store;
        let selection = Selection::new(store, &[(column.clone(), 1.0)])?;
        self.rows.fill(store, &selection, &[group], interrupt)?;
        let info = &store.manifest.columns[store.column_index(column)?];
        let limit = max_norm.map_or(f64::INFINITY, |max_norm| max_norm * info.mean_norm);
        let mut batch = selection.batch(1);
        for (row, reason) in reasons.iter_mut().enumerate() {
            let values = batch.columns[0].row_mut(0);
            let is_finite = self.rows.load(row, &selection, 0, values);
            let squares = values.iter().map(|v| f64::from(*v).powi(2));
            let is_large = squares.sum::<f64>().sqrt() > limit;
            if !is_finite && !drop_non_finite {
                self.rows.copy(row, (store, &selection), 0, &mut batch)?; // which says where it is
            }
            let large = is_large.then_some(Reason::Norm);
            *reason = reason.or(if is_finite { large } else { Some(Reason::NonFinite) });
        }
        Ok(())
    }

    fn unknown_token(&self, group: RowRange, (sequence, position): (u32, u32)) -> Error {
        StreamError::UnknownToken {
            path: self.store.shards[group.shard as usize].path().to_owned(),
            row_group: group.index as usize,
            sequence,
            position,
        }
        .into()
    }
}
