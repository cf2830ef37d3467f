//! Whole numbers stored as differences, which some writers prefer for them.
//!
//! A page begins with varints: the size of a block, its number of smaller blocks, the number of
//! values, and the first of them. Each block has the least of its differences, a byte with the bits
//! of each smaller block, and what the differences are above the least one, packed.

use std::ops::Range;

const ENDS_EARLY: &str = "ends before its values do";
const BROKEN: &str = "has differences that are not as they should be";

/// Writes the values in `range` of `count` to `out`, which has `out.len() / range.len()` bytes for
/// each; what is wrong otherwise.
pub(super) fn decode(
    bytes: &[u8],
    count: u64,
    range: Range<u64>,
    out: &mut [u8],
) -> Result<(), &'static str> {
    let mut bytes = bytes;
    let block = varint(&mut bytes)?;
    let blocks = varint(&mut bytes)?;
    let len = block.checked_div(blocks).filter(|len| *len > 0 && len.is_multiple_of(8));
    let len = len.filter(|_| block <= 1 << 20).ok_or(BROKEN)?;
    if varint(&mut bytes)? != count {
        return Err("has another number of differences than values");
    }
    let size = out.len() / (range.end - range.start).max(1) as usize;
    let first = zigzag(varint(&mut bytes)?);
    let mut values = Values { at: 0, value: first, range, out, size };
    values.put();
    while values.at < count {
        let least = zigzag(varint(&mut bytes)?);
        let bits = take(&mut bytes, blocks as usize)?;
        for bits in bits {
            if values.at >= count {
                break; // the last block may lack what is not needed
            }
            if *bits > 64 {
                return Err(BROKEN);
            }
            let packed = take(&mut bytes, (len / 8 * u64::from(*bits)) as usize)?;
            for index in 0..len.min(count - values.at) {
                let above = unpack(packed, usize::from(*bits), index as usize);
                values.value = values.value.wrapping_add(least).wrapping_add(above.cast_signed());
                values.put();
            }
        }
    }
    Ok(())
}

/// The values so far.
struct Values<'a> {
    at: u64,
    value: i64,
    range: Range<u64>,
    out: &'a mut [u8],
    size: usize,
}

impl Values<'_> {
    /// Writes the value if it is wanted.
    fn put(&mut self) {
        if self.range.contains(&self.at) {
            let from = (self.at - self.range.start) as usize * self.size;
            let bytes = self.value.to_le_bytes();
            self.out[from..from + self.size].copy_from_slice(&bytes[..self.size]);
        }
        self.at += 1;
    }
}

/// The number at `index` of those of `bits` bits that are packed in `bytes`.
fn unpack(bytes: &[u8], bits: usize, index: usize) -> u64 {
    let bit = index * bits;
    let from = &bytes[bit / 8..];
    let mut word = [0; 16];
    let len = from.len().min(16);
    word[..len].copy_from_slice(&from[..len]);
    let mask = (1_u128 << bits) - 1;
    (u128::from_le_bytes(word) >> (bit % 8) & mask) as u64
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(BROKEN)
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], &'static str> {
    let (taken, rest) = bytes.split_at_checked(len).ok_or(ENDS_EARLY)?;
    *bytes = rest;
    Ok(taken)
}
