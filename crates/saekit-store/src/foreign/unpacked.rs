//! Compressed parts of a file, unpacked into a temporary file.
//!
//! Values are read from where they lie. Those of a compressed record batch lie in a temporary file
//! without a name, which goes with the last of its readers: so nothing else has to know of them.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use saekit_core::Error as CoreError;

use crate::error::Result;
use crate::storage::local_file::read_exact_at;

/// Bytes that are unpacked at a time.
const STEP: usize = 1 << 16;

/// What was unpacked so far.
#[derive(Debug)]
pub(super) struct Unpacked {
    file: File,
    bytes: AtomicU64,
}

impl Unpacked {
    /// Nothing yet.
    pub(super) fn new() -> Result<Self> {
        let file = tempfile::tempfile().map_err(write_error())?;
        Ok(Self { file, bytes: AtomicU64::new(0) })
    }

    /// How many bytes there are.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Appends what `packed` unpacks to, which should be `len` bytes: where they begin, or what is wrong
    /// in words. Takes no memory for them.
    pub(super) fn append(
        &self,
        mut packed: impl Read,
        len: u64,
    ) -> Result<std::result::Result<u64, String>> {
        let start = self.bytes();
        let (mut buffer, mut left) = (vec![0; STEP], len);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start)).map_err(write_error())?;
        while left > 0 {
            let part = &mut buffer[..left.min(STEP as u64) as usize];
            if let Err(error) = packed.read_exact(part) {
                return Ok(Err(error.to_string()));
            }
            file.write_all(part).map_err(write_error())?;
            left -= part.len() as u64;
        }
        match packed.read(&mut buffer[..1]) {
            Ok(0) => {}
            Ok(_) => return Ok(Err("it has more bytes than it says".to_owned())),
            Err(error) => return Ok(Err(error.to_string())),
        }
        self.bytes.store(start + len, Ordering::Release);
        Ok(Ok(start))
    }

    /// Fills `out` with the bytes from `offset` on.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        Ok(read_exact_at(&self.file, offset, out).map_err(write_error())?)
    }
}

fn write_error() -> impl FnOnce(std::io::Error) -> CoreError {
    CoreError::io("use", Path::new("a temporary file (see `TMPDIR`)"))
}
