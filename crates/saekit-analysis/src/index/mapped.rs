//! Files of plain values, mapped a stretch at a time.
//!
//! Only what is in use is mapped, so resident memory is that of the stretches in hand.

use std::fs::File;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use bytemuck::AnyBitPattern;
use memmap2::{Mmap, MmapOptions};
use saekit_core::Error as CoreError;

use crate::{Error, Result};

/// A file that holds nothing but values of type `T` after a header.
#[derive(Debug)]
pub(crate) struct ValueFile<T> {
    file: File,
    path: PathBuf,
    header: u64,
    len: u64,
    values: PhantomData<T>,
}

/// A stretch of a [`ValueFile`] in memory.
#[derive(Debug)]
pub(crate) struct Stretch<T> {
    map: Option<Mmap>,
    values: PhantomData<T>,
}

impl<T: AnyBitPattern> ValueFile<T> {
    /// Opens `path`, which has to hold `len` values after `header` bytes.
    pub(crate) fn open(path: &Path, header: u64, len: u64) -> Result<Self> {
        let file = File::open(path).map_err(CoreError::io("open", path))?;
        let found = file.metadata().map_err(CoreError::io("read", path))?.len();
        let expected = header + len * size_of::<T>() as u64;
        if found != expected {
            return Err(Error::Damaged { path: path.to_owned(), expected, found });
        }
        Ok(Self { file, path: path.to_owned(), header, len, values: PhantomData })
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
            return Ok(Stretch { map: None, values: PhantomData });
        }
        let size = size_of::<T>() as u64;
        let mut options = MmapOptions::new();
        options.offset(self.header + start * size).len(((end - start) * size) as usize);
        #[expect(unsafe_code, reason = "the system cannot promise that nobody changes the file")]
        // SAFETY: the map is read-only, the file was written whole by this program before it was
        // given its name, and the analysis' folder is locked while it is in use. Whoever cuts the
        // file short all the same gets a bus error, not another program's memory.
        let map = unsafe { options.map(&self.file) };
        let map = map.map_err(CoreError::io("map", &self.path))?;
        Ok(Stretch { map: Some(map), values: PhantomData })
    }
}

impl<T: AnyBitPattern> Deref for Stretch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // Headers and values are multiples of the alignment, and maps begin at a page.
        self.map.as_ref().map_or(&[], |map| bytemuck::cast_slice(map))
    }
}
