//! The tokens of a store's table that a filter excludes.

use saekit_core::{Interrupt, TokenizedSequence};

use crate::error::Result;
use crate::select::filter::{Exclusion, RowFilter};
use crate::select::packed_file::{Cached, Packed, PackedWriter};
use crate::tokens::Tokens;

/// The reasons to exclude a token. A token is stored as the reason's index plus 1, or 0 if it is used.
const EXCLUSIONS: [Exclusion; 3] = [Exclusion::OtherPart, Exclusion::Token, Exclusion::Outside];

/// For each token of a table why it is excluded, if it is.
#[derive(Debug)]
pub(crate) struct TokenExclusions {
    /// For each sequence the number of its first token, then the number of all: words.
    starts: Packed<8>,
    /// A number for each token.
    numbers: Packed<2>,
}

/// Looks tokens up.
#[derive(Debug)]
pub(crate) struct TokenLookup<'a> {
    starts: Cached<'a, 8>,
    numbers: Cached<'a, 2>,
    sequences: u64,
}

impl TokenExclusions {
    /// Reads `table`.
    pub(crate) fn new(table: &Tokens, filter: &RowFilter, interrupt: &Interrupt) -> Result<Self> {
        let (mut starts, mut numbers) = (PackedWriter::create()?, PackedWriter::create()?);
        let push_start = |starts: &mut PackedWriter<8>, start: u64| {
            start.to_le_bytes().into_iter().try_for_each(|byte| starts.push(byte))
        };
        push_start(&mut starts, 0)?;
        for group in table.groups() {
            interrupt.check()?;
            for sequence in table.read(group)? {
                push(&mut numbers, &sequence, filter)?;
                push_start(&mut starts, numbers.len())?;
            }
        }
        Ok(Self { starts: starts.finish()?, numbers: numbers.finish()? })
    }

    /// For looking tokens up.
    pub(crate) fn lookup(&self) -> TokenLookup<'_> {
        let sequences = self.starts.len() / 8 - 1;
        TokenLookup { starts: self.starts.cached(), numbers: self.numbers.cached(), sequences }
    }
}

/// Appends a number for each token of `sequence`.
fn push(
    numbers: &mut PackedWriter<2>,
    sequence: &TokenizedSequence,
    filter: &RowFilter,
) -> Result<()> {
    let inside = filter.between.as_ref().map(|between| between.inside(&sequence.ids));
    for position in 0..sequence.ids.len() {
        let is_inside = inside.as_ref().is_none_or(|inside| inside[position]);
        let outside = (!is_inside).then_some(Exclusion::Outside);
        let reason = filter.token(sequence, position).or(outside);
        let number = EXCLUSIONS.iter().position(|other| Some(*other) == reason);
        numbers.push(number.map_or(0, |number| number as u8 + 1))?;
    }
    Ok(())
}

impl TokenLookup<'_> {
    /// The number of the token at a position of a sequence; `None` where the table has no such token.
    pub(crate) fn find(&mut self, (sequence, position): (u32, u32)) -> Result<Option<u64>> {
        let sequence = u64::from(sequence);
        if sequence >= self.sequences {
            return Ok(None);
        }
        let token = self.starts.word(sequence)? + u64::from(position);
        let end = self.starts.word(sequence + 1)?;
        Ok((token < end).then_some(token))
    }

    /// The reason why token number `token` is excluded, if it is.
    pub(crate) fn reason(&mut self, token: u64) -> Result<Option<Exclusion>> {
        let number = usize::from(self.numbers.get(token)?);
        Ok(number.checked_sub(1).map(|index| EXCLUSIONS[index]))
    }
}
