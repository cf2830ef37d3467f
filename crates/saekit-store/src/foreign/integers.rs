//! Columns of whole numbers, which are the sequence or the position of rows.

use super::{Input, ReadOptions};
use crate::error::Result;

/// The type of a stored integer, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integer {
    I32,
    U32,
    I64,
    U64,
}

impl Integer {
    /// Bytes a number.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::I32 | Self::U32 => 4,
            Self::I64 | Self::U64 => 8,
        }
    }

    /// Writes the numbers that lie in `bytes` to `out`; the index and the value of the first that is
    /// too large or negative otherwise.
    fn narrow(self, bytes: &[u8], out: &mut [u32]) -> Result<(), (usize, String)> {
        match self {
            Self::U32 => bytemuck::cast_slice_mut(out).copy_from_slice(bytes),
            Self::I32 => narrow(bytes, out, i32::from_le_bytes)?,
            Self::I64 => narrow(bytes, out, i64::from_le_bytes)?,
            Self::U64 => narrow(bytes, out, u64::from_le_bytes)?,
        }
        Ok(())
    }

    /// [`narrow`](Self::narrow) of the numbers of `column` from `row` on.
    pub(super) fn deliver(
        self,
        input: &Input,
        column: &str,
        row: u64,
        bytes: &[u8],
        out: &mut [u32],
    ) -> Result<()> {
        self.narrow(bytes, out).map_err(|(at, value)| {
            let expected = format!("a number from 0 to {}", u32::MAX);
            input.irregular(column, row + at as u64, value, expected)
        })
    }
}

fn narrow<const N: usize, T>(
    bytes: &[u8],
    out: &mut [u32],
    read: impl Fn([u8; N]) -> T,
) -> Result<(), (usize, String)>
where
    T: Copy + ToString + TryInto<u32>,
{
    for (at, (bytes, out)) in bytes.as_chunks().0.iter().zip(out).enumerate() {
        let value = read(*bytes);
        let Ok(small) = value.try_into() else { return Err((at, value.to_string())) };
        *out = small;
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
