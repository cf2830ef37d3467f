//! The bytes of a text file: unpacked, and without a byte order mark.

use std::io::{self, BufRead, BufReader, Cursor, Read as _};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use saekit_core::{Error as CoreError, input};
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::error::{Error, Result};

/// Bytes that tell a packing or an encoding.
const HEAD: u64 = 10;
/// The longest line. A longer one is a file of another kind.
const MAX_LINE: u64 = 256 << 20;

/// Packings that are named but not read: first bytes, name, and the command that unpacks.
const UNREAD: [(&[u8], &str, &str); 4] = [
    (b"\xfd7zXZ\0", "xz", "xz -d"),
    (b"BZh", "bzip2", "bzip2 -d"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -d"),
    (b"PK\x03\x04", "zip", "unzip"),
];
/// What a block of bzip2 begins with, after the four bytes of the file.
const BZIP2_BLOCK: &[u8] = b"1AY&SY";

/// A text file that is read from its beginning to its end.
pub(super) struct Stream {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    /// The packing, if there is one.
    packing: Option<&'static str>,
    /// Bytes of text that were read, the byte order mark included.
    offset: u64,
}

impl Stream {
    /// Opens `path`. The first bytes tell gzip and zstd, whatever the file is called; both are
    /// unpacked while they are read.
    ///
    /// Fails at another packing and at UTF-16, and names the command that converts them.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut stream = Self::unpack(path)?;
        let head = stream.peek()?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(Error::Utf16 { path: path.to_owned() });
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            let mut mark = [0; 3];
            stream.reader.read_exact(&mut mark).map_err(CoreError::io("read", path))?;
            stream.offset = 3;
        }
        Ok(stream)
    }

    fn unpack(path: &Path) -> Result<Self> {
        let file = BufReader::new(input::open(path)?);
        let mut stream =
            Self { path: path.to_owned(), reader: Box::new(file), packing: None, offset: 0 };
        let head = stream.peek()?;
        if let Some((_, name, command)) = UNREAD.iter().find(|(magic, ..)| {
            head.starts_with(magic) && (*magic != b"BZh" || head[4..] == *BZIP2_BLOCK)
        }) {
            return Err(Error::Packing { path: path.to_owned(), name, command });
        }
        if head.starts_with(&[0x1f, 0x8b]) {
            stream.packing = Some("gzip");
            stream.reader = Box::new(BufReader::new(MultiGzDecoder::new(stream.reader)));
        } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            stream.packing = Some("zstd");
            let decoder = ZstdDecoder::with_buffer(stream.reader);
            let decoder = decoder.map_err(CoreError::io("read", path))?;
            stream.reader = Box::new(BufReader::new(decoder));
        }
        Ok(stream)
    }

    /// The first bytes, which stay unread.
    fn peek(&mut self) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        self.reader.by_ref().take(HEAD).read_to_end(&mut head).map_err(|e| self.failed(e))?;
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(Cursor::new(head.clone()).chain(rest));
        Ok(head)
    }

    /// Bytes of text that were read, the byte order mark included.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills `buffer` as far as the text goes; 0 at its end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = self.reader.read(buffer).map_err(|e| self.failed(e))?;
        self.offset += n as u64;
        Ok(n)
    }

    /// Replaces `line` by the next line with its end; false after the last. `number` names it where it
    /// is too long.
    pub(super) fn read_line(&mut self, line: &mut Vec<u8>, number: u64) -> Result<bool> {
        line.clear();
        let mut limited = self.reader.by_ref().take(MAX_LINE + 1);
        let n = limited.read_until(b'\n', line).map_err(|e| self.failed(e))?;
        if n as u64 > MAX_LINE {
            let (path, mib) = (self.path.clone(), MAX_LINE >> 20);
            return Err(Error::LongLine { path, line: number, mib });
        }
        self.offset += n as u64;
        Ok(n > 0)
    }

    fn failed(&self, source: io::Error) -> Error {
        match self.packing {
            Some(packing) => Error::Unpack { path: self.path.clone(), packing, source },
            None => CoreError::io("read", &self.path)(source).into(),
        }
    }
}
