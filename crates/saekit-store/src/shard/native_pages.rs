//! The pages of a column of a shard, one row group after the other.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader as _};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use crate::error::{DamageError, Error, Result};
use crate::parquet::blob::BlobReader;
use crate::parquet::column_chunk::ColumnChunk;
use crate::parquet::page_header::{Content, Header};
use crate::parquet::page_writer::page_rows;
use crate::storage::Blob;

/// Bytes that hold the header of a page that saekit writes.
const HEADER_BYTES: usize = 64;
/// Bytes that hold the header of a page with statistics, of which other writers add up to 8 KiB.
const LONG_HEADER_BYTES: usize = 16 << 10;
/// The format's number of the encoding.
const PLAIN: i64 = 0;
const TOO_MANY: &str = "has more rows than its group";

/// The file of a shard, as far as reading pages needs it.
#[derive(Debug)]
pub(super) struct ShardFile {
    pub(super) path: PathBuf,
    pub(super) blob: Arc<dyn Blob>,
    /// Rows of each row group.
    pub(super) group_rows: Vec<u32>,
    /// Pages of a column chunk whose places may be kept.
    pub(super) pages_kept: u64,
}

/// A column of a shard.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) descriptor: ColumnDescPtr,
    /// Bytes per row.
    pub(super) row_bytes: usize,
    /// One per row group.
    chunks: Vec<ColumnChunk>,
    /// Where pages were found to begin.
    found: Mutex<Found>,
}

/// For pages after the first: (row group, rows before the page in it) -> bytes before its header.
type Found = BTreeMap<(u32, u32), u32>;

impl Column {
    /// A column of `row_bytes` bytes a row, whose chunks `chunks` describe.
    pub(super) fn new<'a>(
        descriptor: &ColumnDescPtr,
        row_bytes: usize,
        chunks: impl Iterator<Item = &'a ColumnChunkMetaData>,
    ) -> Self {
        let (descriptor, chunks) = (Arc::clone(descriptor), chunks.map(ColumnChunk::of).collect());
        Self { descriptor, row_bytes, chunks, found: Mutex::default() }
    }
}

/// The pages of a column in a row group.
#[derive(Clone, Copy)]
pub(super) struct ColumnChunkReader<'a> {
    pub(super) file: &'a ShardFile,
    pub(super) group: usize,
    pub(super) column: &'a Column,
}

/// The requested rows of a chunk, and the next page.
struct PageCursor<'a> {
    rows: &'a Range<u32>,
    /// The first row of the next page.
    row: u32,
    out: &'a mut [u8],
}

impl ColumnChunkReader<'_> {
    fn chunk(&self) -> ColumnChunk {
        self.column.chunks[self.group]
    }

    fn group_rows(&self) -> u32 {
        self.file.group_rows[self.group]
    }

    /// Copies the values of `rows` to `out`.
    pub(super) fn read(&self, rows: &Range<u32>, out: &mut [u8]) -> Result<()> {
        let chunk = self.chunk();
        let reader = BlobReader::for_range(&self.file.blob, chunk.start, chunk.bytes)?;
        let mut cursor = PageCursor { rows, row: 0, out };
        if self.read_plain(&reader, &mut cursor)? {
            return Ok(());
        }
        cursor.row = 0;
        self.read_any(reader, &mut cursor)
    }

    /// Reads pages that lie as saekit writes them; false at a page that does not.
    fn read_plain(&self, reader: &BlobReader, cursor: &mut PageCursor<'_>) -> Result<bool> {
        let chunk = self.chunk();
        let Some(is_zstd) = chunk.is_zstd() else { return Ok(false) };
        let (row, before) = self.page_before(cursor.rows.start);
        let (mut at, end) = (chunk.start + u64::from(before), chunk.start + chunk.bytes);
        cursor.row = row;
        while cursor.row < cursor.rows.end && at < end {
            let Some(page) = self.page_at(reader, at..end, is_zstd)? else { return Ok(false) };
            at += page.header_bytes;
            if page.stored > end - at {
                return Err(self.error("is longer than its column"));
            }
            let values = PageData { reader, at, page: &page };
            cursor.page(self, page.rows, |overlap, out| values.read(self, overlap, out))?;
            at += page.stored;
            self.remember(cursor.rows, cursor.row, at - chunk.start);
        }
        self.check_end(cursor, at < end).map(|()| true)
    }

    /// The page whose header begins at the start of `range`, if it lies as those of saekit.
    fn page_at(
        &self,
        reader: &BlobReader,
        range: Range<u64>,
        is_zstd: bool,
    ) -> Result<Option<RawPage>> {
        let left = range.end - range.start;
        let parse = |head: &mut [u8]| {
            reader.read_into(range.start, head)?;
            Ok::<_, Error>(RawPage::parse(head, self.column.row_bytes, is_zstd))
        };
        let len = |bytes: usize| left.min(bytes as u64) as usize;
        if let Some(page) = parse(&mut [0; HEADER_BYTES][..len(HEADER_BYTES)])? {
            return Ok(Some(page));
        }
        parse(&mut vec![0; len(LONG_HEADER_BYTES)])
    }

    /// Rows of as many whole pages as are about as large as those that saekit writes, going by the
    /// first.
    pub(super) fn measure_slices(&self) -> Option<u32> {
        let chunk = self.chunk();
        let reader = BlobReader::new(&self.file.blob);
        let range = chunk.start..chunk.start + chunk.bytes;
        // A fault is reported when the page is read.
        let page = self.page_at(&reader, range, chunk.is_zstd()?).ok()??;
        let rows = u32::try_from(page.rows).ok().filter(|rows| *rows > 0)?;
        let pages = (page_rows(self.column.row_bytes) as u32 / rows).max(1);
        rows.checked_mul(pages)
    }

    /// The last page known that begins at `row` or before: rows and bytes before it.
    fn page_before(&self, row: u32) -> (u32, u32) {
        let group = self.group as u32;
        let found = self.found();
        let last = found.range((group, 0)..=(group, row)).next_back();
        last.map_or((0, 0), |((_, rows), bytes)| (*rows, *bytes))
    }

    /// Remembers that a page begins after `rows` rows and `bytes` bytes of the chunk. Only if a slice of
    /// the row group was requested: the next slice is then found without reading the headers of all
    /// pages before it. Of a very large store not every page is remembered.
    fn remember(&self, requested: &Range<u32>, rows: u32, bytes: u64) {
        let is_slice = *requested != (0..self.group_rows());
        let (Ok(bytes), true, true) = (u32::try_from(bytes), is_slice, rows < self.group_rows())
        else {
            return;
        };
        let apart = self.chunk().bytes / (self.file.pages_kept + 1);
        let (_, last) = self.page_before(rows);
        if bytes > last && u64::from(bytes - last) >= apart {
            self.found().insert((self.group as u32, rows), bytes);
        }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        // Whoever panicked had put a whole entry, or none.
        self.column.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`read_plain`](Self::read_plain) of all that the parquet crate reads.
    fn read_any(&self, reader: BlobReader, cursor: &mut PageCursor<'_>) -> Result<()> {
        let row_bytes = self.column.row_bytes;
        let mut pages = self.pages(reader)?;
        let mut is_left = false;
        while let Some(page) = pages.get_next_page().map_err(Error::parquet(&self.file.path))? {
            if cursor.row >= cursor.rows.end {
                is_left = true;
                break;
            }
            let values = plain_values(&page, row_bytes).map_err(|problem| self.error(problem))?;
            let rows = u64::try_from(values.len() / row_bytes).unwrap_or(u64::MAX);
            cursor.page(self, rows, |overlap, out| {
                let start = overlap.start as usize * row_bytes;
                out.copy_from_slice(&values[start..start + out.len()]);
                Ok(())
            })?;
        }
        self.check_end(cursor, is_left)
    }

    /// Fails where the pages have ended before the rows, or the other way round.
    fn check_end(&self, cursor: &PageCursor<'_>, pages_are_left: bool) -> Result<()> {
        if cursor.row < cursor.rows.end {
            return Err(self.error("has fewer rows than its group"));
        }
        if pages_are_left && cursor.row >= self.group_rows() {
            return Err(self.error(TOO_MANY));
        }
        Ok(())
    }

    fn error(&self, problem: &str) -> Error {
        DamageError::Page {
            path: self.file.path.clone(),
            column: self.column.descriptor.name().to_owned(),
            row_group: self.group,
            problem: problem.to_owned(),
        }
        .into()
    }

    /// Fails unless the page at byte `offset` has its checksum.
    fn check(&self, offset: u64, page: &RawPage, stored: &[u8]) -> Result<()> {
        let Some(expected) = page.checksum else { return Ok(()) };
        let found = crc32fast::hash(stored);
        if found == expected {
            return Ok(());
        }
        let (path, column) = (self.file.path.clone(), self.column.descriptor.name().to_owned());
        Err(DamageError::Checksum { path, column, offset, expected, found }.into())
    }

    fn pages(&self, reader: BlobReader) -> Result<SerializedPageReader<BlobReader>> {
        let rows = self.group_rows() as usize;
        let pages = self
            .chunk()
            .metadata(&self.column.descriptor)
            .and_then(|chunk| SerializedPageReader::new(Arc::new(reader), &chunk, rows, None));
        pages.map_err(Error::parquet(&self.file.path))
    }
}

impl PageCursor<'_> {
    /// Has `read` put what is cursor of the next page, which has `rows` rows, where it belongs: it is
    /// told which rows of the page those are.
    fn page(
        &mut self,
        chunk: &ColumnChunkReader<'_>,
        rows: u64,
        read: impl FnOnce(Range<u32>, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let first = self.row;
        let left = chunk.group_rows() - first;
        let Some(rows) = u32::try_from(rows).ok().filter(|rows| *rows <= left) else {
            return Err(chunk.error(TOO_MANY));
        };
        self.row = first + rows;
        let (from, to) = (first.max(self.rows.start), self.row.min(self.rows.end));
        if from >= to {
            return Ok(());
        }
        let bytes = |row: u32| (row - self.rows.start) as usize * chunk.column.row_bytes;
        read(from - first..to - first, &mut self.out[bytes(from)..bytes(to)])
    }
}

/// A page whose header was read.
struct PageData<'a> {
    reader: &'a BlobReader,
    /// Where its values begin.
    at: u64,
    page: &'a RawPage,
}

impl PageData<'_> {
    /// Reads what is in the file, and checks it.
    fn load(&self, chunk: &ColumnChunkReader<'_>, out: &mut [u8]) -> Result<()> {
        self.reader.read_into(self.at, out)?;
        chunk.check(self.at, self.page, out)
    }

    /// Puts the rows `rows` of the page into `out`, whose length is theirs.
    fn read(&self, chunk: &ColumnChunkReader<'_>, rows: Range<u32>, out: &mut [u8]) -> Result<()> {
        let page = self.page;
        if out.len() as u64 == page.plain && page.stored == page.plain && !page.is_compressed {
            return self.load(chunk, out);
        }
        let mut stored = vec![0; page.stored as usize];
        self.load(chunk, &mut stored)?;
        let plain = if page.is_compressed {
            zstd::bulk::decompress(&stored, page.plain as usize)
                .ok()
                .filter(|plain| plain.len() as u64 == page.plain)
                .ok_or_else(|| chunk.error("has a page that cannot be decompressed"))?
        } else {
            stored
        };
        let start = rows.start as usize * chunk.column.row_bytes;
        out.copy_from_slice(&plain[start..start + out.len()]);
        Ok(())
    }
}

/// A page without levels whose values lie one after the other, perhaps compressed.
struct RawPage {
    header_bytes: u64,
    /// Bytes in the file, and of the values.
    stored: u64,
    plain: u64,
    is_compressed: bool,
    rows: u64,
    checksum: Option<u32>,
}

impl RawPage {
    /// The page whose header begins `head`, where it is such a page of values of `row_bytes` each.
    fn parse(head: &[u8], row_bytes: usize, is_compressed: bool) -> Option<Self> {
        let header = Header::parse(head).ok()?;
        let is_plain = matches!(header.content, Content::Data { .. })
            && header.encoding == PLAIN
            && (is_compressed || header.stored == header.plain)
            && header.values.checked_mul(row_bytes as u64) == Some(header.plain);
        is_plain.then_some(Self {
            header_bytes: header.bytes,
            stored: header.stored,
            plain: header.plain,
            is_compressed,
            rows: header.values,
            checksum: header.checksum,
        })
    }
}

/// The bytes of a page of values of `row_bytes` each, one after the other.
fn plain_values(page: &Page, row_bytes: usize) -> Result<&[u8], &'static str> {
    let (buf, rows, encoding) = match page {
        Page::DataPage { buf, num_values, encoding, .. }
        | Page::DataPageV2 { buf, num_values, encoding, .. } => (buf, *num_values, *encoding),
        Page::DictionaryPage { .. } => return Err("is dictionary-encoded, expected PLAIN"),
    };
    if encoding != Encoding::PLAIN {
        return Err("is not encoded as PLAIN");
    }
    if Some(buf.len()) != (rows as usize).checked_mul(row_bytes) {
        return Err("has a page that is not as long as its rows");
    }
    Ok(buf)
}
