//! The tokens table.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Recipe;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use saekit_store::{Store, StoreWriter, TokenizedSequence};

/// A store with one row and sequences of `lengths` tokens.
fn store(dir: &std::path::Path, lengths: &[usize]) -> (Store, Vec<TokenizedSequence>) {
    let recipe = Recipe { rows: 1, widths: vec![1], ..Recipe::default() };
    let mut writer = StoreWriter::create(dir, recipe.spec()).unwrap();
    let sequences: Vec<_> =
        lengths.iter().enumerate().map(|(i, n)| sequence(i as u32, *n)).collect();
    for sequence in &sequences {
        writer.push_sequence(sequence).unwrap();
    }
    let row = recipe.matrix(0);
    let block = saekit_store::RowBlock { sequences: &[0], positions: &[0], columns: &[row.view()] };
    writer.push_rows(&block).unwrap();
    writer.finish().unwrap();
    (Store::open(dir).unwrap(), sequences)
}

fn sequence(number: u32, length: usize) -> TokenizedSequence {
    let numbers = |first: u32| (first..).take(length).collect::<Vec<u32>>();
    TokenizedSequence {
        ids: numbers(number * 3),
        documents: vec![number / 2; length],
        byte_starts: numbers(number),
        byte_ends: numbers(number + 4),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_range_is_read_back(
        lengths in proptest::collection::vec(0_usize..9, 1..40), a: u32, b: u32,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (store, sequences) = store(dir.path(), &lengths);
        let tokens = store.tokens().unwrap();
        prop_assert_eq!(tokens.len() as usize, lengths.len());
        let (a, b) = (a % (tokens.len() + 1), b % (tokens.len() + 1));
        let (start, end) = (a.min(b), a.max(b));
        prop_assert_eq!(&tokens.read(start..end).unwrap(), &sequences[start as usize..end as usize]);
    }
}

#[test]
fn ranges_cross_row_groups() {
    let dir = tempfile::tempdir().unwrap();
    let lengths = vec![1000; 600]; // three row groups of 2^18 tokens at most
    let (store, sequences) = store(dir.path(), &lengths);
    let tokens = store.tokens().unwrap();
    assert_eq!(tokens.read(0..600).unwrap(), sequences);
    assert_eq!(tokens.read(261..265).unwrap(), sequences[261..265]);
    assert_eq!(tokens.read(263..264).unwrap(), sequences[263..264]);
    assert_eq!(tokens.read(600..600).unwrap(), []);
}

#[test]
fn a_range_past_the_end_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(dir.path(), &[3, 3]);
    let message = store.tokens().unwrap().read(1..3).unwrap_err().to_string();
    assert!(
        message.starts_with("sequences 1..3 were asked for, but ") && message.ends_with("has 2")
    );
}

#[test]
fn a_store_may_have_none() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe { tokens: false, ..Recipe::default() };
    let store = recipe.open(dir.path());
    assert!(store.tokens().is_none());
    assert!(!dir.path().join("tokens.parquet").exists());
    let mut rows = recipe.take(&mut store.stream(&recipe.stream(1, 2)).unwrap(), 100);
    rows.sort_unstable();
    assert_eq!(rows, (0..100).collect::<Vec<_>>());
}
