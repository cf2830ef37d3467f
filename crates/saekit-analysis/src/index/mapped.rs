//! Files of plain values, mapped a stretch at a time.
//!
//! Only what is in use is mapped, so resident memory is that of the stretches in hand. Each block is
//! compared with its checksum before it is used.

use std::fs::File;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

use bytemuck::AnyBitPattern;
use memmap2::{Mmap, MmapOptions};
use saekit_core::Error as CoreError;

use super::checked::Checksums;
use crate::{Error, Result};

/// A file that holds nothing but values of type `T` after a header.
#[derive(Debug)]
pub(crate) struct ValueFile<T> {
    file: File,
    path: PathBuf,
    header: u64,
    len: u64,
    checksums: Checksums,
    values: PhantomData<T>,
}

/// A stretch of a [`ValueFile`] in memory.
#[derive(Debug)]
pub(crate) struct Stretch<T> {
    map: Option<Mmap>,
    /// Which bytes of the map are its values.
    range: Range<usize>,
    values: PhantomData<T>,
}

/// Bytes of data of the file at `path`.
pub(crate) fn data_bytes(path: &Path) -> Result<u64> {
    let file = File::open(path).map_err(CoreError::io("open", path))?;
    Ok(Checksums::read(&file, path)?.len())
}

impl<T: AnyBitPattern> ValueFile<T> {
    /// Opens `path`, which has to hold `len` values after `header` bytes.
    pub(crate) fn open(path: &Path, header: u64, len: u64) -> Result<Self> {
        let file = File::open(path).map_err(CoreError::io("open", path))?;
        let checksums = Checksums::read(&file, path)?;
        let found = checksums.len();
        let expected = len.checked_mul(size_of::<T>() as u64).and_then(|n| n.checked_add(header));
        if expected != Some(found) {
            let (path, expected) = (path.to_owned(), expected.unwrap_or(u64::MAX));
            return Err(Error::Damaged { path, expected, found });
        }
        Ok(Self { file, path: path.to_owned(), header, len, checksums, values: PhantomData })
    }

    /// Number of values.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Values `start..end`.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn stretch(&self, start: u64, end: u64) -> Result<Stretch<T>> {
        assert!(start <= end && end <= self.len, "{start}..{end} of {} values", self.len);
        if start == end {
            return Ok(Stretch { map: None, range: 0..0, values: PhantomData });
        }
        let size = size_of::<T>() as u64;
        let (start, end) = (self.header + start * size, self.header + end * size);
        let (first, last) = self.checksums.around(start, end);
        let mut options = MmapOptions::new();
        options.offset(first).len((last - first) as usize);
        #[expect(unsafe_code, reason = "the system cannot promise that nobody changes the file")]
        // SAFETY: the map is read-only, the file was written whole by this program before it was
        // given its name, and the analysis' folder is locked while it is in use. Whoever cuts the
        // file short all the same gets a bus error, not another program's memory.
        let map = unsafe { options.map(&self.file) };
        let map = map.map_err(CoreError::io("map", &self.path))?;
        self.checksums.check(first, &map)?;
        let range = (start - first) as usize..(end - first) as usize;
        Ok(Stretch { map: Some(map), range, values: PhantomData })
    }
}

impl<T: AnyBitPattern> Deref for Stretch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // Headers and values are multiples of the alignment, and maps begin at a page.
        self.map.as_ref().map_or(&[], |map| bytemuck::cast_slice(&map[self.range.clone()]))
    }
}
