//! Parquet: a document per row, from one column of strings, of bytes or of lists of integers.
//!
//! Columns are read a few rows at a time and without Arrow's arrays: a string that a page has once and
//! many rows is in memory once, and what a writer adds about Arrow's types is not looked at.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ConvertedType, Type as Physical};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};
use saekit_core::{Error as CoreError, input};

use super::pages::{Input, pages};
use super::rows::Rows;
use super::{Fields, Format, damage};
use crate::corpus::CorpusWriter;
use crate::error::{Error, Result};
use crate::place::Place;

pub(super) const FORMAT: Format = Format { extensions: &["parquet", "pq"], packed: false, read };

/// Most rows decoded at a time: few, since a row is a whole document.
const ROWS: u64 = 64;
/// Bytes to be decoded at a time, if the footer tells the truth.
const BYTES: u64 = 16 << 20;

fn read(path: &Path, fields: &Fields, corpus: &mut CorpusWriter<'_>) -> Result<()> {
    let input = Input::new(input::open(path)?).map_err(CoreError::io("read", path))?;
    damage::refuse_stand_in(path, b"PAR1")?;
    damage::caught(path, || documents(path, &Arc::new(input), fields, corpus))
}

fn documents(
    path: &Path,
    input: &Arc<Input>,
    fields: &Fields,
    corpus: &mut CorpusWriter<'_>,
) -> Result<()> {
    let footer = ParquetMetaDataReader::new().parse_and_finish(&**input);
    let footer = footer.map_err(|error| invalid(path, error))?;
    let schema = footer.file_metadata().schema_descr();
    let roots = schema.root_schema().get_fields();
    let root_of = |name: &str| roots.iter().position(|root| root.name() == name);
    let (field, root) = fields.find(root_of).ok_or_else(|| {
        fields.missing(Place::File(path), roots.iter().map(|root| root.name()), roots.len())
    })?;
    let mut rows = Rows { path, field, first: 0 };
    let (leaf, kind) = Column::of(schema, root).map_err(|found| rows.wrong_type(0, &found))?;
    for (number, group) in footer.row_groups().iter().enumerate() {
        let column = Chunk { input, footer: &footer, group, leaf };
        let found = match kind {
            Column::Texts => column.texts(rows, corpus)?,
            Column::Ids32 { list, signed } => {
                let id = |id: i32| if signed { id.into() } else { i64::from(id.cast_unsigned()) };
                column.ids::<Int32Type>(rows, list, id, corpus)?
            }
            Column::Ids64 { list } => column.ids::<Int64Type>(rows, list, |id| id, corpus)?,
        };
        if i64::try_from(found) != Ok(group.num_rows()) {
            let said = group.num_rows();
            let reason = format!("row group {number} has {found} rows, its footer says {said}");
            return Err(Error::damaged(path, &reason));
        }
        rows.first += found;
    }
    Ok(())
}

fn invalid(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::General(reason) | ParquetError::EOF(reason) => Error::damaged(path, &reason),
        other => Error::damaged(path, &other.to_string()),
    }
}

/// What a column holds that can be read.
#[derive(Clone, Copy)]
enum Column {
    /// Strings, or bytes that are UTF-8.
    Texts,
    /// Lists of integers of up to 32 bits. An element is there from definition level `list` on.
    Ids32 { list: i16, signed: bool },
    /// Lists of longer integers, the same.
    Ids64 { list: i16 },
}

impl Column {
    /// The leaf below number `root`, and what it holds; otherwise what is there instead.
    fn of(schema: &SchemaDescriptor, root: usize) -> Result<(usize, Self), String> {
        let mut leaves =
            (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == root);
        let (Some(leaf), None) = (leaves.next(), leaves.next()) else {
            return Err("a column of structs; name a column of strings".to_owned());
        };
        let column = schema.column(leaf);
        let kind = match (column.max_rep_level(), column.physical_type()) {
            (0, Physical::BYTE_ARRAY) => Some(Self::Texts),
            (1, physical) if is_integer(&column) => {
                let list = level_of_list(&schema.root_schema().get_fields()[root]);
                match physical {
                    Physical::INT32 => Some(Self::Ids32 { list, signed: is_signed(&column) }),
                    Physical::INT64 => Some(Self::Ids64 { list }),
                    _ => None,
                }
            }
            _ => None,
        };
        let physical = column.physical_type();
        let lists =
            ["", "lists of ", "nested lists of "][column.max_rep_level().clamp(0, 2) as usize];
        let as_what = match column.converted_type() {
            ConvertedType::NONE => physical.to_string(),
            known => format!("{physical} ({known})"),
        };
        kind.map(|kind| (leaf, kind)).ok_or_else(|| format!("a column of {lists}{as_what}"))
    }
}

fn is_integer(column: &ColumnDescriptor) -> bool {
    use ConvertedType::{INT_8, INT_16, INT_32, INT_64, NONE};
    let signed = matches!(column.converted_type(), NONE | INT_8 | INT_16 | INT_32 | INT_64);
    signed || !is_signed(column)
}

fn is_signed(column: &ColumnDescriptor) -> bool {
    use ConvertedType::{UINT_8, UINT_16, UINT_32, UINT_64};
    !matches!(column.converted_type(), UINT_8 | UINT_16 | UINT_32 | UINT_64)
}

/// The definition level from which on the list in `root` has an element.
fn level_of_list(root: &Type) -> i16 {
    let mut level = 0;
    let mut node = root;
    loop {
        let info = node.get_basic_info();
        let repetition = info.has_repetition().then(|| info.repetition());
        level +=
            i16::from(!matches!(repetition, None | Some(parquet::basic::Repetition::REQUIRED)));
        let repeated = repetition == Some(parquet::basic::Repetition::REPEATED);
        match node {
            Type::GroupType { fields, .. } if !repeated && !fields.is_empty() => node = &fields[0],
            _ => return level,
        }
    }
}

/// The values of one column in one row group.
struct Chunk<'a> {
    input: &'a Arc<Input>,
    footer: &'a ParquetMetaData,
    group: &'a RowGroupMetaData,
    leaf: usize,
}

impl Chunk<'_> {
    fn reader<T: DataType>(&self, path: &Path) -> Result<ColumnReaderImpl<T>> {
        let pages =
            pages(self.input, self.group, self.leaf).map_err(|error| invalid(path, error))?;
        let schema = self.footer.file_metadata().schema_descr();
        Ok(ColumnReaderImpl::new(schema.column(self.leaf), pages))
    }

    /// Rows that come to about [`BYTES`].
    fn rows_at_a_time(&self) -> usize {
        let bytes = self.group.column(self.leaf).uncompressed_size().unsigned_abs();
        let row = bytes / self.group.num_rows().unsigned_abs().max(1);
        (BYTES / row.max(1)).clamp(1, ROWS) as usize
    }

    /// Hands over every row, and returns how many there are.
    fn texts(&self, mut rows: Rows<'_>, corpus: &mut CorpusWriter<'_>) -> Result<u64> {
        let mut reader = self.reader::<ByteArrayType>(rows.path)?;
        let present = self.group.column(self.leaf).column_descr().max_def_level();
        let (first, most) = (rows.first, self.rows_at_a_time());
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        loop {
            let read = reader.read_records(most, Some(&mut levels), None, &mut values);
            let (count, ..) = read.map_err(|error| invalid(rows.path, error))?;
            if count == 0 {
                return Ok(rows.first - first);
            }
            let mut texts = values.iter();
            for i in 0..count {
                match levels.get(i) {
                    Some(level) if *level < present => corpus.null()?,
                    _ => rows.bytes(i, texts.next().map_or(&[][..], |text| text.data()), corpus)?,
                }
            }
            rows.first += count as u64;
            levels.clear();
            values.clear();
        }
    }

    /// Hands over every row, and returns how many there are.
    fn ids<T: DataType>(
        &self,
        mut rows: Rows<'_>,
        list: i16,
        id: impl Fn(T::T) -> i64,
        corpus: &mut CorpusWriter<'_>,
    ) -> Result<u64> {
        let mut reader = self.reader::<T>(rows.path)?;
        let present = self.group.column(self.leaf).column_descr().max_def_level();
        let (first, most) = (rows.first, self.rows_at_a_time());
        let (mut levels, mut starts, mut values) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let read = reader.read_records(most, Some(&mut levels), Some(&mut starts), &mut values);
            let (count, ..) = read.map_err(|error| invalid(rows.path, error))?;
            if count == 0 {
                return Ok(rows.first - first);
            }
            let mut ids = values.drain(..).map(&id);
            let begins: Vec<usize> = (0..starts.len()).filter(|at| starts[*at] == 0).collect();
            if begins.len() != count {
                return Err(Error::damaged(rows.path, "its lists do not begin where its rows do"));
            }
            let ends = begins.iter().skip(1).copied().chain([starts.len()]);
            for (i, (begin, end)) in begins.iter().copied().zip(ends).enumerate() {
                let levels = &levels[begin..end];
                if levels[0] < list - 1 {
                    corpus.null()?;
                    continue;
                }
                if levels.iter().any(|level| (list..present).contains(level)) {
                    return Err(rows.wrong_type(i, "a list with nulls"));
                }
                let size = levels.iter().filter(|level| **level == present).count();
                corpus.ids(rows.place(i), &ids.by_ref().take(size).collect::<Vec<_>>())?;
            }
            rows.first += count as u64;
            levels.clear();
            starts.clear();
        }
    }
}
