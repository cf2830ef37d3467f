//! One shard of an open store: its footer checked once, its pages read on demand.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Encoding, Type as PhysicalType};
use parquet::column::page::{Page, PageReader as _};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;
use saekit_core::files::sha256_file;

use crate::layout::{BYTE_ORDER_KEY, DTYPE_KEY, LITTLE, POSITION, SEQUENCE};
use crate::manifest::in_words;
use crate::{ColumnInfo, Error, Manifest, Result, ShardInfo};

/// A shard whose footer agrees with the manifest.
#[derive(Debug)]
pub(crate) struct Shard {
    path: PathBuf,
    bytes: u64,
    metadata: Arc<ParquetMetaData>,
    /// Parquet column of each of the manifest's.
    columns: Vec<usize>,
    /// Parquet columns of sequence and position.
    tokens: Option<[usize; 2]>,
}

/// A shard open for reading.
#[derive(Debug)]
pub(crate) struct OpenShard<'a> {
    shard: &'a Shard,
    file: Arc<File>,
}

/// Opens the file at `path` unless its size is not `bytes`.
pub(crate) fn open_sized(path: &Path, bytes: u64) -> Result<File> {
    let file = match File::open(path) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::MissingFile { path: path.to_owned() });
        }
        opened => opened.map_err(saekit_core::Error::io("read", path))?,
    };
    let found = file.metadata().map_err(saekit_core::Error::io("read", path))?.len();
    if found == bytes {
        return Ok(file);
    }
    Err(Error::Size { path: path.to_owned(), expected: bytes, found })
}

/// Fails unless the file at `path` has the hash `expected`.
pub(crate) fn check_sha256(path: &Path, expected: &str) -> Result<()> {
    let found = sha256_file(path)?;
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Error::Hash { path: path.to_owned(), expected: expected.to_owned(), found })
}

/// Reads the footer of `file`, which lies at `path` and should hold `rows` rows.
pub(crate) fn read_footer(file: &File, path: &Path, rows: u64) -> Result<Arc<ParquetMetaData>> {
    let metadata =
        ParquetMetaDataReader::new().parse_and_finish(file).map_err(Error::parquet(path))?;
    let bytes = file.metadata().map_err(saekit_core::Error::io("read", path))?.len();
    if !metadata.row_groups().iter().all(|group| is_plausible(group, bytes)) {
        let problem = "its footer describes row groups that cannot be in it".to_owned();
        return Err(Error::Parquet {
            path: path.to_owned(),
            source: ParquetError::General(problem),
        });
    }
    let found = metadata.row_groups().iter().map(|group| group.num_rows() as u64).sum();
    if found == rows {
        return Ok(Arc::new(metadata));
    }
    Err(Error::Rows { path: path.to_owned(), expected: rows, found })
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

impl Shard {
    /// Checks size, schema, row count and footer keys of the shard `info` of the store in `dir`.
    pub(crate) fn open(dir: &Path, info: &ShardInfo, manifest: &Manifest) -> Result<Self> {
        let path = dir.join(&info.file);
        let file = open_sized(&path, info.bytes)?;
        let metadata = read_footer(&file, &path, info.rows)?;
        let mut shard = Self { path, bytes: info.bytes, metadata, columns: vec![], tokens: None };
        shard.check_key(BYTE_ORDER_KEY, LITTLE)?;
        for column in &manifest.columns {
            shard.check_dtype(column)?;
            let index = shard.find(column.name.as_str(), |found| activations(column, found))?;
            shard.columns.push(index);
        }
        if manifest.has_tokens() {
            shard.tokens = Some([shard.find(SEQUENCE, number)?, shard.find(POSITION, number)?]);
        }
        Ok(shard)
    }

    /// Rows of each row group.
    pub(crate) fn group_rows(&self) -> impl Iterator<Item = usize> {
        self.metadata.row_groups().iter().map(|group| group.num_rows() as usize)
    }

    /// Opens the file again; fails where it was replaced by one of another size.
    pub(crate) fn file(&self) -> Result<OpenShard<'_>> {
        Ok(OpenShard { shard: self, file: Arc::new(open_sized(&self.path, self.bytes)?) })
    }

    /// The parquet column called `name`, whose type `check` may object to.
    fn find(&self, name: &str, check: impl Fn(&ColumnDescPtr) -> Option<String>) -> Result<usize> {
        let columns = self.metadata.file_metadata().schema_descr().columns();
        let named = |column: &ColumnDescPtr| column.path().parts() == [name];
        let Some(index) = columns.iter().position(named) else {
            let names: Vec<_> = columns.iter().map(|column| column.path().string()).collect();
            return Err(Error::MissingColumn {
                path: self.path.clone(),
                column: name.to_owned(),
                available: in_words(names.iter().map(String::as_str)),
            });
        };
        let found = &columns[index];
        let nullable = found.max_def_level() > 0 || found.max_rep_level() > 0;
        let nulls = || Some("a column without nulls".to_owned()).filter(|_| nullable);
        match check(found).or_else(nulls) {
            None => Ok(index),
            Some(expected) => Err(Error::ColumnType {
                path: self.path.clone(),
                column: name.to_owned(),
                expected,
                found: describe(found),
            }),
        }
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
            path: self.path.clone(),
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

impl OpenShard<'_> {
    /// Reads column `column` of the manifest in row group `group` into `out`, which is as long as
    /// its payload and aligned to the value; `info` is the column's entry in the manifest.
    pub(crate) fn read_activations(
        &self,
        group: usize,
        column: usize,
        info: &ColumnInfo,
        out: &mut [u8],
    ) -> Result<()> {
        let column = self.shard.columns[column];
        self.read_column(group, column, info.row_bytes(), out, |first, page| {
            let Some(at) = info.dtype.first_non_finite(page) else { return Ok(()) };
            let value = info.dtype.value(page, at);
            Err(self.non_finite(group, info, first * info.width + at, value))
        })
    }

    /// Reads sequences and positions of row group `group`.
    pub(crate) fn read_tokens(
        &self,
        group: usize,
        sequences: &mut [u32],
        positions: &mut [u32],
    ) -> Result<()> {
        let Some(columns) = self.shard.tokens else { return Ok(()) };
        for (column, out) in columns.into_iter().zip([sequences, positions]) {
            self.read_column(group, column, 4, bytemuck::cast_slice_mut(out), |_, _| Ok(()))?;
        }
        Ok(())
    }

    /// Copies the values of a column, `row_bytes` each, to `out`; `check` sees each page with the
    /// number of its first row while it is in the cache.
    fn read_column(
        &self,
        group: usize,
        column: usize,
        row_bytes: usize,
        out: &mut [u8],
        check: impl Fn(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let fail = |problem| Err(self.page_error(group, column, problem));
        let mut pages = self.pages(group, column)?;
        let mut filled = 0;
        while let Some(page) = pages.get_next_page().map_err(Error::parquet(&self.shard.path))? {
            let values = match plain_values(&page, row_bytes) {
                Ok(values) => values,
                Err(problem) => return fail(problem),
            };
            let Some(target) = out.get_mut(filled..filled + values.len()) else {
                return fail("has more rows than its group");
            };
            target.copy_from_slice(values);
            check(filled / row_bytes, target)?;
            filled += values.len();
        }
        if filled == out.len() { Ok(()) } else { fail("has fewer rows than its group") }
    }

    fn pages(&self, group: usize, column: usize) -> Result<SerializedPageReader<File>> {
        let group = self.shard.metadata.row_group(group);
        let rows = group.num_rows() as usize;
        SerializedPageReader::new(Arc::clone(&self.file), group.column(column), rows, None)
            .map_err(Error::parquet(&self.shard.path))
    }

    fn page_error(&self, row_group: usize, column: usize, problem: &str) -> Error {
        let schema = self.shard.metadata.file_metadata().schema_descr();
        Error::Page {
            path: self.shard.path.clone(),
            column: schema.column(column).name().to_owned(),
            row_group,
            problem: problem.to_owned(),
        }
    }

    /// The error for value number `at` of row group `group`.
    fn non_finite(&self, group: usize, info: &ColumnInfo, at: usize, value: f32) -> Error {
        let before: usize = self.shard.group_rows().take(group).sum();
        Error::StoredNonFinite {
            path: self.shard.path.clone(),
            column: info.name.to_string(),
            row: (before + at / info.width) as u64,
            element: at % info.width,
            value,
        }
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
