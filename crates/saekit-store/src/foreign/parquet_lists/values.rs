//! The values of a page, in each of the encodings that are read.

use std::ops::Range;

use super::super::integers::number_of;
use super::super::raw_columns::round;
use super::runs::{Run, Runs, unpack};

/// Indices are unpacked as many at a time.
const BLOCK: usize = 1024;

/// The type of a value in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Bytes in the file; 0 for texts, each of which begins with its length.
    pub(super) stored: usize,
    pub(super) form: Form,
    /// Whether it is a whole number, of 4 or 8 bytes.
    pub(super) is_integer: bool,
}

/// How a value is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is stored.
    Same,
    /// A double as a single.
    Single,
    /// A whole number as so many of its lower bytes: parquet has no type of fewer than four.
    Low(usize),
    /// An id of any bytes as a number of four bytes.
    Id,
}

/// The encoding of the values of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    /// As indices of entries of a dictionary.
    Dictionary,
    /// The first bytes of all values, then the second ones, and so on.
    Split,
    /// As differences, for whole numbers only.
    Delta,
}

impl Encoding {
    /// The encodings to use instead, in words.
    pub(super) const EXPECTED: &'static str = "PLAIN, RLE_DICTIONARY or BYTE_STREAM_SPLIT";

    /// The encoding that has the number `code` in headers.
    pub(super) fn new(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Plain),
            2 | 8 => Some(Self::Dictionary),
            5 => Some(Self::Delta),
            9 => Some(Self::Split),
            _ => None,
        }
    }
}

/// The stored values of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub(super) encoding: Encoding,
    pub(super) bytes: &'a [u8],
    pub(super) count: u64,
    /// The entries of the dictionary, as they are delivered.
    pub(super) dictionary: Option<&'a [u8]>,
}

impl Item {
    /// Bytes of a value as it is delivered.
    pub(super) fn delivered(self) -> usize {
        match self.form {
            Form::Same => self.stored,
            Form::Low(bytes) => bytes,
            Form::Single | Form::Id => 4,
        }
    }

    /// Writes values that lie as they are stored to `out`, which has as many.
    pub(super) fn deliver(self, stored: &[u8], out: &mut [u8]) {
        match self.form {
            Form::Same => out.copy_from_slice(stored),
            Form::Single => round(stored, out),
            Form::Low(bytes) => {
                let values = stored.chunks_exact(self.stored).zip(out.chunks_exact_mut(bytes));
                values.for_each(|(value, out)| out.copy_from_slice(&value[..bytes]));
            }
            Form::Id => {
                let values = stored.chunks_exact(self.stored).zip(out.as_chunks_mut().0);
                values.for_each(|(value, out)| *out = number_of(value).to_le_bytes());
            }
        }
    }

    /// Writes the numbers of `count` texts, each with its length before it, of which those in `range`
    /// are wanted.
    pub(super) fn deliver_texts(
        bytes: &[u8],
        range: Range<u64>,
        out: &mut [u8],
    ) -> Result<(), &'static str> {
        let (mut bytes, mut out) = (bytes, out.as_chunks_mut().0.iter_mut());
        for index in 0..range.end {
            let (len, rest) = bytes.split_first_chunk().ok_or(SHORT)?;
            let len = u32::from_le_bytes(*len) as usize;
            let (text, rest) = rest.split_at_checked(len).ok_or(SHORT)?;
            bytes = rest;
            if index >= range.start
                && let Some(out) = out.next()
            {
                *out = number_of(text).to_le_bytes();
            }
        }
        Ok(())
    }

    /// Writes the values in `range` to `out`, which has as many; what is wrong otherwise.
    pub(super) fn decode(
        self,
        values: &Values<'_>,
        range: Range<u64>,
        out: &mut [u8],
    ) -> Result<(), &'static str> {
        if values.encoding == Encoding::Dictionary {
            let dictionary = values.dictionary.ok_or("has no dictionary")?;
            return self.look_up(values, dictionary, range, out);
        }
        if values.encoding == Encoding::Delta {
            return super::delta::decode(values.bytes, values.count, range, out);
        }
        if self.stored == 0 {
            return Self::deliver_texts(values.bytes, range, out);
        }
        let expected = (values.count as usize).checked_mul(self.stored);
        if Some(values.bytes.len()) != expected {
            return Err("is not as long as its values");
        }
        let (from, to) = (range.start as usize, range.end as usize);
        if values.encoding == Encoding::Plain {
            self.deliver(&values.bytes[from * self.stored..to * self.stored], out);
        } else if self.form == Form::Same {
            join(values.bytes, self.stored, from, out);
        } else {
            let mut joined = vec![0; (to - from) * self.stored];
            join(values.bytes, self.stored, from, &mut joined);
            self.deliver(&joined, out);
        }
        Ok(())
    }

    fn look_up(
        self,
        values: &Values<'_>,
        dictionary: &[u8],
        range: Range<u64>,
        out: &mut [u8],
    ) -> Result<(), &'static str> {
        let Some((bits, bytes)) = values.bytes.split_first() else {
            return if range.is_empty() { Ok(()) } else { Err("is not as long as its values") };
        };
        if *bits > 32 {
            return Err("has indices of more than 32 bits");
        }
        let runs = Runs::new(bytes, u32::from(*bits), values.count);
        let indices = Indices { runs, bits: u32::from(*bits), range };
        match self.delivered() {
            2 => gather::<2>(indices, dictionary, out),
            4 => gather::<4>(indices, dictionary, out),
            8 => gather::<8>(indices, dictionary, out),
            size => gather_any(indices, dictionary, out, size),
        }
    }
}

const SHORT: &str = "ends before its texts do";

/// Brings the bytes of values together, of which those from number `from` on fill `out`.
fn join(bytes: &[u8], size: usize, from: usize, out: &mut [u8]) {
    let (count, wanted) = (bytes.len() / size, out.len() / size);
    for place in 0..size {
        let stream = &bytes[place * count + from..][..wanted];
        for (out, byte) in out[place..].iter_mut().step_by(size).zip(stream) {
            *out = *byte;
        }
    }
}

/// The indices in a part of a page.
struct Indices<'a> {
    runs: Runs<'a>,
    bits: u32,
    range: Range<u64>,
}

impl Indices<'_> {
    /// Calls `take` with each stretch of indices: one that is repeated, or up to a block of others.
    fn each(
        mut self,
        mut take: impl FnMut(&[u32], usize) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        let (mut at, mut block) = (0, [0; BLOCK]);
        while at < self.range.end {
            let Some(run) = self.runs.next()? else { return Ok(()) };
            let (Run::Same { len, .. } | Run::Packed { len, .. }) = run;
            let from = self.range.start.clamp(at, at + len) - at;
            let to = self.range.end.clamp(at, at + len) - at;
            at += len;
            match run {
                Run::Same { .. } if from == to => {}
                Run::Same { value, .. } => take(&[value], (to - from) as usize)?,
                Run::Packed { bytes, .. } => {
                    for start in (from as usize..to as usize).step_by(BLOCK) {
                        let block = &mut block[..(to as usize - start).min(BLOCK)];
                        unpack_block(bytes, self.bits, start, block);
                        take(block, 1)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Unpacks numbers from number `start` on until `out` is full.
fn unpack_block(bytes: &[u8], bits: u32, start: usize, out: &mut [u32]) {
    if bits == 16 {
        for (out, pair) in out.iter_mut().zip(bytes.as_chunks().0.iter().skip(start)) {
            *out = u32::from(u16::from_le_bytes(*pair));
        }
        return;
    }
    for (index, out) in (start..).zip(out) {
        *out = unpack(bytes, bits, index);
    }
}

const BEYOND: &str = "points to an entry that its dictionary does not have";

fn gather<const N: usize>(
    indices: Indices<'_>,
    dictionary: &[u8],
    out: &mut [u8],
) -> Result<(), &'static str> {
    let entries = dictionary.as_chunks::<N>().0;
    let mut out = out.as_chunks_mut::<N>().0;
    indices.each(|block, times| {
        let (target, rest) = std::mem::take(&mut out).split_at_mut(block.len() * times);
        out = rest;
        if let ([index], true) = (block, times > 1) {
            target.fill(*entries.get(*index as usize).ok_or(BEYOND)?);
            return Ok(());
        }
        for (target, index) in target.iter_mut().zip(block) {
            *target = *entries.get(*index as usize).ok_or(BEYOND)?;
        }
        Ok(())
    })
}

fn gather_any(
    indices: Indices<'_>,
    dictionary: &[u8],
    out: &mut [u8],
    size: usize,
) -> Result<(), &'static str> {
    let mut out = out.chunks_exact_mut(size);
    indices.each(|block, times| {
        for index in block.iter().flat_map(|index| std::iter::repeat_n(*index as usize, times)) {
            let entry = dictionary.chunks_exact(size).nth(index).ok_or(BEYOND)?;
            if let Some(out) = out.next() {
                out.copy_from_slice(entry);
            }
        }
        Ok(())
    })
}
