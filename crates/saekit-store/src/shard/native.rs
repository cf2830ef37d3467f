//! A shard as saekit writes them: its footer checked once, its pages read on demand.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, Type as PhysicalType};
use parquet::column::page::{Page, PageReader as _};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use crate::foreign::{Content, Header};
use crate::layout::{BYTE_ORDER_KEY, DTYPE_KEY, LITTLE, POSITION, SEQUENCE};
use crate::manifest::in_words;
use crate::pages::page_rows;
use crate::parquet_blob::{BlobReader, read_footer};
use crate::shard::Shard;
use crate::{Blob, ColumnInfo, Error, Manifest, Result, ShardInfo, Storage};

/// As much as holds the header of a page that saekit writes.
const HEADER_BYTES: usize = 64;
/// The format's number of the encoding.
const PLAIN: i64 = 0;
const TOO_MANY: &str = "has more rows than its group";

/// A shard whose footer agrees with the manifest. Of the footer only what reading takes is kept:
/// a store may have many shards.
#[derive(Debug)]
pub(crate) struct NativeShard {
    path: PathBuf,
    blob: Arc<dyn Blob>,
    group_rows: Vec<u32>,
    /// The manifest's columns, in its order.
    columns: Vec<Column>,
    /// Sequence and position.
    tokens: Option<[Column; 2]>,
}

/// A column of a shard.
#[derive(Debug)]
struct Column {
    descriptor: ColumnDescPtr,
    /// Bytes a row.
    row_bytes: usize,
    /// One a row group.
    chunks: Vec<Chunk>,
}

/// Where the pages of a column in a row group lie.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    start: u64,
    bytes: u64,
    compression: Compression,
}

impl NativeShard {
    /// Checks size, schema, row count and footer keys of the shard `info` of the store in `storage`.
    pub(crate) fn open(
        storage: &dyn Storage,
        info: &ShardInfo,
        manifest: &Manifest,
    ) -> Result<Self> {
        let path = storage.path(&info.file);
        let blob = open_sized(storage, &info.file, info.bytes)?;
        let metadata = read_footer(&blob, &path)?;
        check_rows(&metadata, &path, info.rows)?;
        let footer = Footer { path: &path, metadata: &metadata };
        footer.check_key(BYTE_ORDER_KEY, LITTLE)?;
        let column = |column: &ColumnInfo| {
            footer.check_dtype(column)?;
            footer
                .find(column.name.as_str(), column.row_bytes(), |found| activations(column, found))
        };
        let columns = manifest.columns.iter().map(column).collect::<Result<_>>()?;
        let number = |name| footer.find(name, 4, number);
        let tokens = manifest.has_tokens();
        let tokens = tokens.then(|| Ok::<_, Error>([number(SEQUENCE)?, number(POSITION)?]));
        let tokens = tokens.transpose()?;
        let group_rows = metadata.row_groups().iter().map(|g| g.num_rows() as u32).collect();
        Ok(Self { path, blob, group_rows, columns, tokens })
    }
}

/// Opens the file at `path` in `storage` unless it is missing or its size is not `bytes`.
pub(crate) fn open_sized(storage: &dyn Storage, path: &str, bytes: u64) -> Result<Arc<dyn Blob>> {
    let Some(blob) = storage.open(path)? else {
        return Err(Error::MissingFile { path: storage.path(path) });
    };
    let found = blob.bytes();
    if found == bytes {
        return Ok(blob);
    }
    Err(Error::Size { path: storage.path(path), expected: bytes, found })
}

/// Fails unless the footer of the file at `path` counts `expected` rows.
pub(crate) fn check_rows(metadata: &ParquetMetaData, path: &Path, expected: u64) -> Result<()> {
    let found = metadata.row_groups().iter().map(|group| group.num_rows() as u64).sum();
    if found == expected {
        return Ok(());
    }
    Err(Error::Rows { path: path.to_owned(), expected, found })
}

/// The footer of a shard, to be checked.
struct Footer<'a> {
    path: &'a Path,
    metadata: &'a ParquetMetaData,
}

impl Footer<'_> {
    /// The column called `name` with `row_bytes` bytes a row, whose type `check` may object to.
    fn find(
        &self,
        name: &str,
        row_bytes: usize,
        check: impl Fn(&ColumnDescPtr) -> Option<String>,
    ) -> Result<Column> {
        let columns = self.metadata.file_metadata().schema_descr().columns();
        let named = |column: &ColumnDescPtr| column.path().parts() == [name];
        let Some(index) = columns.iter().position(named) else {
            let names: Vec<_> = columns.iter().map(|column| column.path().string()).collect();
            return Err(Error::MissingColumn {
                path: self.path.to_owned(),
                column: name.to_owned(),
                available: in_words(names.iter().map(String::as_str)),
            });
        };
        let found = &columns[index];
        let nullable = found.max_def_level() > 0 || found.max_rep_level() > 0;
        let nulls = || Some("a column without nulls".to_owned()).filter(|_| nullable);
        if let Some(expected) = check(found).or_else(nulls) {
            return Err(Error::ColumnType {
                path: self.path.to_owned(),
                column: name.to_owned(),
                expected,
                found: describe(found),
            });
        }
        let groups = self.metadata.row_groups().iter();
        let chunks = groups.map(|group| Chunk::of(group.column(index))).collect();
        Ok(Column { descriptor: Arc::clone(found), row_bytes, chunks })
    }

    /// The dtype key of `column`: its own, or the one for all.
    fn check_dtype(&self, column: &ColumnInfo) -> Result<()> {
        let own = format!("{}.{DTYPE_KEY}", column.name);
        let key = if self.key(&own).is_some() { &own } else { DTYPE_KEY };
        self.check_key(key, column.dtype.name())
    }

    fn check_key(&self, key: &str, expected: &str) -> Result<()> {
        let found = self.key(key);
        if found == Some(expected) {
            return Ok(());
        }
        Err(Error::FooterKey {
            path: self.path.to_owned(),
            key: key.to_owned(),
            expected: expected.to_owned(),
            found: found.map(str::to_owned),
        })
    }

    fn key(&self, key: &str) -> Option<&str> {
        let keys = self.metadata.file_metadata().key_value_metadata()?;
        keys.iter().find(|entry| entry.key == key)?.value.as_deref()
    }
}

/// What `column` should be, where `found` is not.
fn activations(column: &ColumnInfo, found: &ColumnDescPtr) -> Option<String> {
    let bytes = column.row_bytes();
    let fits = found.physical_type() == PhysicalType::FIXED_LEN_BYTE_ARRAY
        && usize::try_from(found.type_length()).ok() == Some(bytes);
    (!fits).then(|| {
        format!("FIXED_LEN_BYTE_ARRAY({bytes}), required: {} x {}", column.width, column.dtype)
    })
}

/// What a sequence or a position should be, where `found` is not.
fn number(found: &ColumnDescPtr) -> Option<String> {
    (found.physical_type() != PhysicalType::INT32).then(|| "INT32, required".to_owned())
}

fn describe(column: &ColumnDescPtr) -> String {
    let nullable = if column.max_def_level() > 0 { "optional" } else { "required" };
    match column.physical_type() {
        PhysicalType::FIXED_LEN_BYTE_ARRAY => {
            format!("FIXED_LEN_BYTE_ARRAY({}), {nullable}", column.type_length())
        }
        other => format!("{other}, {nullable}"),
    }
}

impl Chunk {
    fn of(column: &ColumnChunkMetaData) -> Self {
        let (start, bytes) = column.byte_range();
        Self { start, bytes, compression: column.compression() }
    }

    /// What the parquet crate needs to know to read the pages.
    fn metadata(self, descriptor: &ColumnDescPtr) -> parquet::errors::Result<ColumnChunkMetaData> {
        ColumnChunkMetaData::builder(Arc::clone(descriptor))
            .set_compression(self.compression)
            .set_data_page_offset(self.start.cast_signed())
            .set_total_compressed_size(self.bytes.cast_signed())
            .build()
    }
}

impl Shard for NativeShard {
    fn path(&self) -> &Path {
        &self.path
    }

    fn group_rows(&self) -> &[u32] {
        &self.group_rows
    }

    /// Those of a page; reading a part of a group from elsewhere would read all of it.
    fn part_rows(&self) -> Option<u32> {
        let widest = self.columns.iter().map(|column| column.row_bytes).max()?;
        (!self.blob.is_remote()).then_some(page_rows(widest) as u32)
    }

    fn read_column(
        &self,
        group: usize,
        rows: Range<u32>,
        column: usize,
        out: &mut [u8],
    ) -> Result<()> {
        let column = &self.columns[column];
        Chunked { shard: self, group, column }.read(&rows, out)
    }

    fn read_tokens(
        &self,
        group: usize,
        rows: Range<u32>,
        sequences: &mut [u32],
        positions: &mut [u32],
    ) -> Result<()> {
        let Some(columns) = &self.tokens else { return Ok(()) };
        for (column, out) in columns.iter().zip([sequences, positions]) {
            let chunk = Chunked { shard: self, group, column };
            chunk.read(&rows, bytemuck::cast_slice_mut(out))?;
        }
        Ok(())
    }
}

/// The pages of a column in a row group.
#[derive(Clone, Copy)]
struct Chunked<'a> {
    shard: &'a NativeShard,
    group: usize,
    column: &'a Column,
}

/// What is to be read of a chunk, and where the reading is.
struct Wanted<'a> {
    rows: &'a Range<u32>,
    /// The first row of the next page.
    row: u32,
    out: &'a mut [u8],
}

impl Chunked<'_> {
    fn chunk(&self) -> Chunk {
        self.column.chunks[self.group]
    }

    fn group_rows(&self) -> u32 {
        self.shard.group_rows[self.group]
    }

    /// Copies the values of `rows` to `out`.
    fn read(&self, rows: &Range<u32>, out: &mut [u8]) -> Result<()> {
        let chunk = self.chunk();
        let reader = BlobReader::for_range(&self.shard.blob, chunk.start, chunk.bytes)?;
        let mut wanted = Wanted { rows, row: 0, out };
        if self.read_plain(&reader, &mut wanted)? {
            return Ok(());
        }
        wanted.row = 0;
        self.read_any(reader, &mut wanted)
    }

    /// Reads pages that lie as saekit writes them; false at a page that does not.
    fn read_plain(&self, reader: &BlobReader, wanted: &mut Wanted<'_>) -> Result<bool> {
        let chunk = self.chunk();
        let is_zstd = matches!(chunk.compression, Compression::ZSTD(_));
        if !is_zstd && chunk.compression != Compression::UNCOMPRESSED {
            return Ok(false);
        }
        let (mut at, end) = (chunk.start, chunk.start + chunk.bytes);
        let mut head = [0; HEADER_BYTES];
        while wanted.row < wanted.rows.end && at < end {
            let head = &mut head[..(end - at).min(HEADER_BYTES as u64) as usize];
            reader.read_into(at, head)?;
            let page = PlainPage::parse(head, self.column.row_bytes, is_zstd);
            let Some(page) = page else { return Ok(false) };
            at += page.header_bytes;
            if page.stored > end - at {
                return Err(self.error("is longer than its column"));
            }
            let values = Stored { reader, at, page: &page };
            wanted.page(self, page.rows, |overlap, out| values.read(self, overlap, out))?;
            at += page.stored;
        }
        self.check_end(wanted, at < end).map(|()| true)
    }

    /// [`read_plain`](Self::read_plain) of all that the parquet crate reads.
    fn read_any(&self, reader: BlobReader, wanted: &mut Wanted<'_>) -> Result<()> {
        let row_bytes = self.column.row_bytes;
        let mut pages = self.pages(reader)?;
        let mut is_left = false;
        while let Some(page) = pages.get_next_page().map_err(Error::parquet(&self.shard.path))? {
            if wanted.row >= wanted.rows.end {
                is_left = true;
                break;
            }
            let values = plain_values(&page, row_bytes).map_err(|problem| self.error(problem))?;
            let rows = u64::try_from(values.len() / row_bytes).unwrap_or(u64::MAX);
            wanted.page(self, rows, |overlap, out| {
                let start = overlap.start as usize * row_bytes;
                out.copy_from_slice(&values[start..start + out.len()]);
                Ok(())
            })?;
        }
        self.check_end(wanted, is_left)
    }

    /// Fails where the pages have ended before the rows, or the other way round.
    fn check_end(&self, wanted: &Wanted<'_>, pages_are_left: bool) -> Result<()> {
        if wanted.row < wanted.rows.end {
            return Err(self.error("has fewer rows than its group"));
        }
        if pages_are_left && wanted.row >= self.group_rows() {
            return Err(self.error(TOO_MANY));
        }
        Ok(())
    }

    fn error(&self, problem: &str) -> Error {
        Error::Page {
            path: self.shard.path.clone(),
            column: self.column.descriptor.name().to_owned(),
            row_group: self.group,
            problem: problem.to_owned(),
        }
    }

    /// Fails unless the page at byte `offset` has its checksum.
    fn check(&self, offset: u64, page: &PlainPage, stored: &[u8]) -> Result<()> {
        let Some(expected) = page.checksum else { return Ok(()) };
        let found = crc32fast::hash(stored);
        if found == expected {
            return Ok(());
        }
        let (path, column) = (self.shard.path.clone(), self.column.descriptor.name().to_owned());
        Err(Error::Checksum { path, column, offset, expected, found })
    }

    fn pages(&self, reader: BlobReader) -> Result<SerializedPageReader<BlobReader>> {
        let rows = self.group_rows() as usize;
        let pages = self
            .chunk()
            .metadata(&self.column.descriptor)
            .and_then(|chunk| SerializedPageReader::new(Arc::new(reader), &chunk, rows, None));
        pages.map_err(Error::parquet(&self.shard.path))
    }
}

impl Wanted<'_> {
    /// Has `read` put what is wanted of the next page, which has `rows` rows, where it belongs: it is
    /// told which rows of the page those are.
    fn page(
        &mut self,
        chunk: &Chunked<'_>,
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
struct Stored<'a> {
    reader: &'a BlobReader,
    /// Where its values begin.
    at: u64,
    page: &'a PlainPage,
}

impl Stored<'_> {
    /// Puts the rows `rows` of the page into `out`, whose length is theirs.
    fn read(&self, chunk: &Chunked<'_>, rows: Range<u32>, out: &mut [u8]) -> Result<()> {
        let page = self.page;
        if out.len() as u64 == page.plain && page.stored == page.plain && !page.is_compressed {
            self.reader.read_into(self.at, out)?;
            return chunk.check(self.at, page, out);
        }
        let mut stored = vec![0; page.stored as usize];
        self.reader.read_into(self.at, &mut stored)?;
        chunk.check(self.at, page, &stored)?;
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
struct PlainPage {
    header_bytes: u64,
    /// Bytes in the file, and of the values.
    stored: u64,
    plain: u64,
    is_compressed: bool,
    rows: u64,
    checksum: Option<u32>,
}

impl PlainPage {
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
