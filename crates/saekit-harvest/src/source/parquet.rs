//! Parquet: a document a row, from one column of strings or of lists of integers.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use saekit_core::Error as CoreError;

use super::{Fields, Format, Place};
use crate::corpus::Spool;
use crate::error::{Error, Result};

pub(super) const FORMAT: Format = Format { extension: "parquet", read };

/// Rows decoded at a time: few, since a row is a whole document.
const ROWS: usize = 64;

fn read(path: &Path, fields: &Fields, spool: &mut Spool<'_>) -> Result<()> {
    let file = File::open(path).map_err(CoreError::io("read", path))?;
    let invalid = |source| Error::Parquet { path: path.to_owned(), source };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(invalid)?;
    let schema = builder.schema().clone();
    let (field, column) = fields.find(|name| schema.index_of(name).ok()).ok_or_else(|| {
        fields.missing(Place::File(path), schema.fields().iter().map(|field| field.name().as_str()))
    })?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), [column]);
    let reader = builder.with_projection(mask).with_batch_size(ROWS).build().map_err(invalid)?;
    let mut row = 0;
    for batch in reader {
        let batch = batch.map_err(|source| invalid(parquet_error(source)))?;
        push(batch.column(0), Rows { path, field, first: row }, spool)?;
        row += batch.num_rows() as u64;
    }
    Ok(())
}

/// Some rows of one column.
#[derive(Clone, Copy)]
struct Rows<'a> {
    path: &'a Path,
    field: &'a str,
    first: u64,
}

impl<'a> Rows<'a> {
    fn place(&self, i: usize) -> Place<'a> {
        Place::Row(self.path, self.first + i as u64)
    }

    fn wrong_type(&self, i: usize, found: &str) -> Error {
        let (place, field) = (self.place(i).to_string(), self.field.to_owned());
        Error::WrongType { place, field, found: found.to_owned() }
    }
}

fn push(column: &ArrayRef, rows: Rows<'_>, spool: &mut Spool<'_>) -> Result<()> {
    if let Some(i) = (0..column.len()).find(|i| column.is_null(*i)) {
        return Err(rows.wrong_type(i, "null"));
    }
    let cast_to = |to: &DataType| {
        cast(column, to).map_err(|source| Error::Parquet {
            path: rows.path.to_owned(),
            source: parquet_error(source),
        })
    };
    match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            push_texts(cast_to(&DataType::Utf8)?.as_string::<i32>(), rows, spool)
        }
        DataType::Dictionary(_, values) if values.is_string() => {
            push_texts(cast_to(&DataType::Utf8)?.as_string::<i32>(), rows, spool)
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if item.data_type().is_integer() =>
        {
            let to = DataType::new_large_list(DataType::Int64, true);
            let lists = cast_to(&to)?;
            let lists = lists.as_list::<i64>();
            for i in 0..lists.len() {
                let ids = lists.value(i);
                let ids: &Int64Array = ids.as_primitive::<Int64Type>();
                if ids.null_count() > 0 {
                    return Err(rows.wrong_type(i, "a list with nulls"));
                }
                spool.ids(rows.place(i), ids.values())?;
            }
            Ok(())
        }
        other => Err(rows.wrong_type(0, &format!("a column of {other}"))),
    }
}

fn push_texts(texts: &StringArray, rows: Rows<'_>, spool: &mut Spool<'_>) -> Result<()> {
    (0..texts.len()).try_for_each(|i| spool.text(rows.place(i), texts.value(i)))
}

fn parquet_error(error: ArrowError) -> ParquetError {
    match error {
        ArrowError::ParquetError(message) => ParquetError::General(message),
        other => ParquetError::ArrowError(other.to_string()),
    }
}
