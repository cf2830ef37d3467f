//! Small numbers, one per row or token of a store, in an unnamed temporary file. In memory they would
//! grow with the store; mapped pages would count in the process's peak memory, which is promised to
//! stay bounded.

use std::env::temp_dir;
use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Write as _};
use std::ops::Range;

use saekit_core::Error as CoreError;

use crate::error::Result;
use crate::storage::local_file::read_exact_at;

/// Bytes that a [`Cached`] reads at once.
const BLOCK_BYTES: u64 = 4096;
/// Blocks that a [`Cached`] keeps: 1 MiB, which the tokens of a shard of a gigabyte and width 192 fit.
const BLOCKS: usize = 256;

/// Numbers of `BITS` bits each; 1, 2, 4 or 8. Their file lies in the folder for temporary files and
/// goes with them, however the process ends.
#[derive(Debug)]
pub(crate) struct Packed<const BITS: u64> {
    file: File,
    len: u64,
}

/// Writes a [`Packed`], one number after the other.
#[derive(Debug)]
pub(crate) struct PackedWriter<const BITS: u64> {
    out: BufWriter<File>,
    len: u64,
    /// Bits that do not fill a byte yet.
    begun: u8,
}

/// Numbers of a [`Packed`] that follow each other.
#[derive(Debug)]
pub(crate) struct Run<const BITS: u64> {
    range: Range<u64>,
    /// From the byte on that holds the first.
    bytes: Vec<u8>,
}

/// Reads a [`Packed`] at any place; what it read last is in memory.
#[derive(Debug)]
pub(crate) struct Cached<'a, const BITS: u64> {
    packed: &'a Packed<BITS>,
    /// Each block has one place here, which it shares with others.
    blocks: Vec<Option<Run<BITS>>>,
}

impl<const BITS: u64> PackedWriter<BITS> {
    /// An empty file.
    pub(crate) fn create() -> Result<Self> {
        let file = tempfile::tempfile().map_err(failed("write in"))?;
        Ok(Self { out: BufWriter::new(file), len: 0, begun: 0 })
    }

    /// Count of numbers.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Appends `number`, which has no more than `BITS` bits.
    pub(crate) fn push(&mut self, number: u8) -> Result<()> {
        let bit = self.len * BITS % 8;
        self.begun |= number << bit;
        self.len += 1;
        if bit + BITS == 8 {
            self.write_begun()?;
        }
        Ok(())
    }

    /// The numbers.
    pub(crate) fn finish(mut self) -> Result<Packed<BITS>> {
        if !(self.len * BITS).is_multiple_of(8) {
            self.write_begun()?;
        }
        let written = self.out.into_inner().map_err(IntoInnerError::into_error);
        let file = written.map_err(failed("write in"))?;
        Ok(Packed { file, len: self.len })
    }

    fn write_begun(&mut self) -> Result<()> {
        let byte = std::mem::take(&mut self.begun);
        Ok(self.out.write_all(&[byte]).map_err(failed("write in"))?)
    }
}

impl<const BITS: u64> Packed<BITS> {
    /// Count of numbers.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads entries `range`, which must lie in bounds.
    pub(crate) fn read(&self, range: Range<u64>) -> Result<Run<BITS>> {
        let (first, end) = (range.start * BITS / 8, (range.end * BITS).div_ceil(8));
        let mut bytes = vec![0; (end - first) as usize];
        read_exact_at(&self.file, first, &mut bytes).map_err(failed("read in"))?;
        Ok(Run { range, bytes })
    }

    /// For reading at any place.
    pub(crate) fn cached(&self) -> Cached<'_, BITS> {
        Cached { packed: self, blocks: (0..BLOCKS).map(|_| None).collect() }
    }
}

impl<const BITS: u64> Run<BITS> {
    /// The indices of the numbers.
    pub(crate) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Number `index`, counted over all.
    pub(crate) fn get(&self, index: u64) -> u8 {
        let bit = index * BITS;
        let byte = self.bytes[(bit / 8 - self.range.start * BITS / 8) as usize];
        byte >> (bit % 8) & u8::MAX >> (8 - BITS)
    }
}

impl<const BITS: u64> Cached<'_, BITS> {
    /// Number `index`, which there is.
    pub(crate) fn get(&mut self, index: u64) -> Result<u8> {
        Ok(self.block(index)?.get(index))
    }

    /// The block that number `index` is in.
    fn block(&mut self, index: u64) -> Result<&Run<BITS>> {
        let in_block = BLOCK_BYTES * 8 / BITS;
        let first = index / in_block * in_block;
        let end = self.packed.len.min(first + in_block);
        let place = &mut self.blocks[(index / in_block) as usize % BLOCKS];
        let kept = place.take().filter(|run| run.range.contains(&index));
        let run = kept.map_or_else(|| self.packed.read(first..end), Ok)?;
        Ok(place.insert(run))
    }
}

impl Cached<'_, 8> {
    /// The word of eight numbers whose first is number `8 * index`, the lowest byte first.
    pub(crate) fn word(&mut self, index: u64) -> Result<u64> {
        let run = self.block(8 * index)?;
        let first = (8 * index - run.range.start) as usize;
        let bytes = run.bytes[first..first + 8].try_into();
        Ok(u64::from_le_bytes(bytes.expect("a word has eight bytes, and a block whole words")))
    }
}

/// The error of the folder for temporary files.
fn failed(action: &'static str) -> impl FnOnce(io::Error) -> CoreError {
    move |error| {
        let remedy =
            "it holds which rows are used; free space there or name another folder with TMPDIR";
        CoreError::io(action, &temp_dir())(io::Error::other(format!("{error}; {remedy}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const BITS: u64>(len: u64) {
        let number = |index: u64| ((index * index + index / 7) % (1 << BITS)) as u8;
        let mut writer = PackedWriter::<BITS>::create().unwrap();
        (0..len).for_each(|index| writer.push(number(index)).unwrap());
        assert_eq!(writer.len(), len);
        let packed = writer.finish().unwrap();
        assert_eq!(packed.len(), len);
        let mut cached = packed.cached();
        // Blocks that share their place come in turn.
        for index in (0..len).step_by(61).chain((0..len).rev().step_by(97)) {
            assert_eq!(cached.get(index).unwrap(), number(index), "{index} of {len}, {BITS} bits");
        }
        for range in [0..len, len / 3..len / 2, len..len] {
            let run = packed.read(range.clone()).unwrap();
            assert!(range.clone().all(|index| run.get(index) == number(index)), "{range:?}");
            assert_eq!(run.range(), range);
        }
    }

    #[test]
    fn words_are_eight_bytes() {
        let words: Vec<u64> =
            (0..2000).map(|i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let mut writer = PackedWriter::<8>::create().unwrap();
        for byte in words.iter().flat_map(|word| word.to_le_bytes()) {
            writer.push(byte).unwrap();
        }
        let packed = writer.finish().unwrap();
        let mut cached = packed.cached();
        for (index, word) in words.iter().enumerate().rev() {
            assert_eq!(cached.word(index as u64).unwrap(), *word);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 7, 8, 9, 40_003] {
            check::<1>(len);
            check::<2>(len);
            check::<8>(len);
        }
        check::<8>(BLOCK_BYTES * (BLOCKS as u64 + 3) + 5);
    }
}
