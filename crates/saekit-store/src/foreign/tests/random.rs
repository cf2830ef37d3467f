//! Random files of arrow-rs hold what arrow-rs' own reader says.

use std::io::{Cursor, Write as _};
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, FixedSizeListArray, Float32Array, LargeListArray,
    ListArray, RecordBatch, UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float32Type, SchemaRef};
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest,
};
use proptest::test_runner::TestCaseResult;

use super::{opened, read};
use crate::foreign::ReadOptions;

/// Vectors as arrow-rs may be given them.
#[derive(Clone, Debug)]
struct Vectors {
    rows: usize,
    width: usize,
    values: DataType,
    /// 0 for a list of one length, 1 for lists, 2 for large lists.
    kind: u8,
    nullable: bool,
    /// How many different values there are, at most.
    distinct: u32,
    /// Rows of each batch that is written.
    batch_rows: usize,
}

impl Vectors {
    fn any() -> impl Strategy<Value = Self> {
        let values =
            prop_oneof![Just(DataType::Float16), Just(DataType::Float32), Just(DataType::Float64)];
        let sizes = (1_usize..120, prop_oneof![1_usize..20, 100_usize..300], 1_usize..60);
        let distinct = prop_oneof![1_u32..4, 5_u32..3000];
        (sizes, values, 0_u8..3, any::<bool>(), distinct).prop_map(
            |((rows, width, batch_rows), values, kind, nullable, distinct)| Self {
                rows,
                width,
                values,
                kind,
                nullable,
                distinct,
                batch_rows,
            },
        )
    }

    fn values(&self) -> ArrayRef {
        let mix = |i: u32| (i.wrapping_mul(2_654_435_761) >> 7) % self.distinct;
        let values = (0..(self.rows * self.width) as u32).map(|i| mix(i) as f32 / 16.0 - 3.0);
        let values: Float32Array = values.collect::<Vec<_>>().into();
        cast(&values, &self.values).unwrap()
    }

    fn column(&self) -> ArrayRef {
        let field = Arc::new(Field::new("item", self.values.clone(), self.nullable));
        let width = i32::try_from(self.width).unwrap();
        let lens = std::iter::repeat_n(self.width, self.rows);
        match self.kind {
            0 => Arc::new(FixedSizeListArray::new(field, width, self.values(), None)),
            1 => Arc::new(ListArray::new(
                field,
                OffsetBuffer::from_lengths(lens),
                self.values(),
                None,
            )),
            _ => Arc::new(LargeListArray::new(
                field,
                OffsetBuffer::from_lengths(lens),
                self.values(),
                None,
            )),
        }
    }

    fn batches(&self) -> (SchemaRef, Vec<RecordBatch>) {
        let numbers: ArrayRef =
            Arc::new(UInt32Array::from_iter_values((0..self.rows as u32).map(number)));
        let columns = [("acts", self.column()), ("row", numbers)];
        let columns = columns.map(|(name, column)| (name, column, self.nullable));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let starts = (0..self.rows).step_by(self.batch_rows);
        let batches =
            starts.map(|start| batch.slice(start, self.batch_rows.min(self.rows - start)));
        (batch.schema(), batches.collect())
    }
}

fn properties() -> impl Strategy<Value = WriterProperties> {
    let versions = prop_oneof![Just(WriterVersion::PARQUET_1_0), Just(WriterVersion::PARQUET_2_0)];
    let codecs =
        prop_oneof![Just(Compression::UNCOMPRESSED), Just(Compression::ZSTD(ZstdLevel::default()))];
    let sizes = (1_usize..4000, 1_usize..300, 1_usize..100);
    let encodings = prop_oneof![Just(Encoding::PLAIN), Just(Encoding::BYTE_STREAM_SPLIT)];
    (versions, codecs, sizes, any::<[bool; 3]>(), encodings).prop_map(
        |(version, codec, (page, values, group), [dictionary, index, delta], encoding)| {
            let numbers = if delta { Encoding::DELTA_BINARY_PACKED } else { Encoding::PLAIN };
            WriterProperties::builder()
                .set_writer_version(version)
                .set_compression(codec)
                .set_data_page_size_limit(page)
                .set_write_batch_size(values)
                .set_max_row_group_row_count(Some(group))
                .set_dictionary_enabled(dictionary)
                .set_dictionary_page_size_limit(page) // and goes on without one
                .set_offset_index_disabled(!index)
                .set_encoding(encoding)
                .set_column_encoding("row".into(), numbers)
                .build()
        },
    )
}

/// The sequence and the position of a row.
fn number(row: u32) -> u32 {
    row.wrapping_mul(2_654_435_761) >> (row % 30)
}

/// `rows` as the values of lists of `context` rows each.
fn in_contexts(rows: ArrayRef, context: usize) -> ArrayRef {
    let field = Arc::new(Field::new("item", rows.data_type().clone(), true));
    let lens = std::iter::repeat_n(context, rows.len() / context);
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lens), rows, None))
}

fn to_parquet(batches: &[RecordBatch], properties: WriterProperties) -> Vec<u8> {
    let mut bytes = Vec::new();
    let schema = batches[0].schema();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
    bytes
}

/// The vectors that arrow-rs reads.
fn vectors(batch: &RecordBatch) -> Vec<Vec<f32>> {
    let column = batch.column(0);
    let row = |row| {
        let values = match column.data_type() {
            DataType::FixedSizeList(..) => column.as_fixed_size_list().value(row),
            DataType::List(_) => column.as_list::<i32>().value(row),
            _ => column.as_list::<i64>().value(row),
        };
        let values = cast(&values, &DataType::Float32).unwrap();
        values.as_primitive::<Float32Type>().values().to_vec()
    };
    (0..column.len()).map(row).collect()
}

fn compare(file: &str, bytes: Vec<u8>, theirs: &RecordBatch, group_bytes: usize) -> TestCaseResult {
    let row = Some("row".to_owned());
    let options =
        ReadOptions { group_bytes, document: row.clone(), position: row, ..ReadOptions::default() };
    let ours = read(&opened(file, bytes, &options).unwrap()).unwrap();
    prop_assert_eq!(&ours.columns["acts"], &vectors(theirs));
    let rows: Vec<_> = (0..theirs.num_rows() as u32).map(|row| [number(row); 2]).collect();
    prop_assert_eq!(ours.tokens, rows);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parquet(
        vectors in Vectors::any(),
        properties in properties(),
        group_bytes in 1_usize..40_000,
    ) {
        let (_, batches) = vectors.batches();
        let bytes = to_parquet(&batches, properties);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file);
        let read: Vec<_> = reader.unwrap().build().unwrap().map(Result::unwrap).collect();
        let theirs = concat_batches(&read[0].schema(), &read).unwrap();
        compare("x.parquet", bytes, &theirs, group_bytes)?;
    }

    #[test]
    fn arrow(vectors in Vectors::any(), is_file in any::<bool>(), group_bytes in 1_usize..40_000) {
        let (schema, batches) = vectors.batches();
        let mut bytes = Vec::new();
        let read: Vec<_> = if is_file {
            let mut writer = FileWriter::try_new(&mut bytes, &schema).unwrap();
            for batch in &batches {
                writer.write(batch).unwrap();
            }
            writer.finish().unwrap();
            drop(writer);
            let reader = FileReader::try_new(Cursor::new(&bytes), None).unwrap();
            reader.map(Result::unwrap).collect()
        } else {
            let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
            for batch in &batches {
                writer.write(batch).unwrap();
            }
            writer.finish().unwrap();
            drop(writer);
            let reader = StreamReader::try_new(Cursor::new(&bytes), None).unwrap();
            reader.map(Result::unwrap).collect()
        };
        let theirs = concat_batches(&schema, &read).unwrap();
        compare("x.arrow", bytes, &theirs, group_bytes)?;
    }

    #[test]
    fn contexts(
        vectors in Vectors::any(),
        context in 1_usize..12,
        properties in properties(),
        is_parquet in any::<bool>(),
        group_bytes in 1_usize..40_000,
    ) {
        let vectors = Vectors { rows: vectors.rows.next_multiple_of(context), ..vectors };
        let column = in_contexts(vectors.column(), context);
        let batch = RecordBatch::try_from_iter([("acts", column)]).unwrap();
        let (file, bytes) = if is_parquet {
            ("x.parquet", to_parquet(&[batch], properties))
        } else {
            let mut bytes = Vec::new();
            let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            drop(writer);
            ("x.arrow", bytes)
        };
        let options = ReadOptions { group_bytes, ..ReadOptions::default() };
        let ours = read(&opened(file, bytes, &options).unwrap()).unwrap();
        let values = cast(&vectors.values(), &DataType::Float32).unwrap();
        let values = values.as_primitive::<Float32Type>().values();
        let rows: Vec<_> = values.chunks(vectors.width).map(<[f32]>::to_vec).collect();
        prop_assert_eq!(&ours.columns["acts"], &rows);
        let context = context as u32;
        let tokens = (0..rows.len() as u32).map(|row| [row / context, row % context]);
        prop_assert_eq!(ours.tokens, tokens.collect::<Vec<_>>());
    }
}
