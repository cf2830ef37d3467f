//! Blobs as the parquet crate reads files.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{DamageError, Error, Result};
use crate::storage::Blob;

/// Bytes read from the end of a file first. Most footers fit, so a remote file takes one round trip.
const TAIL: u64 = 64 << 10;
/// Bytes that hold the header of most pages.
const HEADER: usize = 128;

/// A blob, of which a part may be in memory already.
#[derive(Clone, Debug)]
pub(crate) struct BlobReader {
    blob: Arc<dyn Blob>,
    window: Option<(u64, Bytes)>,
}

impl BlobReader {
    /// Reads from the blob on demand.
    pub(crate) fn new(blob: &Arc<dyn Blob>) -> Self {
        Self { blob: Arc::clone(blob), window: None }
    }

    /// With the `len` bytes from `start` in memory, read at once.
    pub(crate) fn with_window(blob: &Arc<dyn Blob>, start: u64, len: u64) -> Result<Self> {
        let mut bytes = vec![0; len as usize];
        blob.read_at(start, &mut bytes)?;
        Ok(Self { blob: Arc::clone(blob), window: Some((start, bytes.into())) })
    }

    /// For the bytes from `start` to `start + len`: read at once where a read takes a round trip,
    /// otherwise on demand.
    pub(crate) fn for_range(blob: &Arc<dyn Blob>, start: u64, len: u64) -> Result<Self> {
        if blob.is_remote() { Self::with_window(blob, start, len) } else { Ok(Self::new(blob)) }
    }

    /// The part of the window from `start`, where that lies in it.
    fn in_window(&self, start: u64) -> Option<Bytes> {
        let (first, bytes) = self.window.as_ref()?;
        let at = usize::try_from(start.checked_sub(*first)?).ok()?;
        (at <= bytes.len()).then(|| bytes.slice(at..))
    }

    /// Fills `out` with the bytes from `start` on.
    pub(crate) fn read_into(&self, start: u64, out: &mut [u8]) -> Result<()> {
        match self.in_window(start).filter(|found| found.len() >= out.len()) {
            Some(found) => out.copy_from_slice(&found[..out.len()]),
            None => self.blob.read_at(start, out)?,
        }
        Ok(())
    }

    fn read(&self, start: u64, len: usize) -> ParquetResult<Bytes> {
        if let Some(found) = self.in_window(start).filter(|found| found.len() >= len) {
            return Ok(found.slice(..len));
        }
        let end = start.checked_add(len as u64).filter(|end| *end <= self.blob.bytes());
        if end.is_none() {
            let problem = format!("{len} bytes from {start} on reach beyond its end");
            return Err(ParquetError::EOF(problem));
        }
        let mut bytes = vec![0; len];
        let read = self.blob.read_at(start, &mut bytes);
        read.map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(bytes.into())
    }
}

impl Length for BlobReader {
    fn len(&self) -> u64 {
        self.blob.bytes()
    }
}

impl ChunkReader for BlobReader {
    type T = Reader;

    fn get_read(&self, start: u64) -> ParquetResult<Reader> {
        Ok(Reader { source: self.clone(), offset: start, buffer: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.read(start, length)
    }
}

/// Reads on from an offset, a little at a time.
#[derive(Debug)]
pub(crate) struct Reader {
    source: BlobReader,
    offset: u64,
    buffer: Bytes,
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            let left = self.source.blob.bytes().saturating_sub(self.offset);
            let len = left.min(out.len().max(HEADER) as u64) as usize;
            self.buffer = self.source.read(self.offset, len).map_err(as_io)?;
            self.offset += len as u64;
        }
        let len = self.buffer.len().min(out.len());
        out[..len].copy_from_slice(&self.buffer.split_to(len));
        Ok(len)
    }
}

/// The reason inside a parquet error, so that it is still known on the other side of a [`Read`].
fn as_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => io::Error::other(source),
        other => io::Error::other(other),
    }
}

/// Reads the footer of the file at `path`.
pub(crate) fn read_footer(blob: &Arc<dyn Blob>, path: &Path) -> Result<ParquetMetaData> {
    let bytes = blob.bytes();
    let tail = bytes.min(TAIL);
    let reader = BlobReader::with_window(blob, bytes - tail, tail)?;
    let metadata =
        ParquetMetaDataReader::new().parse_and_finish(&reader).map_err(Error::parquet(path))?;
    if metadata.row_groups().iter().all(|group| is_plausible(group, bytes)) {
        return Ok(metadata);
    }
    let problem = "its footer describes row groups that cannot be in it".to_owned();
    Err(DamageError::Parquet { path: path.to_owned(), source: ParquetError::General(problem) }
        .into())
}

/// Fails unless the footer of the file at `path` counts `expected` rows.
pub(crate) fn check_rows(metadata: &ParquetMetaData, path: &Path, expected: u64) -> Result<()> {
    let found = metadata.row_groups().iter().map(|group| group.num_rows() as u64).sum();
    if found == expected {
        return Ok(());
    }
    Err(DamageError::Rows { path: path.to_owned(), expected, found }.into())
}

/// Whether a row group can lie in a file of `bytes` bytes; the parquet reader takes it for granted.
fn is_plausible(group: &RowGroupMetaData, bytes: u64) -> bool {
    u32::try_from(group.num_rows()).is_ok()
        && group.columns().iter().all(|column| {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let start = u64::try_from(start).ok();
            let len = u64::try_from(column.compressed_size()).ok();
            let end = start.zip(len).and_then(|(start, len)| start.checked_add(len));
            column.data_page_offset() >= 0 && end.is_some_and(|end| end <= bytes)
        })
}
