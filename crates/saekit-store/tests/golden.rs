//! A store that pyarrow wrote (`golden/pyarrow_store.py`).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::{Path, PathBuf};

use common::Recipe;
use saekit_core::files::read_json;
use saekit_core::{HookPoint, Interrupt, Silent};
use saekit_store::{DType, Manifest, RowBatch, RowSource as _, Store, StreamConfig};
use tempfile::TempDir;

#[derive(serde::Deserialize)]
struct Expected {
    columns: std::collections::BTreeMap<HookPoint, Vec<Vec<f32>>>,
    sequences: Vec<u32>,
    positions: Vec<u32>,
}

fn open() -> (Store, Expected) {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pyarrow_store");
    let store = Store::open(&dir).unwrap();
    let expected = read_json(&dir.join("expected.json"), "golden").unwrap();
    (store, expected)
}

fn columns(store: &Store) -> Vec<(HookPoint, f32)> {
    store.manifest().columns.iter().map(|column| (column.name.clone(), 1.0)).collect()
}

#[test]
fn every_value_is_pyarrows() {
    let (store, expected) = open();
    store.verify(&mut Silent, &Interrupt::default()).unwrap();
    let dtypes: Vec<_> = store.manifest().columns.iter().map(|column| column.dtype).collect();
    assert_eq!(dtypes, [DType::F16, DType::BF16, DType::F32]);
    let mut scan = store.scan(&columns(&store)).unwrap();
    let batch = scan.next_batch(100).unwrap().unwrap();
    assert_eq!(batch.rows(), 30);
    for (spec, matrix) in scan.columns().iter().zip(&batch.columns) {
        assert_eq!(matrix.as_slice(), expected.columns[&spec.name].concat(), "{}", spec.name);
    }
    assert_eq!((batch.sequences, batch.positions), (expected.sequences, expected.positions));
}

#[test]
fn it_is_streamed() {
    let (store, expected) = open();
    let config = StreamConfig { columns: columns(&store), ..StreamConfig::default() };
    let batch = store.stream(&config).unwrap().next_batch(30).unwrap().unwrap();
    let sorted = |sequences: &[u32], positions: &[u32]| {
        let mut rows: Vec<_> = sequences.iter().copied().zip(positions.iter().copied()).collect();
        rows.sort_unstable();
        rows
    };
    assert_eq!(
        sorted(&batch.sequences, &batch.positions),
        sorted(&expected.sequences, &expected.positions)
    );
}

#[test]
fn its_tokens_are_read() {
    let (store, _) = open();
    let sequences: Vec<_> = (0..6).map(Recipe::sequence).collect();
    assert_eq!(store.tokens().unwrap().read(0..6).unwrap(), sequences);
}

/// What pyarrow measured is what our writer measures of the same rows.
#[test]
fn statistics_agree() {
    let (store, expected) = open();
    for column in &store.manifest().columns {
        let dir = tempfile::tempdir().unwrap();
        let mut spec = Recipe { tokens: false, dtype: column.dtype, ..Recipe::default() }.spec();
        spec.columns = vec![column.spec()];
        let mut writer = saekit_store::StoreWriter::create(dir.path(), spec).unwrap();
        let rows = expected.columns[&column.name].concat();
        common::push(&mut writer, saekit_core::MatrixView::new(30, column.width, &rows)).unwrap();
        let ours = writer.finish().unwrap().columns.remove(0);
        assert!((ours.mean_norm / column.mean_norm - 1.0).abs() < 1e-12);
        assert_eq!((ours.scale, ours.mean), (column.scale, column.mean.clone()));
    }
}

/// A copy of the store in `dir` with the bits `flips` of byte `at` of a shard turned.
fn damaged(dir: &Path, shard: &str, at: usize, flips: u8) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("shards")).unwrap();
    let manifest: Manifest = read_json(&dir.join("manifest.json"), "manifest").unwrap();
    let shards = manifest.shards.iter().map(|shard| shard.file.as_str());
    for file in shards.chain(["manifest.json", "tokens.parquet"]) {
        std::fs::copy(dir.join(file), copy.path().join(file)).unwrap();
    }
    let path = copy.path().join(shard);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= flips;
    std::fs::write(&path, bytes).unwrap();
    copy
}

/// All rows of the store in `dir`, or what reading says.
fn scan(dir: &Path) -> Result<RowBatch, String> {
    let text = |error: saekit_core::Error| error.to_string();
    let store = Store::open(dir).map_err(|error| text(error.into()))?;
    let mut scan = store.scan(&columns(&store)).map_err(|error| text(error.into()))?;
    let rows = scan.rows_per_epoch() as usize;
    Ok(scan.next_batch(rows).map_err(text)?.unwrap())
}

/// pyarrow wrote a checksum into each page, so that reading alone notices.
#[test]
fn a_flipped_page_byte_fails_its_checksum() {
    let (store, _) = open();
    let copy = damaged(store.dir(), "shards/shard-00001.parquet", 100, 16);
    let message = scan(copy.path()).unwrap_err(); // byte 100 is a value in the first page
    assert!(message.contains("shard-00001.parquet has a page at byte "), "{message}");
    assert!(
        message.ends_with("it was changed after it was written; restore the file"),
        "{message}"
    );
}

/// So do we, in every page of every column: no byte before the footer can change and what is read
/// with it.
#[test]
fn no_flipped_byte_of_our_pages_changes_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe { rows: 12, shard_rows: 12, group_rows: 6, ..Recipe::default() };
    recipe.write(dir.path(), 12).unwrap();
    let expected = scan(dir.path()).unwrap();
    let shard = "shards/shard-00000.parquet";
    let bytes = std::fs::read(dir.path().join(shard)).unwrap();
    let footer = bytes.len() - 8;
    let footer = footer - u32::from_le_bytes(bytes[footer..][..4].try_into().unwrap()) as usize;
    let mut failed = 0;
    for at in 4..footer {
        for flips in [1, 0x80] {
            match scan(damaged(dir.path(), shard, at, flips).path()) {
                Ok(read) => assert_eq!(read, expected, "byte {at}"),
                Err(_) => failed += 1,
            }
        }
    }
    let payload = recipe.rows * (3 + 2) * 4;
    assert!(failed > 2 * payload, "{failed} of {} failed", 2 * (footer - 4));
}
