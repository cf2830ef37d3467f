//! The tokens table: one row per sequence.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array as _, AsArray, ListArray, RecordBatch, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result as ParquetResult;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use saekit_core::border::caught;
use saekit_core::files::{HashingWriter, partial_path};

use saekit_core::TokenizedSequence;

use crate::error::{DamageError, Error, OpenError, Result, StreamError};
use crate::format::manifest::{FileInfo, in_words};
use crate::format::names::TOKENS;
use crate::parquet::blob::{BlobReader, check_rows, read_footer};
use crate::parquet::errors::into_io;
use crate::parquet::row_groups::RowGroups;
use crate::shard::Shard;
use crate::storage::{Blob, Storage, check_sha256, open_sized};

/// The columns, in order.
const COLUMNS: [&str; 4] = ["token_ids", "document", "byte_start", "byte_end"];
/// Tokens after which a row group is written: 4 MiB of numbers.
const GROUP_TOKENS: usize = 1 << 18;
/// Sequences after which a row group is written, however short they are.
const GROUP_SEQUENCES: usize = 1 << 16;

/// The fields of a sequence in the order of [`COLUMNS`].
fn fields(sequence: &TokenizedSequence) -> [&[u32]; 4] {
    let TokenizedSequence { ids, documents, byte_starts, byte_ends } = sequence;
    [ids, documents, byte_starts, byte_ends]
}

impl fmt::Debug for TokensWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokensWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Writes the tokens table, a row group at a time.
pub(crate) struct TokensWriter {
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<HashingWriter<BufWriter<File>>>,
    columns: [Vec<u32>; 4],
    lengths: Vec<usize>,
}

impl TokensWriter {
    /// Begins the table of the store in `dir`.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let path = dir.join(TOKENS);
        let partial = partial_path(&path);
        let file = File::create(&partial).map_err(saekit_core::Error::io("write", &path))?;
        let fields = COLUMNS.map(|name| Field::new(name, list_type(), false));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let out = HashingWriter::new(BufWriter::new(file));
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties()))
            .map_err(write_error(&path))?;
        Ok(Self { path, schema, writer, columns: Default::default(), lengths: Vec::new() })
    }

    /// Appends a sequence.
    pub(crate) fn push(&mut self, sequence: &TokenizedSequence) -> Result<()> {
        for (name, field) in COLUMNS.iter().zip(fields(sequence)) {
            let what = format!("number of `{name}` of a sequence");
            saekit_core::Error::check_size(&what, sequence.ids.len(), field.len())?;
        }
        for (column, field) in self.columns.iter_mut().zip(fields(sequence)) {
            column.extend_from_slice(field);
        }
        self.lengths.push(sequence.ids.len());
        if self.columns[0].len() >= GROUP_TOKENS || self.lengths.len() >= GROUP_SEQUENCES {
            self.flush().map_err(write_error(&self.path))?;
        }
        Ok(())
    }

    /// Writes what is left and gives the file its name.
    pub(crate) fn finish(mut self) -> Result<FileInfo> {
        let named = self.path.clone();
        let write = move || -> io::Result<FileInfo> {
            self.flush().map_err(into_io)?;
            let hashing = self.writer.into_inner().map_err(into_io)?;
            let (out, sha256, bytes) = hashing.finish();
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            fs::rename(partial_path(&self.path), &self.path)?;
            Ok(FileInfo { file: TOKENS.to_owned(), bytes, sha256 })
        };
        Ok(write().map_err(saekit_core::Error::io("write", &named))?)
    }

    /// Writes the waiting sequences as a row group.
    fn flush(&mut self) -> ParquetResult<()> {
        if self.lengths.is_empty() {
            return Ok(());
        }
        let offsets = OffsetBuffer::<i32>::from_lengths(self.lengths.drain(..));
        let lists = self.columns.iter_mut().map(|column| {
            let values = Arc::new(UInt32Array::from(std::mem::take(column)));
            Arc::new(ListArray::new(item(), offsets.clone(), values, None)) as _
        });
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), lists.collect())?;
        self.writer.write(&batch)?;
        self.writer.flush()
    }
}

fn write_error(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Error {
    let path = path.to_owned();
    move |error| saekit_core::Error::io("write", &path)(into_io(error)).into()
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::UInt32, false))
}

fn list_type() -> DataType {
    DataType::List(item())
}

fn properties() -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("saekit ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::None);
    for name in &COLUMNS[2..] {
        // Offsets ascend, so their differences are small.
        let path =
            ColumnPath::from(vec![(*name).to_owned(), "list".to_owned(), "element".to_owned()]);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

/// The tokens of an open store: its tokens table, or a column of files of other tools.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    sequences: u32,
    source: Source,
}

/// Where tokens are read from.
#[derive(Debug)]
enum Source {
    Table(Table),
    /// Files, each with the number of its first sequence.
    Columns(Vec<(u32, Arc<dyn Shard>)>),
}

/// A table in parquet.
#[derive(Debug)]
struct Table {
    blob: Arc<dyn Blob>,
    info: FileInfo,
    /// Set once the file was seen to have the manifest's hash.
    verified: OnceLock<()>,
    groups: RowGroups,
}

/// Sequences of files of other tools that are read at once.
const SEQUENCES_AT_ONCE: u32 = 256;

impl Tokens {
    /// Checks size, schema and row count of the table `info` of the store in `storage`.
    pub(crate) fn open(storage: &dyn Storage, info: &FileInfo, sequences: u64) -> Result<Self> {
        let path = storage.path(&info.file);
        let blob = open_sized(storage, &info.file, info.bytes)?;
        let footer = read_footer(&blob, &path)?;
        check_rows(&footer, &path, sequences)?;
        let groups = RowGroups::new(&footer);
        let metadata = groups.metadata(0..0).map_err(Error::parquet(&path))?;
        check_schema(metadata.schema(), &path)?;
        let (info, verified) = (info.clone(), OnceLock::new());
        let source = Source::Table(Table { blob, info, verified, groups });
        Ok(Self { path, sequences: sequences as u32, source })
    }

    /// The tokens of the `sequences` sequences in `shards`, files of other tools in the place `path`,
    /// each with the number of its first sequence, ascending.
    pub(crate) fn of_columns(
        path: PathBuf,
        shards: Vec<(u32, Arc<dyn Shard>)>,
        sequences: u32,
    ) -> Self {
        Self { path, sequences, source: Source::Columns(shards) }
    }

    /// Number of sequences.
    pub fn len(&self) -> u32 {
        self.sequences
    }

    /// True where there are no sequences.
    pub fn is_empty(&self) -> bool {
        self.sequences == 0
    }

    /// Ranges of sequences that are read together best: those of a row group.
    pub(crate) fn groups(&self) -> Vec<Range<u32>> {
        match &self.source {
            Source::Table(table) => {
                table.groups.rows().map(|rows| rows.start as u32..rows.end as u32).collect()
            }
            Source::Columns(_) => {
                let starts = (0..self.sequences).step_by(SEQUENCES_AT_ONCE as usize);
                let end = |start: u32| start.saturating_add(SEQUENCES_AT_ONCE).min(self.sequences);
                starts.map(|start| start..end(start)).collect()
            }
        }
    }

    /// The sequences numbered `range`. Memory is bounded by the requested sequences and one row group.
    ///
    /// The first call reads the whole file to compare its hash with the manifest's.
    pub fn read(&self, range: Range<u32>) -> Result<Vec<TokenizedSequence>> {
        let Range { start, end } = range;
        if start > end || end > self.sequences {
            let (path, sequences) = (self.path.clone(), self.sequences);
            return Err(StreamError::SequenceRange { path, start, end, sequences }.into());
        }
        if start == end {
            return Ok(Vec::new());
        }
        let sequences = match &self.source {
            // The hash tells of changes, but not of a table that was written wrongly.
            Source::Table(table) => caught(|| self.read_table(table, range.clone()))
                .unwrap_or_else(
                    |panic| Err(self.damaged(&format!("cannot be decoded: {panic}"))),
                )?,
            Source::Columns(shards) => self.read_columns(shards, range.clone())?,
        };
        if sequences.len() == (end - start) as usize {
            return Ok(sequences);
        }
        let (expected, found) = (u64::from(end - start), sequences.len() as u64);
        Err(DamageError::Rows { path: self.path.clone(), expected, found }.into())
    }

    fn read_table(&self, table: &Table, range: Range<u32>) -> Result<Vec<TokenizedSequence>> {
        let Range { start, end } = range;
        let groups = table.groups.holding(&(u64::from(start)..u64::from(end)));
        let offset = u64::from(start) - table.groups.start(groups.start);
        let metadata = table.groups.metadata(groups).map_err(Error::parquet(&self.path))?;
        let reader = self.reader(table)?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(reader, metadata)
            .with_offset(offset as usize)
            .with_limit((end - start) as usize)
            .build()
            .map_err(Error::parquet(&self.path))?;
        let mut sequences = Vec::new();
        for batch in reader {
            let batch = batch.map_err(|error| Error::parquet(&self.path)(error.into()))?;
            self.append(&batch, &mut sequences)?;
        }
        Ok(sequences)
    }

    /// Reads sequences of other tools. Each counts as a document; where its text lies is not known.
    fn read_columns(
        &self,
        shards: &[(u32, Arc<dyn Shard>)],
        range: Range<u32>,
    ) -> Result<Vec<TokenizedSequence>> {
        let mut sequences = Vec::new();
        let ends = shards.iter().skip(1).map(|(first, _)| *first).chain([self.sequences]);
        for ((first, shard), end) in shards.iter().zip(ends) {
            let (from, to) = (range.start.max(*first), range.end.min(end));
            if from >= to {
                continue;
            }
            let all = shard.read_token_ids(u64::from(from - first)..u64::from(to - first))?;
            for (number, ids) in (from..).zip(all) {
                let (documents, zeros) = (vec![number; ids.len()], vec![0; ids.len()]);
                let (byte_starts, byte_ends) = (zeros.clone(), zeros);
                sequences.push(TokenizedSequence { ids, documents, byte_starts, byte_ends });
            }
        }
        Ok(sequences)
    }

    /// The file; the first time, compares its hash, since a reader of compressed lists has no other
    /// way to notice a flipped bit.
    fn reader(&self, table: &Table) -> Result<BlobReader> {
        if table.verified.get().is_none() {
            check_sha256(&*table.blob, &self.path, &table.info.sha256)?;
            table.verified.get_or_init(|| ());
        }
        Ok(BlobReader::new(&table.blob))
    }

    fn append(&self, batch: &RecordBatch, out: &mut Vec<TokenizedSequence>) -> Result<()> {
        let column = |name: &str| batch.column_by_name(name).map(AsArray::as_list);
        let [Some(ids), Some(documents), Some(starts), Some(ends)] = COLUMNS.map(column) else {
            return Err(self.damaged("lost a column"));
        };
        for row in 0..batch.num_rows() {
            let [ids, documents, byte_starts, byte_ends] =
                [ids, documents, starts, ends].map(|list| numbers(list, row));
            let (Some(ids), Some(documents), Some(byte_starts), Some(byte_ends)) =
                (ids, documents, byte_starts, byte_ends)
            else {
                return Err(self.damaged("holds a null"));
            };
            let lengths = [&documents, &byte_starts, &byte_ends].map(Vec::len);
            if lengths != [ids.len(); 3] {
                return Err(self.damaged("has lists of different length in one row"));
            }
            out.push(TokenizedSequence { ids, documents, byte_starts, byte_ends });
        }
        Ok(())
    }

    fn damaged(&self, problem: &str) -> Error {
        let source = parquet::errors::ParquetError::General(format!("the table {problem}"));
        DamageError::Parquet { path: self.path.clone(), source }.into()
    }
}

/// The numbers in row `row`; `None` where there is a null.
fn numbers(lists: &ListArray, row: usize) -> Option<Vec<u32>> {
    if lists.is_null(row) {
        return None;
    }
    let list = lists.value(row);
    let values = list.as_primitive::<UInt32Type>();
    (values.null_count() == 0).then(|| values.values().to_vec())
}

fn check_schema(schema: &Schema, path: &Path) -> Result<()> {
    for name in COLUMNS {
        let Ok(field) = schema.field_with_name(name) else {
            return Err(OpenError::MissingColumn {
                path: path.to_owned(),
                column: name.to_owned(),
                available: in_words(schema.fields().iter().map(|field| field.name().as_str())),
            }
            .into());
        };
        let is_list = matches!(field.data_type(), DataType::List(item) if *item.data_type() == DataType::UInt32);
        if !is_list {
            return Err(DamageError::ColumnType {
                path: path.to_owned(),
                column: name.to_owned(),
                expected: "a list of uint32".to_owned(),
                found: field.data_type().to_string(),
            }
            .into());
        }
    }
    Ok(())
}
