//! A shard as saekit writes them: its footer checked once, its pages read on demand.

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

    fn read_column(&self, group: usize, column: usize, out: &mut [u8]) -> Result<()> {
        self.read(group, &self.columns[column], out)
    }

    fn read_tokens(
        &self,
        group: usize,
        sequences: &mut [u32],
        positions: &mut [u32],
    ) -> Result<()> {
        let Some([sequence, position]) = &self.tokens else { return Ok(()) };
        self.read(group, sequence, bytemuck::cast_slice_mut(sequences))?;
        self.read(group, position, bytemuck::cast_slice_mut(positions))
    }
}

impl NativeShard {
    /// Copies the values of a column in a row group to `out`.
    fn read(&self, group: usize, column: &Column, out: &mut [u8]) -> Result<()> {
        let chunk = column.chunks[group];
        let reader = BlobReader::for_range(&self.blob, chunk.start, chunk.bytes)?;
        if chunk.compression == Compression::UNCOMPRESSED
            && self.read_plain(group, column, &reader, out)?
        {
            return Ok(());
        }
        let mut pages = self.pages(group, column, reader)?;
        let mut filled = 0;
        while let Some(page) = pages.get_next_page().map_err(Error::parquet(&self.path))? {
            let values = plain_values(&page, column.row_bytes)
                .map_err(|problem| self.page_error(group, column, problem))?;
            let target = out.get_mut(filled..filled + values.len());
            let target = target.ok_or_else(|| self.page_error(group, column, TOO_MANY))?;
            target.copy_from_slice(values);
            filled += values.len();
        }
        self.check_filled(group, column, filled == out.len())
    }

    /// [`read`](Self::read) of pages that lie as saekit writes them, straight to where they belong;
    /// false at a page that does not.
    fn read_plain(
        &self,
        group: usize,
        column: &Column,
        reader: &BlobReader,
        out: &mut [u8],
    ) -> Result<bool> {
        let chunk = column.chunks[group];
        let (mut at, end) = (chunk.start, chunk.start + chunk.bytes);
        let mut filled = 0;
        let mut head = [0; HEADER_BYTES];
        while at < end {
            let head = &mut head[..(end - at).min(HEADER_BYTES as u64) as usize];
            reader.read_into(at, head)?;
            let Some(page) = PlainPage::parse(head, column.row_bytes) else { return Ok(false) };
            at += page.header_bytes;
            let target = out.get_mut(filled..filled + page.bytes);
            let (Some(target), true) = (target, page.bytes as u64 <= end - at) else {
                return Err(self.page_error(group, column, TOO_MANY));
            };
            reader.read_into(at, target)?;
            if let Some(expected) = page.checksum {
                self.check(column, at, expected, crc32fast::hash(target))?;
            }
            filled += page.bytes;
            at += page.bytes as u64;
        }
        self.check_filled(group, column, filled == out.len()).map(|()| true)
    }

    /// Fails unless the page at byte `offset` has its checksum.
    fn check(&self, column: &Column, offset: u64, expected: u32, found: u32) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        let (path, column) = (self.path.clone(), column.descriptor.name().to_owned());
        Err(Error::Checksum { path, column, offset, expected, found })
    }

    fn check_filled(&self, group: usize, column: &Column, is_full: bool) -> Result<()> {
        if is_full {
            return Ok(());
        }
        Err(self.page_error(group, column, "has fewer rows than its group"))
    }

    fn page_error(&self, group: usize, column: &Column, problem: &str) -> Error {
        Error::Page {
            path: self.path.clone(),
            column: column.descriptor.name().to_owned(),
            row_group: group,
            problem: problem.to_owned(),
        }
    }

    fn pages(
        &self,
        group: usize,
        column: &Column,
        reader: BlobReader,
    ) -> Result<SerializedPageReader<BlobReader>> {
        let (chunk, rows) = (column.chunks[group], self.group_rows[group] as usize);
        let pages = chunk
            .metadata(&column.descriptor)
            .and_then(|chunk| SerializedPageReader::new(Arc::new(reader), &chunk, rows, None));
        pages.map_err(Error::parquet(&self.path))
    }
}

/// A page without levels whose values lie one after the other, uncompressed.
struct PlainPage {
    header_bytes: u64,
    bytes: usize,
    checksum: Option<u32>,
}

impl PlainPage {
    /// The page whose header begins `head`, where it is such a page of values of `row_bytes` each.
    fn parse(head: &[u8], row_bytes: usize) -> Option<Self> {
        let header = Header::parse(head).ok()?;
        let is_plain = matches!(header.content, Content::Data { .. })
            && header.encoding == PLAIN
            && header.stored == header.plain
            && header.values.checked_mul(row_bytes as u64) == Some(header.stored);
        is_plain.then_some(Self {
            header_bytes: header.bytes,
            bytes: usize::try_from(header.stored).ok()?,
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
