//! Columns of whole numbers, which are the sequence or the position of rows.

use super::{Input, ReadOptions};
use crate::error::{Error, Result};

/// The type of a stored integer, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integer {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
}

/// What a column of numbers is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An id, which only has to be equal to others or not.
    Id,
    /// A position, which counts from 0.
    Count,
    /// A token of a vocabulary.
    Token,
}

/// What the columns are for that [`named`] gives.
pub(super) const PLACES: [Meaning; 2] = [Meaning::Id, Meaning::Count];

impl Meaning {
    /// The types of columns that can be it, in words.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Id => "a column of whole numbers, texts or bytes, one per row",
            Self::Count | Self::Token => "a column of whole numbers, one per row",
        }
    }
}

impl Integer {
    /// One of `bits` bits, with a sign or without.
    pub(super) fn new(bits: i32, is_signed: bool) -> Option<Self> {
        match (bits, is_signed) {
            (8, true) => Some(Self::I8),
            (8, false) => Some(Self::U8),
            (16, true) => Some(Self::I16),
            (16, false) => Some(Self::U16),
            (32, true) => Some(Self::I32),
            (32, false) => Some(Self::U32),
            (64, true) => Some(Self::I64),
            (64, false) => Some(Self::U64),
            _ => None,
        }
    }

    /// Bytes per number.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 => 4,
            Self::I64 | Self::U64 => 8,
        }
    }

    /// Writes the numbers that lie in `bytes`, those of `column` from `row` on, to `out`. An id that
    /// is negative or too large becomes another number; a count is an error then.
    pub(super) fn deliver(
        self,
        input: &Input,
        (column, meaning): (&str, Meaning),
        row: u64,
        bytes: &[u8],
        out: &mut [u32],
    ) -> Result<()> {
        let narrowed = match self {
            Self::I8 => narrow(bytes, out, meaning, i8::from_le_bytes),
            Self::U8 => narrow(bytes, out, meaning, u8::from_le_bytes),
            Self::I16 => narrow(bytes, out, meaning, i16::from_le_bytes),
            Self::U16 => narrow(bytes, out, meaning, u16::from_le_bytes),
            Self::I32 => narrow(bytes, out, meaning, i32::from_le_bytes),
            Self::U32 => narrow(bytes, out, meaning, u32::from_le_bytes),
            Self::I64 => narrow(bytes, out, meaning, i64::from_le_bytes),
            Self::U64 => narrow(bytes, out, meaning, u64::from_le_bytes),
        };
        narrowed.map_err(|(at, value)| {
            let expected = format!("a number from 0 to {}", u32::MAX);
            input.irregular(column, row + at as u64, value, expected)
        })
    }
}

/// The number that stands for the id with these `bytes`: their CRC-32. Two documents may have the
/// same one, about one in four thousand millions of pairs, and then count as one.
pub(super) fn number_of(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The index and the value of the first count that is too large or negative, if there is one.
fn narrow<const N: usize, T>(
    bytes: &[u8],
    out: &mut [u32],
    meaning: Meaning,
    read: impl Fn([u8; N]) -> T,
) -> Result<(), (usize, String)>
where
    T: Copy + ToString + TryInto<u32>,
{
    for (at, (bytes, out)) in bytes.as_chunks().0.iter().zip(out).enumerate() {
        let value = read(*bytes);
        *out = match (value.try_into(), meaning) {
            (Ok(small), _) => small,
            (Err(_), Meaning::Id) => number_of(bytes),
            (Err(_), Meaning::Count | Meaning::Token) => return Err((at, value.to_string())),
        };
    }
    Ok(())
}

/// The columns of sequences and positions that `options` names. Fails where it names one of them,
/// or any for rows whose place is known already because they lie in contexts.
pub(super) fn named<'a>(
    input: &Input,
    options: &'a ReadOptions,
    in_contexts: bool,
) -> Result<Option<[&'a str; 2]>> {
    match (&options.document, &options.position) {
        (None, None) => Ok(None),
        (Some(_), _) | (_, Some(_)) if in_contexts => {
            let found = "vectors in contexts, whose shape says their sequence and position";
            Err(input.unsupported(found, "no columns for them"))
        }
        (Some(document), Some(position)) => Ok(Some([document, position])),
        (Some(_), None) | (None, Some(_)) => {
            let found = "a column for only one of sequence and position";
            Err(input.unsupported(found, "one for each of them, or none"))
        }
    }
}

/// The column of tokens where nothing is said: what SAELens and saekit call it.
const TOKENS: &str = "token_ids";

/// The column of the token of each row among `names`: the one that `options` names, which may be
/// missing, or the one with the usual name, if it is there.
pub(super) fn tokens<'a>(
    options: &'a ReadOptions,
    mut names: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    options.tokens.as_deref().or_else(|| names.find(|name| *name == TOKENS))
}

/// What a user should know of the column `name` that is called as tokens are, but cannot be them.
pub(super) fn no_tokens(name: &str, error: &Error) -> String {
    format!("its column `{name}` is not read as the token of each row: {error}")
}
