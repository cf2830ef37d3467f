//! What a writer refuses, and what it leaves behind when it does.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;

use common::{Recipe, hook};
use saekit_core::MatrixView;
use saekit_store::{DType, RowBlock, Store, StoreSpec, StoreWriter, TokenizedSequence};

/// A recipe of rows of width 4 without tokens.
fn bare(dtype: DType) -> Recipe {
    Recipe { widths: vec![4], tokens: false, dtype, ..Recipe::default() }
}

/// What the writer says of `values` as its third row.
fn refusal(dtype: DType, values: [f32; 4]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::create(dir.path(), bare(dtype).spec()).unwrap();
    common::push(&mut writer, MatrixView::new(1, 4, &[0.0; 4])).unwrap();
    let rows = [[1.0; 4], values].concat();
    let message = common::push(&mut writer, MatrixView::new(2, 4, &rows)).unwrap_err().to_string();
    let after = common::push(&mut writer, MatrixView::new(1, 4, &[0.0; 4])).unwrap_err();
    assert!(after.to_string().contains("failed before"), "{after}");
    assert!(writer.finish().is_err());
    assert!(!dir.path().join("manifest.json").exists());
    message
}

#[test]
fn a_value_beyond_f16() {
    assert_eq!(
        refusal(DType::F16, [0.0, 65503.0, -70000.0, 1.0]),
        "`blocks.0.hook_resid_post` is -70000 at row 2, element 2, which f16 cannot hold; use `--dtype bf16`"
    );
}

#[test]
fn a_value_beyond_bf16() {
    let message = refusal(DType::BF16, [0.0, f32::MAX, 0.0, 1.0]);
    assert!(message.ends_with("which bf16 cannot hold; use `--dtype f32`"), "{message}");
}

#[test]
fn a_value_beyond_i8() {
    let message = refusal(DType::I8, [0.0, f32::MIN, 0.0, 1.0]);
    assert!(message.ends_with("which i8 cannot hold; use `--dtype f32`"), "{message}");
}

#[test]
fn nan_and_infinity() {
    for dtype in DType::ALL {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let message = refusal(dtype, [0.0, 0.0, 0.0, value]);
            let start = format!("`blocks.0.hook_resid_post` is {value} at row 2, element 3; ");
            assert!(message.starts_with(&start), "{message}");
        }
    }
}

#[test]
fn a_token_is_named_where_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe { widths: vec![2], dtype: DType::F16, ..Recipe::default() };
    let mut writer = StoreWriter::create(dir.path(), recipe.spec()).unwrap();
    writer.push_sequence(&Recipe::sequence(0)).unwrap();
    let columns = [MatrixView::new(2, 2, &[0.0, 1.0, 2.0, 1e6])];
    let block = RowBlock { sequences: &[0, 0], positions: &[3, 4], columns: &columns };
    let message = writer.push_rows(&block).unwrap_err().to_string();
    assert!(message.contains("is 1000000 at sequence 0, position 4, element 1"), "{message}");
}

type Case<'a> = (&'a [u32], &'a [u32], &'a [MatrixView<'a>], &'a str);

#[test]
fn blocks_of_other_shapes() {
    let (row, wide) = (MatrixView::new(1, 2, &[0.0; 2]), MatrixView::new(1, 3, &[0.0; 3]));
    let cases: [Case<'_>; 6] = [
        (&[0], &[0], &[row], "number of columns of a block of rows is 1, expected 2"),
        (&[0], &[0], &[row, wide], "width of rows of `blocks.1.hook_resid_post` is 3, expected 2"),
        (&[0], &[0], &[row, MatrixView::new(0, 2, &[])], "number of rows of `blocks.1"),
        (&[], &[0], &[row, row], "number of sequences of a block of rows is 0, expected 1"),
        (&[0], &[], &[row, row], "number of positions of a block of rows is 0, expected 1"),
        (&[1], &[0], &[row, row], "a row names sequence 1, but only 1 were pushed"),
    ];
    for (sequences, positions, columns, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let recipe = Recipe { widths: vec![2, 2], ..Recipe::default() };
        let mut writer = StoreWriter::create(dir.path(), recipe.spec()).unwrap();
        writer.push_sequence(&Recipe::sequence(0)).unwrap();
        let block = RowBlock { sequences, positions, columns };
        let message = writer.push_rows(&block).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn a_sequence_with_a_field_of_another_length() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::create(dir.path(), Recipe::default().spec()).unwrap();
    let sequence = TokenizedSequence { byte_ends: vec![1], ..Recipe::sequence(0) };
    let message = writer.push_sequence(&sequence).unwrap_err().to_string();
    assert_eq!(message, "number of `byte_end` of a sequence is 1, expected 5");
}

#[test]
fn a_sequence_for_a_store_without_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::create(dir.path(), bare(DType::F16).spec()).unwrap();
    let message = writer.push_sequence(&Recipe::sequence(0)).unwrap_err().to_string();
    assert!(message.contains("has no tokens"), "{message}");
}

#[test]
fn specs_that_cannot_be() {
    let good = Recipe::default().spec();
    let mut reserved = good.clone();
    reserved.columns[1].name = saekit_core::HookPoint::new("position");
    let mut twice = good.clone();
    twice.columns[1].name = hook(0);
    let mut flat = good.clone();
    flat.columns[0].width = 0;
    let none = StoreSpec { columns: vec![], ..good };
    for (spec, expected) in [
        (reserved, "a hook point cannot be called `position`"),
        (twice, "hook point `blocks.0.hook_resid_post` is named twice"),
        (flat, "rows of `blocks.0.hook_resid_post` cannot be 0 values wide"),
        (none, "it has no columns"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let message = StoreWriter::create(dir.path(), spec).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert_eq!(files(dir.path()), [""; 0]);
    }
}

#[test]
fn no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let writer = StoreWriter::create(dir.path(), Recipe::default().spec()).unwrap();
    let message = writer.finish().unwrap_err().to_string();
    assert!(message.contains("what was read for it was empty"), "{message}");
    assert!(!dir.path().join("manifest.json").exists());
}

#[test]
fn a_finished_store_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = Recipe::default().write(dir.path(), 50).unwrap();
    let message = Recipe::default().write(dir.path(), 50).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "already holds a store; choose another folder, or overwrite it with `--force`"
        )
    );
    assert_eq!(Store::open(dir.path()).unwrap().manifest(), &manifest);
}

#[test]
fn a_dropped_writer_leaves_no_store_and_is_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let recipe = Recipe::default();
    {
        let mut writer = StoreWriter::create(path, recipe.spec()).unwrap();
        for i in 0..20 {
            writer.push_sequence(&Recipe::sequence(i)).unwrap();
        }
        let (a, b) = (recipe.matrix(0), recipe.matrix(1));
        let zeros = [0; 100];
        let columns = [a.view(), b.view()];
        let block = RowBlock { sequences: &zeros, positions: &zeros, columns: &columns };
        writer.push_rows(&block).unwrap();
    }
    let message = Store::open(path).unwrap_err().to_string();
    assert!(message.contains(
        "is not a store yet: it has no `manifest.json`; run the command that was writing it again"
    ));
    fs::write(path.join("shards/shard-00009.parquet.partial"), "half a shard").unwrap();
    fs::write(path.join("shards/notes.txt"), "mine").unwrap();
    fs::write(path.join("notes.txt"), "mine").unwrap();
    Recipe { rows: 30, ..recipe }.write(path, 30).unwrap();
    assert_eq!(
        files(path),
        [
            "manifest.json",
            "notes.txt",
            "shards/notes.txt",
            "shards/shard-00000.parquet",
            "tokens.parquet"
        ]
    );
}

#[test]
fn files_of_somebody_else_are_not_cleared() {
    for name in ["tokens.parquet", "shards/shard-00000.parquet"] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("shards")).unwrap();
        fs::write(dir.path().join(name), "mine").unwrap();
        let message = Recipe::default().write(dir.path(), 50).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains("is in the way"), "{message}");
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"mine");
    }
}

#[test]
fn removing_takes_the_store_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    Store::remove(dir.path()).unwrap();
    Recipe::default().write(dir.path(), 50).unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    Store::remove(dir.path()).unwrap();
    assert_eq!(files(dir.path()), ["notes.txt"]);
    drop(StoreWriter::create(dir.path(), Recipe::default().spec()).unwrap());
    Store::remove(dir.path()).unwrap();
    assert_eq!(files(dir.path()), ["notes.txt"]);
    fs::write(dir.path().join("manifest.json"), r#"{"format": "webpack", "version": 1}"#).unwrap();
    assert!(Store::remove(dir.path()).unwrap_err().to_string().contains("has format `webpack`"));
    assert_eq!(files(dir.path()), ["manifest.json", "notes.txt"]);
}

/// A device that is always full stands in for the disk.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let recipe =
        Recipe { rows: 60_000, shard_rows: 60_000, group_rows: 60_000, ..bare(DType::F32) };
    let mut writer = StoreWriter::create(dir.path(), recipe.spec()).unwrap();
    let partial = dir.path().join("shards/shard-00000.parquet.partial");
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    let rows = recipe.matrix(0);
    let message = common::push(&mut writer, rows.view()).unwrap_err().to_string();
    assert!(
        message.starts_with("cannot write ") && message.contains("free space there"),
        "{message}"
    );
    assert!(message.contains("shard-00000.parquet"), "{message}");
    assert!(writer.finish().is_err());
    assert!(!partial.exists());
    recipe.write(dir.path(), 1000).unwrap();
    Store::open(dir.path()).unwrap();
}

/// Files below `dir`, sorted.
fn files(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            names.extend(files(&path).into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}
