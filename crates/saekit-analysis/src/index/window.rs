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
        if i >= self.file.len() {
            return Ok(None);
        }
        let start = i - i % VALUES;
        let stretch = match self.stretch.take() {
            Some(stretch) if self.start == start => stretch,
            _ => self.file.stretch(start, (start + VALUES).min(self.file.len()))?,
        };
        let value = stretch[(i - start) as usize];
        (self.start, self.stretch) = (start, Some(stretch));
        Ok(Some(value))
    }
}
