//! Each fault is an error that names the file and says what to do.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, FixedSizeBinaryArray, Int64Array, ListArray, RecordBatch,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Field, Float32Type};
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{Golden, golden, opened, read};
use crate::error::{Error, OpenError};
use crate::foreign::ReadOptions;
use crate::format::dtype::DType;

fn options() -> ReadOptions {
    ReadOptions { group_bytes: 1 << 20, ..ReadOptions::default() }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn parquet(batch: &RecordBatch, properties: Option<WriterProperties>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), properties).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn ipc(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    bytes
}

/// The error of reading a file, wherever it shows.
fn error(file: &str, bytes: Vec<u8>, options: &ReadOptions) -> Error {
    match opened(file, bytes, options).and_then(|found| read(&found)) {
        Ok(read) => panic!("{file} was read: {read:?}"),
        Err(error) => error,
    }
}

/// Fails unless the message of `error` has all of `parts`.
fn assert_says(error: &Error, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// Both layouts that have lists.
fn both(batch: &RecordBatch, parts: &[&str]) {
    assert_says(&error("x.parquet", parquet(batch, None), &options()), parts);
    assert_says(&error("x.arrow", ipc(batch), &options()), parts);
}

fn lists(rows: &[Option<&[Option<f32>]>]) -> ArrayRef {
    let rows = rows.iter().map(|row| row.map(<[_]>::to_vec));
    Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
}

const FULL: Option<&[Option<f32>]> = Some(&[Some(1.0), Some(2.0)]);

#[test]
fn a_ragged_list_is_an_error_that_names_the_row() {
    for (odd, found) in [(&[Some(1.0)][..], "1"), (&[Some(1.0); 3], "3")] {
        let column = lists(&[FULL, FULL, Some(odd), FULL]);
        assert_says(
            &error("x.arrow", ipc(&batch(vec![("acts", Arc::clone(&column))])), &options()),
            &["x.arrow", "`acts`", "row 2", found, "lists of 2"],
        );
        let bytes = parquet(&batch(vec![("acts", column)]), None);
        let error = error("x.parquet", bytes, &options());
        assert_says(&error, &["x.parquet", "`acts`", "row 2", "lists of 2", "drop or mend"]);
    }
}

#[test]
fn ragged_lists_whose_lengths_add_up_are_found_too() {
    let column = lists(&[FULL, Some(&[Some(1.0)]), Some(&[Some(1.0); 3]), FULL]);
    both(&batch(vec![("acts", column)]), &["`acts`", "row 1", "lists of 2"]);
}

#[test]
fn a_short_last_row_is_an_error() {
    let column = lists(&[FULL, FULL, Some(&[Some(1.0)])]);
    both(&batch(vec![("acts", column)]), &["`acts`", "lists of 2"]);
}

#[test]
fn nulls_are_errors_that_name_the_row() {
    let row = lists(&[FULL, None, FULL]);
    both(&batch(vec![("acts", row)]), &["`acts`", "null", "row 1"]);
    let value = lists(&[FULL, FULL, Some(&[Some(1.0), None])]);
    both(&batch(vec![("acts", value)]), &["`acts`", "null", "row 2"]);
    let first = lists(&[None, FULL]);
    both(&batch(vec![("acts", first)]), &["`acts`", "row 0"]);
}

#[test]
fn contexts_of_several_lengths_are_rows_with_positions() {
    let rows = lists(&[FULL; 6]);
    let field = Arc::new(Field::new("item", rows.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([2, 1, 3]);
    let column: ArrayRef = Arc::new(ListArray::new(field, offsets, rows, None));
    let batch = batch(vec![("acts", column)]);
    for (file, bytes) in [("x.parquet", parquet(&batch, None)), ("x.arrow", ipc(&batch))] {
        let found = opened(file, bytes, &ReadOptions { first_sequence: 4, ..options() }).unwrap();
        assert_eq!((found.rows, found.sequences, found.columns[0].width), (6, 3, 2), "{file}");
        let tokens = read(&found).unwrap().tokens;
        assert_eq!(tokens, [[4, 0], [4, 1], [5, 0], [6, 0], [6, 1], [6, 2]], "{file}");
    }
}

#[test]
fn a_missing_column_is_an_error_that_lists_those_there_are() {
    for file in ["pyarrow_default.parquet", "pyarrow_file.arrow", "safetensors.safetensors"] {
        let golden = Golden::named(file);
        let columns = vec!["nothing".to_owned()];
        let options = ReadOptions { columns, ..golden.options(100) };
        let error = error(file, golden.bytes(), &options);
        assert!(matches!(error, Error::Open(OpenError::MissingColumn { .. })), "{error}");
        assert_says(&error, &[file, "`nothing`", "`doc`", "`pos`"]);
        let options = ReadOptions { document: Some("nothing".to_owned()), ..golden.options(100) };
        assert_says(&self::error(file, golden.bytes(), &options), &["`nothing`", "`doc`"]);
    }
}

#[test]
fn a_column_that_is_no_vectors_is_an_error() {
    for (file, column) in [
        ("pyarrow_default.parquet", "text"),
        ("pyarrow_file.arrow", "text"),
        ("safetensors.safetensors", "doc"),
    ] {
        let golden = Golden::named(file);
        let options = ReadOptions { columns: vec![column.to_owned()], ..golden.options(100) };
        assert_says(&error(file, golden.bytes(), &options), &[file, column, "expected"]);
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    both(&batch(vec![("numbers", numbers)]), &["no column of vectors", "`numbers`"]);
}

#[test]
fn positions_must_be_whole_numbers_that_fit() {
    for bad in [-1, i64::from(u32::MAX) + 1] {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, bad]));
        let batch = batch(vec![("acts", lists(&[FULL; 3])), ("n", numbers)]);
        let both = Some("n".to_owned());
        let options = ReadOptions { document: both.clone(), position: both, ..options() };
        for (file, bytes) in [("x.parquet", parquet(&batch, None)), ("x.arrow", ipc(&batch))] {
            let error = error(file, bytes, &options);
            assert_says(&error, &[file, "`n`", "row 2", &bad.to_string(), "4294967295"]);
        }
    }
}

#[test]
fn sequences_without_positions_or_beside_contexts_are_errors() {
    let golden = Golden::named("pyarrow_default.parquet");
    let options = ReadOptions { position: None, ..golden.options(100) };
    assert_says(&error(&golden.file, golden.bytes(), &options), &["only one", "for each"]);
    let golden = Golden::named("datasets.parquet");
    let one = Some("x".to_owned());
    let options = ReadOptions { document: one.clone(), position: one, ..golden.options(100) };
    assert_says(&error(&golden.file, golden.bytes(), &options), &["contexts"]);
}

#[test]
fn two_bytes_without_a_dtype_are_an_error() {
    for file in ["pyarrow_no_dtype.parquet", "pyarrow_bytes.arrow", "numpy_bits.npy"] {
        let golden = Golden::named(file);
        let options = ReadOptions { dtype: None, ..golden.options(100) };
        let error = error(file, golden.bytes(), &options);
        assert!(matches!(error, Error::Open(OpenError::UnknownDType { .. })), "{error}");
        assert_says(&error, &[file, "f16 and bf16 cannot be told apart"]);
    }
}

#[test]
fn bytes_that_are_no_whole_values_are_an_error() {
    let rows = [[0_u8; 6]; 2];
    let column: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter(rows.iter()).unwrap());
    let batch = batch(vec![("acts", column)]);
    let options = ReadOptions { dtype: Some(DType::F32), ..options() };
    for (file, bytes) in [("x.parquet", parquet(&batch, None)), ("x.arrow", ipc(&batch))] {
        assert_says(&error(file, bytes, &options), &["6 bytes", "`acts`"]);
    }
}

#[test]
fn an_encoding_that_is_not_read_is_named() {
    let rows = [[0_u8; 4]; 3];
    let column: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter(rows.iter()).unwrap());
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY)
        .build();
    let bytes = parquet(&batch(vec![("acts", column)]), Some(properties));
    let options = ReadOptions { dtype: Some(DType::F16), ..options() };
    let error = error("x.parquet", bytes, &options);
    assert_says(&error, &["encoding number 7", "`acts`", "PLAIN, RLE_DICTIONARY"]);
}

#[test]
fn compressed_batches_of_arrow_are_read_and_their_damage_is_no_panic() {
    let bytes = std::fs::read(golden("compressed.arrow")).unwrap();
    let read_acts = |bytes| {
        let read = opened("x.arrow", bytes, &options()).and_then(|found| read(&found));
        read.map(|mut read| read.columns.remove("acts"))
    };
    let value = |row: usize, element: usize| ((7 * row + 3 * element) % 97) as f32 / 8.0 - 6.0;
    let expected: Vec<Vec<f32>> =
        (0..60).map(|row| (0..5).map(|element| value(row, element)).collect()).collect();
    assert_eq!(read_acts(bytes.clone()).unwrap(), Some(expected));
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        read_acts(bytes).ok();
    }
}

#[test]
fn arrays_that_are_not_read_are_errors() {
    let array = |header: &str, values: usize| {
        let header = format!("{header:<118}");
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        bytes.extend(header.bytes());
        bytes.extend(vec![0; values]);
        bytes
    };
    let header = |descr: &str, fortran: &str, shape: &str| {
        format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}")
    };
    for (header, values, says) in [
        (header("'<f4'", "True", "(2, 3)"), 24, "Fortran order"),
        (header("'>f4'", "False", "(2, 3)"), 24, "`>f4`"),
        (header("'|O'", "False", "(2, 3)"), 24, "`|O`"),
        (header("[('a', '<f4')]", "False", "(2, 3)"), 24, "a record"),
        (header("'<f4'", "False", "(6,)"), 24, "[6]"),
        (header("'<f4'", "False", "(2, 3)"), 23, "151 bytes"),
        (header("'<f4'", "False", "(2, 0)"), 0, "none of them 0"),
        (header("'<f4'", "False", "(4611686018427387904, 16)"), 8, "not its shape"),
        ("{'descr': '<f4'}".to_owned(), 0, "its header is"),
    ] {
        assert_says(&error("x.npy", array(&header, values), &options()), &["x.npy", says]);
    }
}

#[test]
fn tensors_that_overlap_or_leave_the_file_are_errors() {
    let file = |header: &str, values: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.extend(vec![0; values]);
        bytes
    };
    let tensor = |from: usize, to: usize| {
        format!(r#"{{"dtype":"F32","shape":[1,2],"data_offsets":[{from},{to}]}}"#)
    };
    let two = |a: &str, b: &str| format!(r#"{{"a":{a},"b":{b}}}"#);
    for (header, values, says) in [
        (two(&tensor(0, 8), &tensor(4, 12)), 12, "lies at 4..12"),
        (two(&tensor(0, 8), &tensor(16, 24)), 24, "lies at 16..24"),
        (two(&tensor(0, 8), &tensor(8, 16)), 8, "end at"),
        (two(&tensor(0, 8), &tensor(8, 20)), 20, "has 12 bytes"),
        ("{".to_owned(), 0, "not JSON"),
        (r#"{"a":3}"#.to_owned(), 0, "tensor `a`"),
        (
            two(
                &tensor(0, 8),
                r#"{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[8,16]}"#,
            ),
            16,
            "has 8 bytes",
        ),
    ] {
        assert_says(&error("x.safetensors", file(&header, values), &options()), &[says]);
    }
    assert_says(&error("x.safetensors", vec![255; 64], &options()), &["header would have"]);
}

#[test]
fn another_extension_is_an_error() {
    assert_says(&error("x.txt", vec![0; 64], &options()), &["x.txt", ".safetensors or .npy"]);
}

fn with_keys(batch: RecordBatch, keys: &[(&str, &str)]) -> RecordBatch {
    let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let schema = batch.schema().as_ref().clone().with_metadata(keys.collect::<HashMap<_, _>>());
    batch.with_schema(Arc::new(schema)).unwrap()
}

fn bytes_column() -> FixedSizeBinaryArray {
    FixedSizeBinaryArray::try_from_iter([[0_u8; 4]; 6].iter()).unwrap()
}

#[test]
fn another_byte_order_is_an_error() {
    for (order, is_read) in [("little", true), ("big", false)] {
        let keys = [("dtype", "f16"), ("byte_order", order)];
        let batch = with_keys(batch(vec![("acts", Arc::new(bytes_column()))]), &keys);
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        for (key, value) in keys {
            writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value.to_owned()));
        }
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        for (file, bytes) in [("x.parquet", bytes), ("x.arrow", ipc(&batch))] {
            if is_read {
                opened(file, bytes, &options()).and_then(|found| read(&found)).unwrap();
            } else {
                assert_says(&error(file, bytes, &options()), &["byte_order", "big", "little"]);
            }
        }
    }
}

/// Several rows in a context, each of them plain bytes, would become one wide row.
#[test]
fn lists_of_rows_of_bytes_are_an_error() {
    let column = bytes_column();
    let field = Arc::new(Field::new_list_field(column.data_type().clone(), false));
    let offsets = OffsetBuffer::from_lengths([3, 3]);
    let lists = ListArray::try_new(field, offsets, Arc::new(column), None).unwrap();
    let batch = batch(vec![("acts", Arc::new(lists))]);
    let options = ReadOptions { dtype: Some(DType::F16), ..options() };
    for (file, bytes) in [("x.parquet", parquet(&batch, None)), ("x.arrow", ipc(&batch))] {
        assert_says(
            &error(file, bytes, &options),
            &["values of 4 bytes", "`acts`", "whole values"],
        );
    }
}

/// Whoever believed it would take memory for two thousand million columns.
#[test]
fn a_footer_that_promises_more_than_it_has_is_an_error() {
    let mut footer = vec![0x15, 0x02]; // field 1, the version
    footer.extend([0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x07]); // field 2, a list of structs
    footer.push(0);
    let mut bytes = b"PAR1".to_vec();
    bytes.extend(&footer);
    bytes.extend((footer.len() as u32).to_le_bytes());
    bytes.extend(b"PAR1");
    assert_says(&error("x.parquet", bytes, &options()), &["x.parquet", "footer"]);
}

/// Columns that cannot be read are not passed over, since another would be taken in their place.
#[test]
fn a_faulty_column_beside_a_sound_one_is_an_error() {
    let (faulty, sound) = (lists(&[FULL, None, FULL]), lists(&[FULL; 3]));
    let batch = batch(vec![("resid", faulty), ("mlp", sound)]);
    both(&batch, &["`resid`", "null", "row 1"]);
    let columns = vec!["mlp".to_owned()];
    let options = ReadOptions { columns, ..options() };
    for (file, bytes) in [("x.parquet", parquet(&batch, None)), ("x.arrow", ipc(&batch))] {
        opened(file, bytes, &options).and_then(|found| read(&found)).unwrap();
    }
}
