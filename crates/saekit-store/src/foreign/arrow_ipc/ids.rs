//! Columns of texts and bytes as numbers: equal where the texts are.

use std::ops::Range;

use super::super::Input;
use super::super::integers::number_of;
use super::super::raw_columns::Ids;
use super::batch::Batch;
use super::schema::{Field, Text};
use crate::error::Result;

/// Bytes of a view: its length, and the text itself or where it lies.
const VIEW: u64 = 16;
/// Texts of up to so many bytes lie in their view.
const IN_VIEW: usize = 12;

/// A column of texts.
#[derive(Debug)]
pub(super) struct Texts {
    input: Input,
    name: String,
    text: Text,
    blocks: Vec<Block>,
}

/// The texts of a record batch.
#[derive(Debug)]
struct Block {
    first_row: u64,
    rows: u64,
    /// After the bits of the nulls: offsets or views, and the buffers that they point into.
    buffers: Vec<[u64; 2]>,
}

impl Texts {
    /// The texts of `field` in `batches`, none of which may be null.
    pub(super) fn new(input: &Input, field: &Field, text: Text, batches: &[Batch]) -> Result<Self> {
        let block = |batch: &Batch| {
            let buffers = batch.texts(input, field, text)?;
            Ok(Block { first_row: batch.first_row(), rows: batch.rows, buffers })
        };
        let blocks = batches.iter().map(block).collect::<Result<_>>()?;
        Ok(Self { input: input.clone(), name: field.name.clone(), text, blocks })
    }

    /// Reads `len` bytes from `at` on of a buffer.
    fn bytes(&self, buffer: Option<&[u64; 2]>, at: u64, len: u64) -> Result<Vec<u8>> {
        let inside = |[_, all]: &&[u64; 2]| at.checked_add(len).is_some_and(|end| end <= *all);
        if let Some([start, _]) = buffer.filter(inside) {
            self.input.read(start + at, len)
        } else {
            let name = &self.name;
            Err(self.input.damaged(format!("a text of column `{name}` lies outside of its batch")))
        }
    }

    /// Numbers the texts `rows` of a block.
    fn number(&self, block: &Block, rows: &Range<u64>, out: &mut [u32]) -> Result<()> {
        let offset_bytes = match self.text {
            Text::Fixed(bytes) => return self.fixed(block, rows, bytes, out),
            Text::View => return self.views(block, rows, out),
            Text::Small => 4,
            Text::Large => 8,
        };
        let len = (rows.end - rows.start + 1) * offset_bytes;
        let offsets = self.bytes(block.buffers.first(), rows.start * offset_bytes, len)?;
        let offset = |bytes: &[u8]| {
            let mut number = [0; 8];
            number[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(number)
        };
        let offsets: Vec<_> = offsets.chunks_exact(offset_bytes as usize).map(offset).collect();
        let (first, last) = (offsets[0], offsets.last().copied().unwrap_or_default());
        let data = self.bytes(block.buffers.get(1), first, last.saturating_sub(first))?;
        for (pair, out) in offsets.windows(2).zip(out) {
            let (from, to) = (pair[0].wrapping_sub(first), pair[1].wrapping_sub(first));
            let text = data.get(from as usize..to as usize);
            let name = &self.name;
            *out = number_of(text.ok_or_else(|| {
                self.input.damaged(format!("the texts of column `{name}` do not ascend"))
            })?);
        }
        Ok(())
    }

    fn fixed(&self, block: &Block, rows: &Range<u64>, bytes: u64, out: &mut [u32]) -> Result<()> {
        let len = (rows.end - rows.start).saturating_mul(bytes);
        let data = self.bytes(block.buffers.first(), rows.start.saturating_mul(bytes), len)?;
        let values = data.chunks_exact((bytes as usize).max(1)).zip(out);
        values.for_each(|(value, out)| *out = number_of(value));
        Ok(())
    }

    fn views(&self, block: &Block, rows: &Range<u64>, out: &mut [u32]) -> Result<()> {
        let len = (rows.end - rows.start) * VIEW;
        let views = self.bytes(block.buffers.first(), rows.start * VIEW, len)?;
        for (view, out) in views.as_chunks::<16>().0.iter().zip(out) {
            let [len, _, buffer, offset] = bytemuck::cast::<_, [[u8; 4]; 4]>(*view);
            let [len, buffer, offset] = [len, buffer, offset].map(u32::from_le_bytes);
            *out = match view[4..].get(..len as usize) {
                Some(text) if len as usize <= IN_VIEW => number_of(text),
                _ => {
                    let buffer = block.buffers.get(1 + buffer as usize);
                    number_of(&self.bytes(buffer, u64::from(offset), u64::from(len))?)
                }
            };
        }
        Ok(())
    }
}

impl Texts {
    /// Copies the bytes of `rows`, which are all as many.
    pub(super) fn copy(&self, rows: &Range<u64>, out: &mut [u8]) -> Result<()> {
        let bytes = out.len() as u64 / (rows.end - rows.start).max(1);
        let mut out = out;
        for (block, rows) in self.parts(rows.clone()) {
            let len = (rows.end - rows.start) * bytes;
            let (target, rest) = out.split_at_mut(len as usize);
            target.copy_from_slice(&self.bytes(block.buffers.first(), rows.start * bytes, len)?);
            out = rest;
        }
        Ok(())
    }

    /// The parts of `rows` in each block, counted from its first row on.
    fn parts(&self, rows: Range<u64>) -> impl Iterator<Item = (&Block, Range<u64>)> {
        let first = self.blocks.partition_point(|block| block.first_row <= rows.start);
        self.blocks[first.saturating_sub(1)..].iter().map_while(move |block| {
            let part = rows.start.max(block.first_row)..rows.end.min(block.first_row + block.rows);
            let is_part = part.start < part.end;
            is_part.then(|| (block, part.start - block.first_row..part.end - block.first_row))
        })
    }
}

impl Ids for Texts {
    fn read(&self, rows: Range<u64>, out: &mut [u32]) -> Result<()> {
        let mut out = out;
        for (block, rows) in self.parts(rows) {
            let (target, rest) = out.split_at_mut((rows.end - rows.start) as usize);
            self.number(block, &rows, target)?;
            out = rest;
        }
        Ok(())
    }
}
