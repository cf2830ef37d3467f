//! A shard as saekit writes them: its footer checked once, its pages read on demand.

use std::ops::Range;
use std::path::Path;

use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::ColumnDescPtr;

use super::native_pages::{Column, ColumnChunkReader, ShardFile};
use crate::error::{DamageError, Error, OpenError, Result};
use crate::format::manifest::{ColumnInfo, Manifest, ShardInfo, in_words};
use crate::format::names::{BYTE_ORDER_KEY, DTYPE_KEY, LITTLE, POSITION, SEQUENCE};
use crate::parquet::blob::{check_rows, read_footer};
use crate::shard::Shard;
use crate::storage::{Storage, open_sized};

/// Pages of a store whose places are kept at most, about.
const PAGES_KEPT: u64 = 1 << 18;

/// A shard whose footer agrees with the manifest. Of the footer only what reading takes is kept:
/// a store may have many shards.
#[derive(Debug)]
pub(crate) struct NativeShard {
    file: ShardFile,
    /// The manifest's columns, in its order.
    columns: Vec<Column>,
    /// Sequence and position.
    tokens: Option<[Column; 2]>,
    /// See [`Shard::slice_rows`]: the rows of a page, or of several small ones.
    slice_rows: Option<u32>,
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
        let pages_kept = pages_kept(&metadata, info, manifest);
        let file = ShardFile { path, blob, group_rows, pages_kept };
        let mut shard = Self { file, columns, tokens, slice_rows: None };
        if !shard.file.blob.is_remote() {
            shard.slice_rows = shard.measure_slices();
        }
        Ok(shard)
    }

    /// Measures [`Shard::slice_rows`] by reading the header of a page.
    fn measure_slices(&self) -> Option<u32> {
        let column = self.columns.iter().max_by_key(|column| column.row_bytes)?;
        let group = self.file.group_rows.iter().position(|rows| *rows > 0)?;
        ColumnChunkReader { file: &self.file, group, column }.measure_slices()
    }
}

/// Pages whose places may be kept of each chunk of the shard `info`, so that those of all shards have
/// bounded memory.
fn pages_kept(metadata: &ParquetMetaData, info: &ShardInfo, manifest: &Manifest) -> u64 {
    let all: f64 = manifest.shards.iter().map(|shard| shard.bytes as f64).sum();
    let of_shard = PAGES_KEPT as f64 * info.bytes as f64 / all.max(1.0);
    let columns = metadata.file_metadata().schema_descr().num_columns();
    of_shard as u64 / (metadata.num_row_groups() * columns).max(1) as u64
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
            return Err(OpenError::MissingColumn {
                path: self.path.to_owned(),
                column: name.to_owned(),
                available: in_words(names.iter().map(String::as_str)),
            }
            .into());
        };
        let found = &columns[index];
        let nullable = found.max_def_level() > 0 || found.max_rep_level() > 0;
        let nulls = || Some("a column without nulls".to_owned()).filter(|_| nullable);
        if let Some(expected) = check(found).or_else(nulls) {
            return Err(DamageError::ColumnType {
                path: self.path.to_owned(),
                column: name.to_owned(),
                expected,
                found: describe(found),
            }
            .into());
        }
        let groups = self.metadata.row_groups().iter();
        Ok(Column::new(found, row_bytes, groups.map(|group| group.column(index))))
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
        Err(DamageError::FooterKey {
            path: self.path.to_owned(),
            key: key.to_owned(),
            expected: expected.to_owned(),
            found: found.map(str::to_owned),
        }
        .into())
    }

    fn key(&self, key: &str) -> Option<&str> {
        let keys = self.metadata.file_metadata().key_value_metadata()?;
        keys.iter().find(|entry| entry.key == key)?.value.as_deref()
    }
}

/// The type that `column` should have, if `found` has another.
fn activations(column: &ColumnInfo, found: &ColumnDescPtr) -> Option<String> {
    let bytes = column.row_bytes();
    let fits = found.physical_type() == PhysicalType::FIXED_LEN_BYTE_ARRAY
        && usize::try_from(found.type_length()).ok() == Some(bytes);
    (!fits).then(|| {
        format!("FIXED_LEN_BYTE_ARRAY({bytes}), required: {} x {}", column.width, column.dtype)
    })
}

/// The type that a sequence or a position should have, if `found` has another.
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

impl Shard for NativeShard {
    fn path(&self) -> &Path {
        &self.file.path
    }

    fn group_rows(&self) -> &[u32] {
        &self.file.group_rows
    }

    fn slice_rows(&self) -> Option<u32> {
        self.slice_rows
    }

    fn min_slice_rows(&self) -> Option<u32> {
        self.slice_rows.or_else(|| self.measure_slices())
    }

    fn read_column(
        &self,
        group: usize,
        rows: Range<u32>,
        column: usize,
        out: &mut [u8],
    ) -> Result<()> {
        let column = &self.columns[column];
        ColumnChunkReader { file: &self.file, group, column }.read(&rows, out)
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
            let chunk = ColumnChunkReader { file: &self.file, group, column };
            chunk.read(&rows, bytemuck::cast_slice_mut(out))?;
        }
        Ok(())
    }
}
