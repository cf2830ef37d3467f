//! The hybrid of repeated and bit-packed numbers that levels and dictionary indices are stored as.
//!
//! A run begins with a varint: twice the length of a repeated number, which follows in as few whole
//! bytes as it takes; or an odd number, half of which is how many groups of eight packed ones follow.

/// Why a run could not be read.
pub(super) const ENDS_EARLY: &str = "its runs end before its values do";

/// Numbers that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run<'a> {
    /// One number, `len` times.
    Same { value: u32, len: u64 },
    /// `len` numbers, packed.
    Packed { bytes: &'a [u8], len: u64 },
}

/// Goes through runs of numbers of `bits` bits until there were `left` of them.
#[derive(Clone, Debug)]
pub(super) struct Runs<'a> {
    bytes: &'a [u8],
    bits: u32,
    left: u64,
}

impl<'a> Runs<'a> {
    /// The `count` numbers of up to 32 bits in `bytes`.
    pub(super) fn new(bytes: &'a [u8], bits: u32, count: u64) -> Self {
        Self { bytes, bits, left: count }
    }

    /// The next run; `None` after the last number.
    pub(super) fn next(&mut self) -> Result<Option<Run<'a>>, &'static str> {
        while self.left > 0 {
            let head = self.varint()?;
            let run = if head & 1 == 0 { self.same(head >> 1)? } else { self.packed(head >> 1)? };
            if let Some(run) = run {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    fn same(&mut self, len: u64) -> Result<Option<Run<'a>>, &'static str> {
        let (bytes, rest) =
            self.bytes.split_at_checked(self.bits.div_ceil(8) as usize).ok_or(ENDS_EARLY)?;
        self.bytes = rest;
        let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        if self.bits < 32 && value >> self.bits != 0 {
            return Err("repeats a number that is too large");
        }
        let len = len.min(self.left);
        self.left -= len;
        Ok((len > 0).then_some(Run::Same { value, len }))
    }

    fn packed(&mut self, groups: u64) -> Result<Option<Run<'a>>, &'static str> {
        let len = groups.saturating_mul(8).min(self.left);
        // Some writers leave out what fills the last group.
        let needed = (len * u64::from(self.bits)).div_ceil(8);
        let all = groups.saturating_mul(u64::from(self.bits)).min(self.bytes.len() as u64);
        if needed > all {
            return Err(ENDS_EARLY);
        }
        let (bytes, rest) = self.bytes.split_at(all as usize);
        self.bytes = rest;
        self.left -= len;
        Ok((len > 0).then_some(Run::Packed { bytes, len }))
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = self.bytes.split_first().ok_or(ENDS_EARLY)?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err("it has a run without an end")
    }
}

/// The number at `index` of those of `bits` bits that are packed in `bytes`.
pub(super) fn unpack(bytes: &[u8], bits: u32, index: usize) -> u32 {
    let bit = index * bits as usize;
    let from = &bytes[(bit / 8).min(bytes.len())..];
    let mut word = [0; 8];
    match from.first_chunk() {
        Some(first) => word = *first,
        None => word[..from.len()].copy_from_slice(from),
    }
    let mask = (1_u64 << bits) - 1;
    (u64::from_le_bytes(word) >> (bit % 8) & mask) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn runs_of_both_kinds_are_read_in_turn() {
        // Three times 5, then one group of eight packed ones, of which two count.
        let bytes = [6, 5, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        let mut runs = Runs::new(&bytes, 3, 5);
        assert_eq!(runs.next(), Ok(Some(Run::Same { value: 5, len: 3 })));
        assert_eq!(runs.next(), Ok(Some(Run::Packed { bytes: &bytes[3..], len: 2 })));
        assert_eq!(runs.next(), Ok(None));
        assert_eq!(Runs::new(&bytes, 3, 12).clone().last(), Err(ENDS_EARLY));
    }

    impl Runs<'_> {
        fn last(mut self) -> Result<(), &'static str> {
            while self.next()?.is_some() {}
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            bits in 1_u32..=32,
            seeds in proptest::collection::vec(proptest::num::u32::ANY, 1..40),
        ) {
            let numbers: Vec<_> = seeds.iter().map(|seed| seed >> (32 - bits)).collect();
            let mut bytes = vec![0; (numbers.len() * bits as usize).div_ceil(8)];
            for (bit, set) in numbers
                .iter()
                .flat_map(|number| (0..bits).map(move |bit| number >> bit & 1))
                .enumerate()
            {
                bytes[bit / 8] |= (set as u8) << (bit % 8);
            }
            for (index, number) in numbers.iter().enumerate() {
                prop_assert_eq!(unpack(&bytes, bits, index), *number);
            }
        }
    }
}
