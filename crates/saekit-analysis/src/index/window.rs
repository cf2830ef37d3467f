use bytemuck::AnyBitPattern;

use super::mapped::{Stretch, ValueFile};
use crate::Result;

/// Values mapped at a time: 4 MiB of four bytes each.
const VALUES: u64 = 1 << 20;

/// Single values of a file, near ones quickly.
#[derive(Debug)]
pub(crate) struct Window<'a, T> {
    file: &'a ValueFile<T>,
    start: u64,
    stretch: Option<Stretch<T>>,
}

impl<'a, T: AnyBitPattern> Window<'a, T> {
    pub(crate) fn new(file: &'a ValueFile<T>) -> Self {
        Self { file, start: 0, stretch: None }
    }

    /// Value `i`; `None` past the end.
    pub(crate) fn get(&mut self, i: u64) -> Result<Option<T>> {
        Ok(self.from(i)?.first().copied())
    }

    /// The values from `i` on that are mapped with it: at least one, but for the end of the file.
    pub(crate) fn from(&mut self, i: u64) -> Result<&[T]> {
        if i >= self.file.len() {
            return Ok(&[]);
        }
        let start = i - i % VALUES;
        if self.stretch.is_none() || self.start != start {
            let end = (start + VALUES).min(self.file.len());
            (self.start, self.stretch) = (start, Some(self.file.stretch(start, end)?));
        }
        Ok(self.stretch.as_deref().map_or(&[], |stretch| &stretch[(i - start) as usize..]))
    }
}
