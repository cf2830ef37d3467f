//! Files with more rows than a group should have are read in parts, each once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::file::properties::WriterProperties;

use super::{Bytes, opened, read};
use crate::error::Result;
use crate::foreign::{ReadOptions, open};
use crate::storage::Blob;

const ROWS: usize = 4000;
const WIDTH: usize = 64;
/// Of which each row is 256 bytes.
const GROUP_BYTES: usize = 64 << 10;

/// A file that counts what is read of it.
#[derive(Debug)]
struct Counted(Bytes, AtomicU64);

impl Blob for Counted {
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn version(&self) -> Option<&str> {
        None
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> saekit_core::Result<()> {
        self.1.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.0.read_at(offset, out)
    }
}

fn vectors(rows: usize) -> ArrayRef {
    let values: Vec<_> = (0..rows * WIDTH).map(|index| (index % 1000) as f32).collect();
    let field = Arc::new(Field::new("item", DataType::Float32, true));
    let width = i32::try_from(WIDTH).unwrap();
    Arc::new(FixedSizeListArray::new(field, width, Arc::new(Float32Array::from(values)), None))
}

/// A file with one row group whose pages hold about 4 KiB.
fn one_row_group(dictionary: bool, index: bool) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter([("acts", vectors(ROWS))]).unwrap();
    let properties = WriterProperties::builder()
        .set_data_page_size_limit(4096)
        .set_write_batch_size(512)
        .set_dictionary_enabled(dictionary)
        .set_encoding(Encoding::PLAIN)
        .set_offset_index_disabled(!index)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn a_large_row_group_is_read_in_parts_that_are_read_once() -> Result<()> {
    for (dictionary, index) in [(false, false), (false, true), (true, false), (true, true)] {
        let bytes = one_row_group(dictionary, index);
        let size = bytes.len() as u64;
        let blob = Arc::new(Counted(Bytes(bytes), AtomicU64::new(0)));
        let options = ReadOptions { group_bytes: GROUP_BYTES, ..ReadOptions::default() };
        let shared: Arc<dyn Blob> = Arc::<Counted>::clone(&blob);
        let found = open(&shared, Path::new("x.parquet"), &options)?;
        let groups = found.shard.group_rows();
        assert!(groups.len() >= ROWS * WIDTH * 4 / GROUP_BYTES, "{groups:?}");
        assert!(groups.iter().all(|rows| *rows as usize * WIDTH * 4 <= GROUP_BYTES), "{groups:?}");
        blob.1.store(0, Ordering::Relaxed);
        let rows = read(&found)?.columns.remove("acts").unwrap();
        assert_eq!(rows.len(), ROWS);
        for (row, values) in rows.iter().enumerate() {
            let expected = (0..WIDTH).map(|element| ((row * WIDTH + element) % 1000) as f32);
            assert_eq!(*values, expected.collect::<Vec<_>>());
        }
        // Each group needs the dictionary again, of 1000 values and a header.
        let dictionaries = if dictionary { groups.len() as u64 * 5000 } else { 0 };
        let read = blob.1.load(Ordering::Relaxed);
        assert!(read <= size + dictionaries, "{read} of {size} and {dictionaries}");
    }
    Ok(())
}

#[test]
fn doubles_beyond_singles_are_infinite() {
    let field = Arc::new(Field::new("item", DataType::Float64, false));
    let values = Float64Array::from(vec![1e300, 0.1, -1e300, f64::NAN]);
    let column: ArrayRef = Arc::new(FixedSizeListArray::new(field, 2, Arc::new(values), None));
    let batch = RecordBatch::try_from_iter([("acts", column)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let options = ReadOptions { group_bytes: 100, ..ReadOptions::default() };
    let rows = read(&opened("x.parquet", bytes, &options).unwrap()).unwrap();
    let rows = &rows.columns["acts"];
    assert_eq!(rows[0], [f32::INFINITY, 0.1]);
    assert_eq!(rows[1][0], f32::NEG_INFINITY);
    assert!(rows[1][1].is_nan());
}
