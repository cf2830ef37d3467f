//! Reading files of other tools beside arrow-rs and a plain read: `cargo bench -p saekit-store`.
//!
//! Every bench ends with the same `f32` rows, which are summed up a little so that they are needed.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, FixedSizeBinaryArray, FixedSizeListArray, Float16Array,
    RecordBatch,
};
use arrow::datatypes::{DataType, Field, Float16Type};
use arrow::ipc::writer::FileWriter;
use divan::Bencher;
use divan::counter::BytesCount;
use half::f16;
use half::slice::{HalfBitsSliceExt as _, HalfFloatSliceExt as _};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use saekit_core::{HookPoint, MatrixView};
use saekit_store::{ColumnSpec, RowBlock, RowSource, Store, StoreSpec, StoreWriter, StreamConfig};

const ROWS: usize = 1 << 16;
const D: usize = 768;
const BATCH: usize = 1 << 12;
/// `D`, as arrow has it.
const D_ARROW: i32 = 768;
const GROUP_BYTES: usize = 16 << 20;
/// Bytes of the values as they are stored.
const STORED: usize = ROWS * D * 2;

fn main() {
    divan::main();
}

/// One of `distinct` values, the same at every call.
fn value(index: usize, distinct: u64) -> f16 {
    let mixed = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    f16::from_f32((mixed % distinct) as f32 / distinct as f32 - 0.5)
}

fn values(batch: usize, distinct: u64) -> Vec<f16> {
    let first = batch * BATCH * D;
    (first..first + BATCH * D).map(|index| value(index, distinct)).collect()
}

fn list(values: &[f16]) -> ArrayRef {
    let field = Arc::new(Field::new("item", DataType::Float16, true));
    let values = Arc::new(Float16Array::from(values.to_vec()));
    Arc::new(FixedSizeListArray::new(field, D_ARROW, values, None))
}

fn bytes(values: &[f16]) -> ArrayRef {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Arc::new(FixedSizeBinaryArray::new(2 * D_ARROW, bytes.into(), None))
}

fn batches(distinct: u64, column: fn(&[f16]) -> ArrayRef) -> impl Iterator<Item = RecordBatch> {
    let batch = move |batch| [("acts", column(&values(batch, distinct)))];
    (0..ROWS / BATCH).map(move |n| RecordBatch::try_from_iter(batch(n)).expect("one column"))
}

fn parquet(path: &Path, batches: impl Iterator<Item = RecordBatch>, dictionary: bool, zstd: bool) {
    let zstd = zstd.then(|| Compression::ZSTD(ZstdLevel::default()));
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(dictionary)
        .set_compression(zstd.unwrap_or(Compression::UNCOMPRESSED))
        .set_max_row_group_row_count(Some(GROUP_BYTES / (D * 2)))
        .set_key_value_metadata(Some(vec![KeyValue::new("dtype".to_owned(), "f16".to_owned())]))
        .build();
    let mut batches = batches.peekable();
    let schema = batches.peek().expect("there are rows").schema();
    let file = File::create(path).expect("a new file");
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).expect("a writer");
    for batch in batches {
        writer.write(&batch).expect("a written batch");
    }
    writer.close().expect("a footer");
}

fn ipc(path: &Path, batches: impl Iterator<Item = RecordBatch>) {
    let mut batches = batches.peekable();
    let schema = batches.peek().expect("there are rows").schema();
    let file = File::create(path).expect("a new file");
    let mut writer = FileWriter::try_new(file, &schema).expect("a writer");
    for batch in batches {
        writer.write(&batch).expect("a written batch");
    }
    writer.finish().expect("a footer");
}

fn native(dir: &Path) {
    let columns = vec![ColumnSpec { name: HookPoint::new("acts"), width: D }];
    let spec = StoreSpec { columns, has_tokens: false, ..StoreSpec::default() };
    let mut writer = StoreWriter::create(dir, spec).expect("an empty folder");
    for batch in 0..ROWS / BATCH {
        let rows: Vec<f32> = values(batch, 1 << 14).iter().map(|value| value.to_f32()).collect();
        let columns = [MatrixView::new(BATCH, D, &rows)];
        let block = RowBlock { sequences: &[], positions: &[], columns: &columns };
        writer.push_rows(&block).expect("finite rows");
    }
    writer.finish().expect("a finished store");
}

/// A file of one kind in a folder that goes when the bench ends.
struct Sample {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Sample {
    fn new(kind: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if kind == "native" {
            native(folder.path());
        }
        let path = folder.path().join(if kind == "ipc" { "x.arrow" } else { "x.parquet" });
        match kind {
            "list" => parquet(&path, batches(1 << 14, list), false, false),
            "list_dictionary" => parquet(&path, batches(1 << 10, list), true, false),
            "list_zstd" => parquet(&path, batches(1 << 10, list), false, true),
            "bytes" => parquet(&path, batches(1 << 14, bytes), false, false),
            "native" => (),
            _ => ipc(&path, batches(1 << 14, list)),
        }
        Self { folder, path }
    }
}

/// In the order on disk, in this thread.
#[divan::bench(args = ["native", "list", "list_dictionary", "list_zstd", "bytes", "ipc"], sample_count = 10)]
fn scan(bencher: Bencher<'_, '_>, kind: &str) {
    let sample = Sample::new(kind);
    let store = Store::open(sample.folder.path()).expect("a sound store");
    let columns = [(store.manifest().columns[0].name.clone(), 1.0)];
    bencher.counter(BytesCount::new(STORED)).bench_local(|| {
        let mut scan = store.scan(&columns).expect("a column");
        drain(&mut scan)
    });
}

/// In random order, read by another thread.
#[divan::bench(args = ["native", "list"], sample_count = 10)]
fn stream(bencher: Bencher<'_, '_>, kind: &str) {
    let sample = Sample::new(kind);
    let store = Store::open(sample.folder.path()).expect("a sound store");
    let columns = vec![(store.manifest().columns[0].name.clone(), 1.0)];
    let config = StreamConfig { columns, ..StreamConfig::default() };
    let mut stream = store.stream(&config).expect("a pool");
    bencher.counter(BytesCount::new(STORED)).bench_local(|| drain(&mut stream));
}

/// Reads an epoch.
fn drain(source: &mut dyn RowSource) -> f32 {
    let mut sum = 0.0;
    for _ in 0..ROWS / BATCH {
        let batch = source.next_batch(BATCH).expect("sound rows").expect("more rows");
        sum += batch.columns[0].row(0)[0];
        source.recycle(batch);
    }
    sum
}

#[divan::bench(args = ["list", "list_dictionary", "list_zstd"], sample_count = 10)]
fn arrow_rs(bencher: Bencher<'_, '_>, kind: &str) {
    let sample = Sample::new(kind);
    let mut singles = Vec::new();
    bencher.counter(BytesCount::new(STORED)).bench_local(|| {
        let mut sum = 0.0;
        let file = File::open(&sample.path).expect("the file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a footer");
        for batch in reader.with_batch_size(BATCH).build().expect("a reader") {
            let batch = batch.expect("a sound batch");
            let rows = batch.column(0).as_fixed_size_list();
            let halves = rows.values().as_primitive::<Float16Type>().values();
            singles.resize(rows.len() * D, 0.0);
            halves[..].convert_to_f32_slice(&mut singles);
            sum += singles[0];
        }
        sum
    });
}

/// What nothing can be faster than: the values, read and converted.
#[divan::bench(sample_count = 10)]
fn plain_read(bencher: Bencher<'_, '_>) {
    let sample = Sample::new("ipc");
    let (mut words, mut singles) = (vec![0_u16; BATCH * D], vec![0.0; BATCH * D]);
    bencher.counter(BytesCount::new(STORED)).bench_local(|| {
        let mut file = File::open(&sample.path).expect("the file");
        let mut sum = 0.0;
        for _ in 0..ROWS / BATCH {
            file.read_exact(bytemuck::cast_slice_mut(&mut words)).expect("enough bytes");
            words.reinterpret_cast::<f16>().convert_to_f32_slice(&mut singles);
            sum += singles[0];
        }
        sum
    });
}
