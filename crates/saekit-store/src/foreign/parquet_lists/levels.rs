//! Repetition and definition levels: that every row is there and as wide as the others.
//!
//! The repetition level of a value says in which level of lists it goes on: 0 begins a row of the
//! file, and the largest level goes on in the innermost list. The definition level is the largest
//! one unless the value, or a list around it, is null or a list is empty.

use super::runs::{Run, Runs, unpack};

/// The nesting of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Largest repetition level: 0 without lists, 1 for a list per row, 2 for lists of lists.
    pub(super) lists: u32,
    /// Largest definition level.
    pub(super) nullable: u32,
    /// Vectors per row of the file; 1 where a row is a vector, 0 where rows have any number of them.
    pub(super) context: u64,
    /// Values in an innermost list; 1 without lists.
    pub(super) width: u64,
}

/// The first level that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Odd {
    /// Indices of the page's values.
    pub(super) at: u64,
    pub(super) level: u32,
}

/// Bits a level of up to `max` takes.
pub(super) fn bits(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

impl Shape {
    /// Values of a row of the file; of a vector where rows have any number of them.
    pub(super) fn period(&self) -> u64 {
        self.context.max(1) * self.width
    }

    /// Whether rows of the file have any number of vectors.
    pub(super) fn is_ragged(&self) -> bool {
        self.context == 0
    }

    /// The repetition level of value number `at`.
    pub(super) fn level(&self, at: u64) -> u32 {
        if at.is_multiple_of(self.period()) {
            0
        } else if at.is_multiple_of(self.width) {
            1
        } else {
            self.lists
        }
    }

    /// Compares the repetition levels of `count` values from number `first` on with what they
    /// should be.
    pub(super) fn check_repetition(
        &self,
        bytes: &[u8],
        first: u64,
        count: u64,
    ) -> Result<Option<Odd>, &'static str> {
        if self.is_ragged() {
            return self.count_contexts(bytes, (first, count), None);
        }
        let bits = bits(self.lists);
        let mut runs = Runs::new(bytes, bits, count);
        let mut at = first;
        while let Some(run) = runs.next()? {
            let (odd, len) = match run {
                Run::Same { value, len } => (self.odd_in_same(value, at, len), len),
                Run::Packed { bytes, len } => (self.odd_in_packed(bytes, at, len), len),
            };
            if let Some((at, level)) = odd {
                return Ok(Some(Odd { at: at - first, level }));
            }
            at += len;
        }
        Ok(None)
    }

    /// The first of the values at `at` and after it that should not have level `level`.
    fn odd_in_same(&self, level: u32, at: u64, len: u64) -> Option<(u64, u32)> {
        let end = at + len;
        let mut at = at;
        while at < end {
            if self.level(at) != level {
                return Some((at, level));
            }
            // Within a list they are all the same.
            let done = at % self.width;
            at += if done == 0 { 1 } else { self.width - done };
        }
        None
    }

    fn odd_in_packed(&self, bytes: &[u8], at: u64, len: u64) -> Option<(u64, u32)> {
        let bits = bits(self.lists);
        let inner = Inner::new(self.lists, bits);
        let mut done = 0;
        while done < len {
            let place = (at + done) % self.width;
            let group = (done / 8) as usize * bits as usize;
            let eight = done.is_multiple_of(8) && done + 8 <= len && place != 0;
            if eight && place + 8 <= self.width && inner.is_all_of(&bytes[group..]) {
                done += 8;
                continue;
            }
            let level = unpack(bytes, bits, done as usize);
            if level != self.level(at + done) {
                return Some((at + done, level));
            }
            done += 1;
        }
        None
    }

    /// Looks for a definition level among those of `count` values that is not the largest.
    pub(super) fn check_definition(
        &self,
        bytes: &[u8],
        count: u64,
    ) -> Result<Option<Odd>, &'static str> {
        let bits = bits(self.nullable);
        let inner = Inner::new(self.nullable, bits);
        let mut runs = Runs::new(bytes, bits, count);
        let mut at = 0;
        while let Some(run) = runs.next()? {
            match run {
                Run::Same { value, .. } if value != self.nullable => {
                    return Ok(Some(Odd { at, level: value }));
                }
                Run::Same { len, .. } => at += len,
                Run::Packed { bytes, len } => {
                    if let Some((odd, level)) = inner.first_other(bytes, len) {
                        return Ok(Some(Odd { at: at + odd, level }));
                    }
                    at += len;
                }
            }
        }
        Ok(None)
    }
}

/// Eight packed numbers that are all the same.
struct Inner {
    value: u32,
    bits: u32,
    pattern: [u8; 4],
}

impl Inner {
    fn new(value: u32, bits: u32) -> Self {
        let packed = (0..8).fold(0_u64, |packed, _| packed << bits | u64::from(value));
        let [a, b, c, d, ..] = packed.to_le_bytes();
        Self { value, bits, pattern: [a, b, c, d] }
    }

    fn is_all_of(&self, bytes: &[u8]) -> bool {
        let bits = self.bits as usize;
        bytes.get(..bits).is_some_and(|bytes| *bytes == self.pattern[..bits])
    }

    /// Index and value of the first of `len` packed numbers that is another.
    fn first_other(&self, bytes: &[u8], len: u64) -> Option<(u64, u32)> {
        let groups = bytes.chunks_exact(self.bits as usize).take((len / 8) as usize);
        let same = groups.take_while(|group| **group == self.pattern[..self.bits as usize]).count();
        let numbers = (same as u64 * 8..len).map(|at| (at, unpack(bytes, self.bits, at as usize)));
        let mut numbers = numbers.filter(|(_, number)| *number != self.value);
        numbers.next()
    }
}

/// Finds how long the first lists are, from the repetition levels of the first values on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Measure {
    values: u64,
    width: Option<u64>,
    period: Option<u64>,
}

impl Measure {
    /// Goes on with the levels of the next `count` values, of which the largest is `lists`.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        lists: u32,
        count: u64,
    ) -> Result<(), &'static str> {
        let mut runs = Runs::new(bytes, bits(lists), count);
        while let Some(run) = runs.next()? {
            if self.period.is_some() {
                return Ok(());
            }
            match run {
                Run::Same { value, len } => {
                    self.step(value, lists);
                    // A row that ends at its first value is all there is to find out.
                    if value == 0 && len > 1 {
                        self.step(value, lists);
                    }
                    self.values += len - 1;
                }
                Run::Packed { bytes, len } => {
                    for at in 0..len as usize {
                        self.step(unpack(bytes, bits(lists), at), lists);
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, level: u32, lists: u32) {
        if self.values > 0 && level < lists {
            self.width.get_or_insert(self.values);
        }
        if self.values > 0 && level == 0 {
            self.period.get_or_insert(self.values);
        }
        self.values += 1;
    }

    /// Whether there is nothing more to find out.
    pub(super) fn is_done(&self) -> bool {
        self.period.is_some()
    }

    /// Lists a row and values a list, after all values or where nothing more is to be found out.
    pub(super) fn finish(self) -> [u64; 2] {
        let period = self.period.unwrap_or(self.values).max(1);
        let width = self.width.unwrap_or(period);
        [(period / width).max(1), width]
    }
}
