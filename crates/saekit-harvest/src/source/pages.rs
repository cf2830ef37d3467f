//! The pages of parquet columns, checked before a library decodes them that believes their numbers.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

/// Most values of a page: more are taken for damage, since memory is taken for as many.
const MAX_VALUES: u32 = 1 << 26;

/// A file that gives no more bytes than it has.
pub(super) struct Input {
    file: File,
    bytes: u64,
}

impl Input {
    pub(super) fn new(file: File) -> std::io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes })
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Input {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(file))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            let size = self.bytes;
            return Err(refused(&format!("{length} bytes from {start} on of a file of {size}")));
        }
        self.file.get_bytes(start, length)
    }
}

/// The pages of number `leaf` of the columns of `group`.
pub(super) fn pages(
    input: &Arc<Input>,
    group: &RowGroupMetaData,
    leaf: usize,
) -> Result<Box<dyn PageReader>> {
    let chunk = group.column(leaf);
    let rows = usize::try_from(group.num_rows()).unwrap_or(0);
    let pages = SerializedPageReader::new(Arc::clone(input), chunk, rows, None)?;
    Ok(Box::new(Checked { pages, column: chunk.column_descr_ptr() }))
}

/// The pages of one chunk.
struct Checked {
    pages: SerializedPageReader<Input>,
    column: ColumnDescPtr,
}

impl Iterator for Checked {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Checked {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.iter().try_for_each(|page| check(page, &self.column))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

/// Fails where `page` says that it has more values than it can.
fn check(page: &Page, column: &ColumnDescPtr) -> Result<()> {
    let values = page.num_values();
    let (bytes, has_levels) = (page.buffer(), !page.is_dictionary_page());
    if values > MAX_VALUES || (!has_levels && values as usize > bytes.len()) {
        return Err(refused(&format!("a page of {} bytes with {values} values", bytes.len())));
    }
    let Some(values_at) = start_of_values(page, column).filter(|_| is_delta(page.encoding()))
    else {
        return Ok(());
    };
    match delta_count(bytes.get(values_at..).unwrap_or_default()) {
        Some(count) if count <= u64::from(values) => Ok(()),
        _ => Err(refused("a page that does not say how many values it has")),
    }
}

fn is_delta(encoding: Encoding) -> bool {
    use Encoding::{DELTA_BINARY_PACKED, DELTA_BYTE_ARRAY, DELTA_LENGTH_BYTE_ARRAY};
    matches!(encoding, DELTA_BINARY_PACKED | DELTA_BYTE_ARRAY | DELTA_LENGTH_BYTE_ARRAY)
}

/// Where the values of a data page begin: behind its levels, each with its length before it.
fn start_of_values(page: &Page, column: &ColumnDescPtr) -> Option<usize> {
    match page {
        Page::DictionaryPage { .. } => None,
        Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
            Some(*def_levels_byte_len as usize + *rep_levels_byte_len as usize)
        }
        Page::DataPage { buf, .. } => {
            let mut at = 0;
            for level in [column.max_rep_level(), column.max_def_level()] {
                if level > 0 {
                    let length = buf.get(at..)?.first_chunk().copied()?;
                    at += 4 + u32::from_le_bytes(length) as usize;
                }
            }
            Some(at)
        }
    }
}

/// The number of values that a delta encoding says it has: the third number of its header.
fn delta_count(bytes: &[u8]) -> Option<u64> {
    let mut bytes = bytes.iter();
    let mut number = || {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = *bytes.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    };
    number()?;
    number()?;
    number()
}

fn refused(reason: &str) -> ParquetError {
    ParquetError::General(format!("it asks for {reason}"))
}
