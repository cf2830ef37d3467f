//! Column chunks of our own making: data pages that carry a checksum, which arrow-rs does not write.

use std::io;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::ColumnDescPtr;

/// Payload of a page.
const PAGE_BYTES: usize = 1 << 20;

/// Rows per page of a shard whose widest column has `row_bytes` bytes per row. All columns have the same
/// number, so that a slice of the rows is a whole page in every column.
pub(crate) fn page_rows(row_bytes: usize) -> usize {
    (PAGE_BYTES / row_bytes.max(1)).max(1)
}

/// The pages of a column chunk: data pages of version 1, encoded as PLAIN, without levels, since no
/// value can be null. Its memory is kept from one chunk to the next.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    compression: Compression,
    pages: Vec<u8>,
    /// The payload being gathered for the next page.
    payload: Vec<u8>,
    values: u64,
    uncompressed: u64,
}

impl ChunkWriter {
    /// A chunk without pages.
    pub(crate) fn new() -> Self {
        Self {
            compression: Compression::UNCOMPRESSED,
            pages: Vec::new(),
            payload: Vec::new(),
            values: 0,
            uncompressed: 0,
        }
    }

    /// Forgets the pages; the next ones will be uncompressed, or compressed with zstd.
    pub(crate) fn begin(&mut self, compression: Compression) {
        self.compression = compression;
        self.pages.clear();
        self.payload.clear();
        (self.values, self.uncompressed) = (0, 0);
    }

    /// Where the values of the next page are to be appended.
    pub(crate) fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.payload
    }

    /// Ends a page of `values` values.
    pub(crate) fn end_page(&mut self, values: usize) -> io::Result<()> {
        let before = self.pages.len();
        let compressed = match self.compression {
            Compression::ZSTD(level) => {
                Some(zstd::bulk::compress(&self.payload, level.compression_level())?)
            }
            _ => None,
        };
        let stored = compressed.as_deref().unwrap_or(&self.payload);
        let header = Header { values, uncompressed: self.payload.len(), stored };
        header.write(&mut self.pages);
        let header_bytes = self.pages.len() - before;
        self.pages.extend_from_slice(stored);
        self.values += values as u64;
        self.uncompressed += (header_bytes + self.payload.len()) as u64;
        self.payload.clear();
        Ok(())
    }

    /// Appends the chunk to a row group, of which it is the column `column`.
    pub(crate) fn append<W: io::Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        column: &ColumnDescPtr,
    ) -> ParquetResult<()> {
        let bytes = self.pages.len() as u64;
        let metadata = ColumnChunkMetaData::builder(column.clone())
            .set_compression(self.compression)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_num_values(self.values.cast_signed())
            .set_total_compressed_size(bytes.cast_signed())
            .set_total_uncompressed_size(self.uncompressed.cast_signed())
            .set_data_page_offset(0)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes,
            rows_written: self.values,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.append_column(&Pages(&self.pages), close)
    }
}

/// The header before a page: the format's `PageHeader`, in Thrift's compact protocol.
struct Header<'a> {
    values: usize,
    uncompressed: usize,
    /// The page as stored.
    stored: &'a [u8],
}

impl Header<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        // The checksum is 32 bits that Thrift calls signed.
        let crc = crc32fast::hash(self.stored).cast_signed();
        field(out, DATA_PAGE);
        field(out, count(self.uncompressed));
        field(out, count(self.stored.len()));
        field(out, crc);
        out.push(NEXT_IS_STRUCT);
        field(out, count(self.values));
        field(out, PLAIN);
        field(out, RLE); // of definition levels, of which there are none
        field(out, RLE); // of repetition levels
        out.extend([STOP, STOP]);
    }
}

fn count(of: usize) -> i32 {
    i32::try_from(of).expect("a page holds a row or little more than a MiB")
}

/// The format's number of a data page of version 1.
const DATA_PAGE: i32 = 0;
/// The format's numbers of encodings.
const PLAIN: i32 = 0;
const RLE: i32 = 3;

/// The field after the last one is a struct; Thrift packs the step in number with the type.
const NEXT_IS_STRUCT: u8 = 0x1C;
/// The field after the last one is an `i32`.
const NEXT_IS_I32: u8 = 0x15;
/// The end of a struct.
const STOP: u8 = 0;

/// Appends `value` as the next field of a struct: zigzag, then seven bits a byte, low ones first.
fn field(out: &mut Vec<u8>, value: i32) {
    out.push(NEXT_IS_I32);
    let mut rest = (value << 1 ^ value >> 31).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Pages in memory, as the parquet writer wants to read them.
struct Pages<'a>(&'a [u8]);

impl Length for Pages<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl<'a> ChunkReader for Pages<'a> {
    type T = &'a [u8];

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.0.get(start as usize..).ok_or_else(|| past_the_end(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let rest = self.get_read(start)?;
        rest.get(..length).map(Bytes::copy_from_slice).ok_or_else(|| past_the_end(start))
    }
}

fn past_the_end(start: u64) -> ParquetError {
    ParquetError::EOF(format!("byte {start} and on of a column chunk that is shorter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that pyarrow 26 wrote before a page of three rows of four bytes, but for its empty statistics.
    #[test]
    fn headers_are_as_others_write_them() {
        let mut out = Vec::new();
        Header { values: 3, uncompressed: 12, stored: b"abcdefghijkl" }.write(&mut out);
        let sizes = [0x15, 0x00, 0x15, 0x18, 0x15, 0x18];
        let checksum = [0x15, 0xB7, 0x93, 0xBF, 0x98, 0x01];
        let data_page = [0x1C, 0x15, 0x06, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06, 0x00];
        assert_eq!(out, [&sizes[..], &checksum, &data_page, &[0x00]].concat());
    }

    #[test]
    fn numbers_are_zigzag() {
        let cases: [(i32, &[u8]); 5] = [
            (0, &[0]),
            (-1, &[1]),
            (64, &[0x80, 1]),
            (i32::MAX, &[0xFE, 0xFF, 0xFF, 0xFF, 0xF]),
            (i32::MIN, &[0xFF, 0xFF, 0xFF, 0xFF, 0xF]),
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            field(&mut out, value);
            assert_eq!(out[1..], *expected, "{value}");
        }
    }
}
