//! What is written is what is read.

mod common;

use common::{Recipe, hook};
use half::{bf16, f16};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use saekit_core::{HookPoint, Interrupt, ModelInfo, Silent};
use saekit_store::{DType, Dataset, Manifest, RowSource as _, Store, StoreWriter};

/// Those that hold the values of these tests exactly, or round each by itself.
const FLOATS: [DType; 3] = [DType::F16, DType::BF16, DType::F32];

#[test]
fn every_float() {
    for dtype in FLOATS {
        let recipe = Recipe { dtype, rows: 200, ..Recipe::default() };
        let dir = tempfile::tempdir().unwrap();
        let store = recipe.open(dir.path());
        let mut rows = recipe.take(&mut store.scan(&recipe.columns()).unwrap(), 200);
        rows.sort_unstable();
        assert_eq!(rows, (0..200).collect::<Vec<_>>(), "{dtype}");
        assert_eq!(store.column(&hook(0)).unwrap().dtype, dtype);
    }
}

#[test]
fn values_are_rounded_to_the_nearest() {
    for dtype in FLOATS {
        let values = [1.0001_f32, -3.333_333, 1e-6, 65503.0];
        let dir = tempfile::tempdir().unwrap();
        let recipe = Recipe { dtype, tokens: false, widths: vec![4], ..Recipe::default() };
        let mut writer = StoreWriter::create(dir.path(), recipe.spec()).unwrap();
        common::push(&mut writer, saekit_core::MatrixView::new(1, 4, &values)).unwrap();
        writer.finish().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut scan = store.scan(&[(hook(0), 2.0)]).unwrap();
        let batch = scan.next_batch(9).unwrap().unwrap();
        let expected = values.map(|value| {
            2.0 * match dtype {
                DType::F16 => f16::from_f32(value).to_f32(),
                DType::BF16 => bf16::from_f32(value).to_f32(),
                _ => value,
            }
        });
        assert_eq!(batch.columns[0].as_slice(), expected, "{dtype}");
        assert!(batch.sequences.is_empty() && batch.positions.is_empty());
    }
}

/// Rows as [`DType::I8`] says: a scale each, and what was lost in the manifest.
#[test]
fn bytes_have_a_scale_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe { dtype: DType::I8, ..Recipe::default() };
    let store = recipe.open(dir.path());
    let batch = store.scan(&recipe.columns()).unwrap().next_batch(100).unwrap().unwrap();
    for (column, matrix) in batch.columns.iter().enumerate() {
        let (mut errors, mut squares) = (0.0, 0.0);
        for i in 0..100 {
            let row = batch.sequences[i] as usize * common::LENGTH + batch.positions[i] as usize;
            let row = recipe.row(column, row);
            let scale = row.iter().fold(0.0_f32, |largest, x| largest.max(x.abs())) / 127.0;
            for (value, stored) in row.iter().zip(matrix.row(i)) {
                let quotient = if scale > 0.0 { (value / scale).round_ties_even() } else { 0.0 };
                assert_eq!(*stored, quotient * scale);
                errors += f64::from(value - stored).powi(2);
                squares += f64::from(*value).powi(2);
            }
        }
        let error = store.column(&hook(column)).unwrap().storage_error.unwrap();
        assert!((error / (errors / squares) - 1.0).abs() < 1e-6, "{error}");
        assert!(error > 1e-7 && error < 1e-4, "{error}");
    }
}

#[test]
fn the_error_of_storing_follows_the_dtype() {
    let error = |dtype| {
        let dir = tempfile::tempdir().unwrap();
        let recipe = Recipe { dtype, tokens: false, widths: vec![64], ..Recipe::default() };
        let mut writer = StoreWriter::create(dir.path(), recipe.spec()).unwrap();
        let values: Vec<f32> = (0..640).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
        common::push(&mut writer, saekit_core::MatrixView::new(10, 64, &values)).unwrap();
        writer.finish().unwrap().columns[0].storage_error.unwrap()
    };
    let errors = [DType::F32, DType::F16, DType::BF16, DType::I8].map(error);
    // Steps are 2^-10 and 2^-7 of the power of two below the value, and a 127th of the largest.
    assert_eq!(errors[0], 0.0);
    assert!(errors.is_sorted() && errors[1] < 1e-7 && errors[2] < 6e-6, "{errors:?}");
    assert!(errors[3] > 6e-6 && errors[3] < 2e-5, "{errors:?}");
}

#[test]
fn the_manifest_is_what_open_reads() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe::default();
    let mut spec = recipe.spec();
    spec.model = Some(ModelInfo {
        name: "tiny".to_owned(),
        family: "gpt2".to_owned(),
        d_model: 3,
        n_layers: 2,
        n_ctx: 5,
        d_vocab: 11,
        sha256: "ab".to_owned(),
    });
    spec.tokenizer_sha256 = Some("cd".to_owned());
    spec.dataset = Some(Dataset { name: "novels".to_owned(), sha256: None });
    (spec.context_size, spec.prepend_bos, spec.excluded_tokens) = (Some(5), Some(true), vec![0, 9]);
    let mut writer = StoreWriter::create(dir.path(), spec.clone()).unwrap();
    writer.push_sequence(&Recipe::sequence(0)).unwrap();
    let (a, b) = (recipe.matrix(0), recipe.matrix(1));
    let columns = [a.view().slice(1, 3), b.view().slice(1, 3)];
    let block =
        saekit_store::RowBlock { sequences: &[0, 0], positions: &[1, 2], columns: &columns };
    writer.push_rows(&block).unwrap();
    let manifest = writer.finish().unwrap();

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.manifest(), &manifest);
    assert_eq!((manifest.model.clone(), manifest.dataset.clone()), (spec.model, spec.dataset));
    assert_eq!(manifest.excluded_tokens, [0, 9]);
    assert_eq!((manifest.rows, manifest.sequences, manifest.seed), (2, 1, 7));
    let column = store.column(&hook(0)).unwrap();
    assert_eq!(column.mean, [1.5, -0.75, 0.375]);
    let norm = 1.5 * (1.0_f64 + 0.25 + 0.0625).sqrt();
    assert!((column.mean_norm - norm).abs() < 1e-12);
    assert_eq!(column.scale, (3.0_f64.sqrt() / norm) as f32);
    let bytes = std::fs::read(dir.path().join("manifest.json")).unwrap();
    assert_eq!(store.sha256(), saekit_core::files::sha256(&bytes));
    store.verify(&mut Silent, &Interrupt::default()).unwrap();
}

#[test]
fn nothing_but_the_store_is_left() {
    let dir = tempfile::tempdir().unwrap();
    Recipe::default().write(dir.path(), 100).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["manifest.json", "shards", "tokens.parquet"]);
    assert_eq!(std::fs::read_dir(dir.path().join("shards")).unwrap().count(), 3);
}

#[test]
fn a_shards_rows_are_permuted() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe::default();
    let rows = recipe.take(&mut recipe.open(dir.path()).scan(&recipe.columns()).unwrap(), 100);
    for (shard, rows) in rows.chunks(40).enumerate() {
        let mut sorted = rows.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, (shard * 40..shard * 40 + rows.len()).collect::<Vec<_>>());
        assert_ne!(sorted, rows);
    }
}

#[test]
fn a_scan_ends_with_a_shorter_batch() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe::default();
    let mut scan = recipe.open(dir.path()).scan(&recipe.columns()).unwrap();
    let sizes: Vec<_> =
        std::iter::from_fn(|| scan.next_batch(30).unwrap()).map(|batch| batch.rows()).collect();
    assert_eq!(sizes, [30, 30, 30, 10]);
    assert!(scan.next_batch(30).unwrap().is_none());
}

#[test]
fn any_choice_of_columns() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe::default();
    let store = recipe.open(dir.path());
    let mut both = store.scan(&[(hook(1), 1.0), (hook(0), 0.5)]).unwrap();
    let names: Vec<_> =
        both.columns().iter().map(|column| (column.name.clone(), column.width)).collect();
    assert_eq!(names, [(hook(1), 2), (hook(0), 3)]);
    let batch = both.next_batch(10).unwrap().unwrap();
    let mut one = store.scan(&[(hook(1), 1.0)]).unwrap();
    assert_eq!(one.next_batch(10).unwrap().unwrap().columns[0], batch.columns[0]);
    let unknown = store.scan(&[(HookPoint::new("ln_final"), 1.0)]).unwrap_err().to_string();
    assert!(unknown.contains("no column `ln_final`; it has `blocks.0.hook_resid_post`, `blocks.1"));
    assert!(store.scan(&[]).unwrap_err().to_string().contains("no column of"));
}

#[test]
fn pages_and_row_groups_have_the_documented_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe { rows: 3000, widths: vec![1024], ..Recipe::default() };
    let mut spec = recipe.spec();
    (spec.shard_bytes, spec.row_group_bytes) = (8 << 20, 4 << 20);
    let mut writer = StoreWriter::create(dir.path(), spec).unwrap();
    writer.push_sequence(&Recipe::sequence(0)).unwrap();
    let (rows, zeros) = (recipe.matrix(0), vec![0; 3000]);
    let block =
        saekit_store::RowBlock { sequences: &zeros, positions: &zeros, columns: &[rows.view()] };
    writer.push_rows(&block).unwrap();
    let manifest = writer.finish().unwrap();
    let payload = 4096 + 8;
    assert_eq!(manifest.shards[0].rows, (8 << 20) / payload);
    assert!(manifest.shards[0].bytes < (8 << 20) + (64 << 10), "{}", manifest.shards[0].bytes);

    let file = std::fs::File::open(dir.path().join("shards/shard-00000.parquet")).unwrap();
    let reader = parquet::file::serialized_reader::SerializedFileReader::new(file).unwrap();
    let group = parquet::file::reader::FileReader::get_row_group(&reader, 0).unwrap();
    assert_eq!(group.metadata().num_rows() as u64, (4 << 20) / (payload + 4));
    let mut pages = group.get_column_page_reader(0).unwrap();
    let page = pages.get_next_page().unwrap().unwrap();
    assert_eq!(page.buffer().len(), 1 << 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Cutting the input into blocks differently changes no byte of the store.
    #[test]
    fn blocks_do_not_matter(rows in 1_usize..90, shard_rows in 1_usize..50, block in 1_usize..100) {
        let recipe = Recipe { rows, shard_rows, dtype: DType::F16, ..Recipe::default() };
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let whole: Manifest = recipe.write(a.path(), rows).unwrap();
        let blocks = recipe.write(b.path(), block).unwrap();
        prop_assert_eq!(whole.shards.len(), rows.div_ceil(shard_rows));
        prop_assert_eq!(whole, blocks);
    }
}
