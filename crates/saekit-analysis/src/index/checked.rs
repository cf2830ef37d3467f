//! Files with a checksum for each block, so that a changed bit is found before it is used.
//!
//! A file is its data, then the CRC-32 of each block of the data, then the CRC-32 of those. Numbers are
//! little-endian. Blocks are small, so that looking at a part costs little more than the part.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use saekit_core::Error as CoreError;
use saekit_core::files::write_atomic;

use crate::{Error, Result};

/// Bytes of a block.
pub(super) const BLOCK: u64 = 1 << 16;
/// Bytes of a checksum.
const CRC: u64 = 4;

/// Writes data, block by block with its checksums.
pub(crate) struct CheckedWriter<'a> {
    out: &'a mut BufWriter<File>,
    hasher: crc32fast::Hasher,
    /// Bytes of the block that was begun.
    begun: u64,
    checksums: Vec<u8>,
}

/// Writes the file `path` whole or not at all, with the data that `fill` writes and its checksums.
pub(crate) fn write_checked(
    path: &Path,
    fill: impl FnOnce(&mut CheckedWriter<'_>) -> io::Result<()>,
) -> Result<()> {
    Ok(write_atomic(path, |out| {
        let hasher = crc32fast::Hasher::new();
        let mut writer = CheckedWriter { out, hasher, begun: 0, checksums: Vec::new() };
        fill(&mut writer)?;
        writer.finish()
    })?)
}

impl CheckedWriter<'_> {
    fn end_block(&mut self) {
        let hasher = std::mem::take(&mut self.hasher);
        self.checksums.extend(hasher.finalize().to_le_bytes());
        self.begun = 0;
    }

    fn finish(mut self) -> io::Result<()> {
        if self.begun > 0 {
            self.end_block();
        }
        self.out.write_all(&self.checksums)?;
        self.out.write_all(&crc32fast::hash(&self.checksums).to_le_bytes())
    }
}

impl Write for CheckedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (BLOCK - self.begun).min(bytes.len() as u64) as usize;
        let written = self.out.write(&bytes[..room])?;
        self.hasher.update(&bytes[..written]);
        self.begun += written as u64;
        if self.begun == BLOCK {
            self.end_block();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The checksums of a file's blocks.
#[derive(Debug)]
pub(super) struct Checksums {
    path: PathBuf,
    /// Bytes of data.
    len: u64,
    /// The checksum of each block, and whether the block was seen to have it.
    blocks: Vec<(u32, AtomicBool)>,
}

impl Checksums {
    /// Reads the checksums of the file at `path`, of which `file` is a handle.
    pub(super) fn read(mut file: &File, path: &Path) -> Result<Self> {
        let bytes = file.metadata().map_err(CoreError::io("read", path))?.len();
        let blocks = bytes.saturating_sub(CRC).div_ceil(BLOCK + CRC);
        let damaged = || changed(path);
        let len = bytes.checked_sub((blocks + 1) * CRC).ok_or_else(damaged)?;
        let mut read = || {
            let mut tail = vec![0; ((blocks + 1) * CRC) as usize];
            file.seek(SeekFrom::Start(len))?;
            file.read_exact(&mut tail)?;
            Ok(tail)
        };
        let tail = read().map_err(CoreError::io("read", path))?;
        let (checksums, own) = tail.split_at((blocks * CRC) as usize);
        if crc32fast::hash(checksums).to_le_bytes() != *own {
            return Err(damaged());
        }
        let checksums = checksums.as_chunks::<4>().0.iter().map(|crc| u32::from_le_bytes(*crc));
        let blocks = checksums.map(|crc| (crc, AtomicBool::new(false))).collect();
        Ok(Self { path: path.to_owned(), len, blocks })
    }

    /// Bytes of data.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The bytes of the blocks that hold `start..end` of the data.
    pub(super) fn around(&self, start: u64, end: u64) -> (u64, u64) {
        (start / BLOCK * BLOCK, end.next_multiple_of(BLOCK).min(self.len))
    }

    /// Fails unless `bytes`, whole blocks from byte `start` on, are as they were written.
    pub(super) fn check(&self, start: u64, bytes: &[u8]) -> Result<()> {
        let expected = &self.blocks[(start / BLOCK) as usize..];
        for (block, (crc, is_seen)) in bytes.chunks(BLOCK as usize).zip(expected) {
            if is_seen.load(Ordering::Relaxed) {
                continue;
            }
            if crc32fast::hash(block) != *crc {
                return Err(changed(&self.path));
            }
            is_seen.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn changed(path: &Path) -> Error {
    Error::Changed { path: path.to_owned() }
}

/// Reads the data of a file from its start, a block at a time, each checked before any of it is given.
pub(super) struct CheckedReader {
    file: File,
    checksums: Checksums,
    block: Vec<u8>,
    /// Bytes of `block` that were given.
    given: usize,
    /// Bytes read from the file.
    read: u64,
}

impl CheckedReader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(CoreError::io("open", path))?;
        let checksums = Checksums::read(&file, path)?;
        file.seek(SeekFrom::Start(0)).map_err(CoreError::io("read", path))?;
        Ok(Self { file, checksums, block: Vec::new(), given: 0, read: 0 })
    }

    /// Fills `out`; false, with nothing in it, at the end of the data.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<bool> {
        let mut filled = 0;
        while filled < out.len() {
            if self.given == self.block.len() && !self.next_block()? {
                if filled == 0 {
                    return Ok(false);
                }
                return Err(changed(&self.checksums.path));
            }
            let n = (self.block.len() - self.given).min(out.len() - filled);
            out[filled..filled + n].copy_from_slice(&self.block[self.given..self.given + n]);
            (filled, self.given) = (filled + n, self.given + n);
        }
        Ok(true)
    }

    fn next_block(&mut self) -> Result<bool> {
        let left = self.checksums.len() - self.read;
        self.block.resize(left.min(BLOCK) as usize, 0);
        self.given = 0;
        if left == 0 {
            return Ok(false);
        }
        let path = &self.checksums.path;
        self.file.read_exact(&mut self.block).map_err(CoreError::io("read", path))?;
        self.checksums.check(self.read, &self.block)?;
        self.read += self.block.len() as u64;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_read_back_and_a_changed_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let data: Vec<u8> = (0..len).map(|i| (i * i / 7) as u8).collect();
            write_checked(&path, |out| out.write_all(&data)).unwrap();
            let read = || {
                let mut reader = CheckedReader::open(&path)?;
                let mut found = vec![0; len as usize];
                reader.fill(&mut found)?;
                assert!(len == 0 || !reader.fill(&mut [0])?);
                Ok::<_, Error>(found)
            };
            assert_eq!(read().unwrap(), data);
            let bytes = std::fs::read(&path).unwrap();
            for at in (0..bytes.len()).step_by(bytes.len().div_ceil(40)).chain([bytes.len() - 1]) {
                let mut changed = bytes.clone();
                changed[at] ^= 4;
                std::fs::write(&path, changed).unwrap();
                let message = read().unwrap_err().to_string();
                assert!(message.contains("a.bin was changed"), "{message}");
            }
            std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
            assert!(read().is_err());
        }
    }
}
