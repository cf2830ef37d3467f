//! One test a fault of a store on disk, named for it, with the message it gives.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;
#[path = "common/foreign.rs"]
mod foreign;
#[path = "bad_stores/manifests.rs"]
mod manifests;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, RecordBatch};
use arrow::datatypes::{Float32Type, UInt32Type};
use common::Recipe;
use foreign::{Foreign, edit, refresh};
use parquet::basic::{Compression, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::file::properties::WriterVersion;
use saekit_core::{HookPoint, Interrupt, Silent};
use saekit_store::{
    ColumnSpec, DType, Error, Result, RowBlock, RowSource as _, Store, StoreWriter, StreamConfig,
};
use serde_json::json;
use tempfile::TempDir;

const SHARD: &str = "shards/shard-00000.parquet";
const REMEDY: &str = "restore it or harvest the store again";

/// A store of three rows `[1, 2], [3, 4], [5, 6]` of hook point `h`.
fn store() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = Recipe { widths: vec![2], ..Recipe::default() }.spec();
    spec.columns = vec![ColumnSpec { name: HookPoint::new("h"), width: 2 }];
    let mut writer = StoreWriter::create(dir.path(), spec).unwrap();
    writer.push_sequence(&Recipe::sequence(0)).unwrap();
    let rows = saekit_core::MatrixView::new(3, 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let block = RowBlock { sequences: &[0; 3], positions: &[0, 1, 2], columns: &[rows] };
    writer.push_rows(&block).unwrap();
    writer.finish().unwrap();
    dir
}

/// A message with the folder's name taken out.
fn text(dir: &TempDir, error: &impl ToString) -> String {
    error.to_string().replace(dir.path().to_str().unwrap(), "STORE")
}

/// What opening the store says.
fn refusal(dir: &TempDir) -> String {
    text(dir, &Store::open(dir.path()).unwrap_err())
}

fn scan(dir: &Path) -> Result<Vec<f32>> {
    let mut scan = Store::open(dir)?.scan(&[(HookPoint::new("h"), 1.0)])?;
    let batch = scan.next_batch(1000).map_err(Error::Core)?;
    Ok(batch.map_or_else(Vec::new, |batch| batch.columns[0].as_slice().to_vec()))
}

fn verify(dir: &Path) -> Result<()> {
    Store::open(dir)?.verify(&mut Silent, &Interrupt::default()).map(drop)
}

fn flip(path: &Path, at: usize, bits: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= bits;
    fs::write(path, bytes).unwrap();
}

#[test]
fn no_faults() {
    let dir = store();
    let mut values = scan(dir.path()).unwrap();
    values.sort_by(f32::total_cmp);
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    verify(dir.path()).unwrap();
    Foreign::default().replace(dir.path());
    assert_eq!(scan(dir.path()).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn truncated_shard() {
    let dir = store();
    let path = dir.path().join(SHARD);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let (expected, found) = (bytes.len(), bytes.len() - 9);
    assert_eq!(
        refusal(&dir),
        format!(
            "STORE/{SHARD} has {found} bytes, expected {expected}: it was truncated or replaced; {REMEDY}"
        )
    );
    refresh(dir.path());
    assert!(refusal(&dir).contains("is damaged or no parquet file"));
}

#[test]
fn shard_of_no_bytes() {
    let dir = store();
    fs::write(dir.path().join(SHARD), []).unwrap();
    refresh(dir.path());
    assert!(refusal(&dir).starts_with(&format!("STORE/{SHARD} is damaged or no parquet file: ")));
}

#[test]
fn missing_shard() {
    let dir = store();
    fs::remove_file(dir.path().join(SHARD)).unwrap();
    assert_eq!(
        refusal(&dir),
        format!("STORE/{SHARD} is missing, though the manifest lists it; {REMEDY}")
    );
}

#[test]
fn missing_tokens_table() {
    let dir = store();
    fs::remove_file(dir.path().join("tokens.parquet")).unwrap();
    assert!(refusal(&dir).starts_with("STORE/tokens.parquet is missing, though"));
}

#[test]
fn flipped_page_byte() {
    let dir = store();
    let path = dir.path().join(SHARD);
    let bytes = fs::read(&path).unwrap();
    let six = bytes.windows(4).position(|four| four == 6.0_f32.to_le_bytes()).unwrap();
    flip(&path, six, 1);
    let message = text(&dir, &verify(dir.path()).unwrap_err());
    assert!(message.starts_with(&format!("STORE/{SHARD} has SHA-256 ")), "{message}");
    assert!(message.ends_with(&format!(": it was changed after it was written; {REMEDY}")));
}

#[test]
fn flipped_byte_of_the_tokens_table() {
    let dir = store();
    let path = dir.path().join("tokens.parquet");
    flip(&path, 40, 4);
    let store = Store::open(dir.path()).unwrap();
    let message = text(&dir, &store.tokens().unwrap().read(0..1).unwrap_err());
    assert!(message.starts_with("STORE/tokens.parquet has SHA-256 "), "{message}");
}

#[test]
fn shard_replaced_after_opening() {
    let dir = store();
    let opened = Store::open(dir.path()).unwrap();
    let mut scan = opened.scan(&[(HookPoint::new("h"), 1.0)]).unwrap();
    let path = dir.path().join(SHARD);
    fs::write(&path, [fs::read(&path).unwrap(), vec![0]].concat()).unwrap();
    let message = text(&dir, &scan.next_batch(1).unwrap_err());
    assert!(message.contains("it was truncated or replaced"), "{message}");
}

#[test]
fn other_number_of_rows() {
    let dir = store();
    let rows = vec![[1.0, 2.0]; 4];
    Foreign { rows, ..Foreign::default() }.replace(dir.path());
    assert_eq!(refusal(&dir), format!("STORE/{SHARD} has 4 rows, expected 3; {REMEDY}"));
}

#[test]
fn wrong_width() {
    let dir = store();
    edit(dir.path(), |manifest| {
        manifest["columns"][0]["width"] = 3.into();
        manifest["columns"][0]["mean"] = json!([0, 0, 0]);
        let norm = manifest["columns"][0]["mean_norm"].as_f64().unwrap();
        manifest["columns"][0]["scale"] = json!(3.0_f64.sqrt() / norm);
    });
    assert_eq!(
        refusal(&dir),
        format!(
            "column `h` of STORE/{SHARD} is FIXED_LEN_BYTE_ARRAY(8), required, expected FIXED_LEN_BYTE_ARRAY(12), required: 3 x f32; write it as docs/store-format.md says"
        )
    );
}

#[test]
fn missing_column() {
    let dir = store();
    Foreign { name: "g", ..Foreign::default() }.replace(dir.path());
    assert_eq!(
        refusal(&dir),
        format!("STORE/{SHARD} has no column `h`; it has `g`, `sequence`, `position`")
    );
}

#[test]
fn column_that_may_hold_nulls() {
    let dir = store();
    Foreign { repetition: Repetition::OPTIONAL, ..Foreign::default() }.replace(dir.path());
    let message = refusal(&dir);
    assert!(
        message.contains("is FIXED_LEN_BYTE_ARRAY(8), optional, expected a column without nulls"),
        "{message}"
    );
}

#[test]
fn position_of_another_type() {
    let dir = store();
    Foreign { position: PhysicalType::DOUBLE, ..Foreign::default() }.replace(dir.path());
    let message = refusal(&dir);
    assert!(message.contains("column `position` of STORE"), "{message}");
    assert!(message.contains("is DOUBLE, required, expected INT32, required"), "{message}");
}

#[test]
fn dtype_key_missing() {
    let dir = store();
    Foreign { keys: vec![("byte_order", "little")], ..Foreign::default() }.replace(dir.path());
    assert_eq!(
        refusal(&dir),
        format!(
            "the footer of STORE/{SHARD} has nothing for key `dtype`, expected `f32`; without it the bytes cannot be told apart, so write it as docs/store-format.md says"
        )
    );
}

#[test]
fn dtype_key_of_another_dtype() {
    let dir = store();
    let keys = vec![("dtype", "f16"), ("byte_order", "little")];
    Foreign { keys, ..Foreign::default() }.replace(dir.path());
    assert!(refusal(&dir).contains("has `f16` for key `dtype`, expected `f32`"));
}

#[test]
fn a_columns_own_dtype_key_wins() {
    let dir = store();
    let keys = vec![("dtype", "f16"), ("h.dtype", "f32"), ("byte_order", "little")];
    Foreign { keys, ..Foreign::default() }.replace(dir.path());
    assert_eq!(scan(dir.path()).unwrap().len(), 6);
}

#[test]
fn big_endian_shard() {
    let dir = store();
    let keys = vec![("dtype", "f32"), ("byte_order", "big")];
    Foreign { keys, ..Foreign::default() }.replace(dir.path());
    assert!(refusal(&dir).contains("has `big` for key `byte_order`, expected `little`"));
}

#[test]
fn f16_taken_for_bf16() {
    let dir = tempfile::tempdir().unwrap();
    Recipe { dtype: DType::F16, ..Recipe::default() }.write(dir.path(), 50).unwrap();
    edit(dir.path(), |manifest| manifest["columns"][0]["dtype"] = "bf16".into());
    assert!(refusal(&dir).contains("has `f16` for key `dtype`, expected `bf16`"));
}

#[test]
fn dictionary_encoded_column() {
    let dir = store();
    let version = WriterVersion::PARQUET_2_0; // of the first, writers do not do it
    Foreign { dictionary: true, version, ..Foreign::default() }.replace(dir.path());
    let message = text(&dir, &scan(dir.path()).unwrap_err());
    assert_eq!(
        message,
        format!(
            "column `h` of STORE/{SHARD} is dictionary-encoded, expected PLAIN, in row group 0; write it as docs/store-format.md says"
        )
    );
}

#[test]
fn compressed_pages_of_either_version_are_read() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for compression in [Compression::UNCOMPRESSED, Compression::ZSTD(ZstdLevel::default())] {
            let dir = store();
            Foreign { compression, version, ..Foreign::default() }.replace(dir.path());
            assert_eq!(scan(dir.path()).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        }
    }
}

#[test]
fn nan_in_a_row() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let dir = store();
        let rows = vec![[1.0, 2.0], [3.0, value], [5.0, 6.0]];
        Foreign { rows, ..Foreign::default() }.replace(dir.path());
        let expected = format!(
            "column `h` of STORE/{SHARD} holds {value} at row 1, element 1; leave such rows out with `--drop-non-finite`, or write the file again"
        );
        assert_eq!(text(&dir, &scan(dir.path()).unwrap_err()), expected);
        let columns = vec![(HookPoint::new("h"), 1.0)];
        let config = StreamConfig { columns, ..StreamConfig::default() };
        let mut stream = Store::open(dir.path()).unwrap().stream(&config).unwrap();
        let cursor = stream.cursor();
        for _ in 0..2 {
            assert_eq!(text(&dir, &stream.next_batch(2).unwrap_err()), expected);
            assert_eq!(stream.cursor(), cursor);
        }
    }
}

#[test]
fn zero_rows() {
    let dir = store();
    Foreign { rows: vec![], ..Foreign::default() }.replace(dir.path());
    edit(dir.path(), |manifest| {
        manifest["rows"] = 0.into();
        manifest["shards"][0]["rows"] = 0.into();
    });
    assert!(refusal(&dir).starts_with("the store in STORE has no rows: "));
}

#[test]
fn one_shard_of_zero_rows_is_allowed() {
    let dir = store();
    fs::copy(dir.path().join(SHARD), dir.path().join("shards/a.parquet")).unwrap();
    Foreign { rows: vec![], ..Foreign::default() }.replace(dir.path());
    edit(dir.path(), |manifest| {
        let mut full = manifest["shards"][0].clone();
        full["file"] = "shards/a.parquet".into();
        manifest["shards"][0]["rows"] = 0.into();
        manifest["shards"].as_array_mut().unwrap().push(full);
    });
    refresh(dir.path());
    assert_eq!(scan(dir.path()).unwrap().len(), 6);
}

/// Puts a tokens table of one sequence with these columns in the place of the store's.
fn replace_tokens(dir: &TempDir, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = fs::File::create(dir.path().join("tokens.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    refresh(dir.path());
}

fn list(values: &[Option<u32>]) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<UInt32Type, _, _>([Some(values.to_vec())]))
}

fn tokens_message(dir: &TempDir) -> String {
    let store = Store::open(dir.path()).unwrap();
    text(dir, &store.tokens().unwrap().read(0..1).unwrap_err())
}

#[test]
fn tokens_table_without_a_column() {
    let dir = store();
    replace_tokens(&dir, vec![("token_ids", list(&[]))]);
    assert_eq!(refusal(&dir), "STORE/tokens.parquet has no column `document`; it has `token_ids`");
}

#[test]
fn tokens_table_of_another_type() {
    let dir = store();
    let floats = ListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(1.0)])]);
    replace_tokens(&dir, vec![("token_ids", Arc::new(floats))]);
    let message = refusal(&dir);
    assert!(message.starts_with("column `token_ids` of STORE/tokens.parquet is List"), "{message}");
    assert!(message.contains("expected a list of uint32"), "{message}");
}

#[test]
fn tokens_table_with_uneven_lists() {
    let dir = store();
    let (two, one) = (list(&[Some(1), Some(2)]), list(&[Some(1)]));
    let columns = vec![
        ("token_ids", Arc::clone(&two)),
        ("document", Arc::clone(&two)),
        ("byte_start", two),
        ("byte_end", one),
    ];
    replace_tokens(&dir, columns);
    assert!(tokens_message(&dir).contains("has lists of different length in one row"));
}

#[test]
fn tokens_table_with_a_null() {
    let dir = store();
    let (two, null) = (list(&[Some(1), Some(2)]), list(&[Some(1), None]));
    let columns = vec![
        ("token_ids", Arc::clone(&two)),
        ("document", null),
        ("byte_start", Arc::clone(&two)),
        ("byte_end", two),
    ];
    replace_tokens(&dir, columns);
    assert!(tokens_message(&dir).contains("the table holds a null"));
}

#[test]
fn tokens_table_of_another_number_of_sequences() {
    let dir = store();
    edit(dir.path(), |manifest| manifest["sequences"] = 2.into());
    assert_eq!(refusal(&dir), format!("STORE/tokens.parquet has 1 rows, expected 2; {REMEDY}"));
}

/// Whatever byte is flipped: no panic, and what reading does not notice, verifying does.
#[test]
fn any_flipped_byte_is_an_error_or_caught_by_verify() {
    let dir = store();
    for file in [SHARD, "tokens.parquet"] {
        let path = dir.path().join(file);
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&path, damaged).unwrap();
            let Ok(store) = Store::open(dir.path()) else { continue };
            store.tokens().unwrap().read(0..1).ok();
            store.scan(&[(HookPoint::new("h"), 1.0)]).unwrap().next_batch(3).ok();
            assert!(verify(dir.path()).is_err(), "byte {at} of {file}");
        }
        fs::write(&path, bytes).unwrap();
    }
    verify(dir.path()).unwrap();
}
