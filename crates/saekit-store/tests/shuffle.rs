//! The order of the stream, and going on in the middle of it.

mod common;

use common::Recipe;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, prop_assert_ne, proptest};
use saekit_store::StreamError;
use saekit_store::{Cursor, DType, Error, RowSource as _, Shuffle, Store, StreamConfig};

fn recipes() -> impl Strategy<Value = Recipe> {
    (1_usize..80, 1_usize..40, 1_usize..12, 1_usize..3, 0_usize..3, any::<bool>()).prop_map(
        |(rows, shard_rows, group_rows, columns, dtype, tokens)| Recipe {
            rows,
            shard_rows,
            group_rows: group_rows.min(shard_rows),
            widths: (0..columns).map(|i| i + 1).collect(),
            dtype: DType::ALL[dtype],
            tokens,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_row_comes_once_an_epoch(
        recipe in recipes(), seed: u64, groups in 1_usize..6, batch in 1_usize..30,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut stream = recipe.open(dir.path()).stream(&recipe.stream(seed, groups)).unwrap();
        prop_assert_eq!(stream.rows_per_epoch(), recipe.rows as u64);
        let mut rows = Vec::new();
        while rows.len() < 3 * recipe.rows {
            rows.extend(recipe.take(&mut stream, batch));
        }
        for epoch in rows.chunks_exact(recipe.rows) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..recipe.rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_cursor_goes_on_at_the_exact_row(
        recipe in recipes(), seed: u64, groups in 1_usize..6,
        stops in proptest::collection::vec(0_usize..90, 1..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = recipe.open(dir.path());
        let mut whole = store.stream(&recipe.stream(seed, groups)).unwrap();
        let mut cursor = whole.cursor();
        for rows in stops {
            let expected = recipe.take(&mut whole, rows);
            let text = serde_json::to_string(&cursor).unwrap();
            let reopened = Store::open(dir.path()).unwrap();
            let mut stream = reopened.stream(&recipe.stream(seed, groups)).unwrap();
            stream.seek(&serde_json::from_str::<Cursor>(&text).unwrap()).unwrap();
            prop_assert_eq!(&stream.cursor(), &cursor);
            prop_assert_eq!(recipe.take(&mut stream, rows), expected);
            prop_assert_eq!(&stream.cursor(), &whole.cursor());
            cursor = whole.cursor();
        }
    }

    #[test]
    fn a_used_stream_seeks_back_and_forth(recipe in recipes(), first in 0_usize..200, second in 0_usize..200) {
        let dir = tempfile::tempdir().unwrap();
        let store = recipe.open(dir.path());
        let mut stream = store.stream(&recipe.stream(3, 2)).unwrap();
        recipe.take(&mut stream, first);
        let cursor = stream.cursor();
        let expected = recipe.take(&mut stream, second);
        stream.seek(&cursor).unwrap();
        prop_assert_eq!(recipe.take(&mut stream, second), expected);
    }

    #[test]
    fn batches_do_not_matter(recipe in recipes(), a in 1_usize..50, b in 1_usize..50) {
        let dir = tempfile::tempdir().unwrap();
        let store = recipe.open(dir.path());
        let all = |batch: usize| {
            let mut stream = store.stream(&recipe.stream(5, 2)).unwrap();
            let rows: Vec<_> = (0..100_usize.div_ceil(batch)).flat_map(|_| recipe.take(&mut stream, batch)).collect();
            rows[..100].to_vec()
        };
        prop_assert_eq!(all(a), all(b));
    }

    #[test]
    fn a_scan_goes_on_at_the_exact_row(recipe in recipes(), part in 0.0_f64..1.0) {
        let dir = tempfile::tempdir().unwrap();
        let store = recipe.open(dir.path());
        let mut whole = store.scan(&recipe.columns()).unwrap();
        let before = (part * recipe.rows as f64) as usize;
        whole.next_batch(before).unwrap();
        let mut resumed = store.scan(&recipe.columns()).unwrap();
        resumed.seek(&whole.cursor()).unwrap();
        let rest = recipe.rows - before;
        prop_assert_eq!(recipe.take(&mut resumed, rest), recipe.take(&mut whole, rest));
        resumed.seek(&whole.cursor()).unwrap();
        prop_assert_eq!(resumed.next_batch(1).unwrap(), None);
    }

    #[test]
    fn epochs_and_seeds_differ(seed: u64) {
        let recipe = Recipe::default();
        let dir = tempfile::tempdir().unwrap();
        let store = recipe.open(dir.path());
        let mut stream = store.stream(&recipe.stream(seed, 3)).unwrap();
        let (first, second) = (recipe.take(&mut stream, 100), recipe.take(&mut stream, 100));
        prop_assert_ne!(&first, &second);
        let mut other = store.stream(&recipe.stream(seed ^ 1, 3)).unwrap();
        prop_assert_ne!(&first, &recipe.take(&mut other, 100));
    }
}

/// Rows of one pool come from as many row groups as it holds, wherever they lie.
#[test]
fn a_pool_mixes_row_groups_of_all_shards() {
    let recipe = Recipe { rows: 4000, shard_rows: 400, group_rows: 20, ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    let mut stream = recipe.open(dir.path()).stream(&recipe.stream(9, 50)).unwrap();
    let mut shards: Vec<_> = recipe.take(&mut stream, 50).iter().map(|row| row / 400).collect();
    shards.sort_unstable();
    shards.dedup();
    assert!(shards.len() >= 8, "a batch of 50 rows has rows of {} of 10 shards", shards.len());
}

/// Each pool has its share of every shard, so that no document is denser in it than in the store.
#[test]
fn a_pool_has_as_much_of_each_shard_as_of_any_other() {
    let recipe = Recipe { rows: 4000, shard_rows: 400, group_rows: 20, ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    let mut stream = recipe.open(dir.path()).stream(&recipe.stream(9, 40)).unwrap();
    for _pool in 0..2 * 200 / 40 {
        let mut of_shard = [0; 10];
        recipe.take(&mut stream, 800).iter().for_each(|row| of_shard[row / 400] += 1);
        assert_eq!(of_shard, [80; 10]);
    }
}

#[test]
fn a_window_takes_row_groups_in_their_order() {
    let recipe = Recipe { rows: 90, shard_rows: 40, group_rows: 8, ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    let store = recipe.open(dir.path());
    let on_disk: Vec<_> = recipe.take(&mut store.scan(&recipe.columns()).unwrap(), 90);
    let config = StreamConfig { shuffle: Shuffle::Window, ..recipe.stream(3, 4) };
    let mut stream = store.stream(&config).unwrap();
    for epoch in [0, 1] {
        let rows = recipe.take(&mut stream, 90);
        // three pools of twelve row groups, of which the fifth, the tenth and the last are short
        for pool in [0..32, 32..64, 64..90] {
            let (mut found, mut expected) = (rows[pool.clone()].to_vec(), on_disk[pool].to_vec());
            assert_ne!(found, expected, "epoch {epoch}");
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "epoch {epoch}");
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let recipe = Recipe { rows: 700, ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    let store = recipe.open(dir.path());
    let take = |wait: bool| {
        let mut stream = store.stream(&recipe.stream(2, 4)).unwrap();
        let mut rows = Vec::new();
        for _ in 0..150 {
            rows.extend(recipe.take(&mut stream, 10));
            if wait {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        rows
    };
    let alone = take(true);
    std::thread::scope(|scope| {
        let together: Vec<_> = (0..8).map(|i| scope.spawn(move || take(i % 2 == 0))).collect();
        for thread in together {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}

#[test]
fn scales_multiply_rows_and_leave_their_order() {
    let recipe = Recipe::default();
    let dir = tempfile::tempdir().unwrap();
    let store = recipe.open(dir.path());
    let mut both = store.stream(&recipe.stream(2, 50)).unwrap();
    let mut config = recipe.stream(2, 50);
    config.columns = vec![(common::hook(0), 4.0)];
    let mut one = store.stream(&config).unwrap();
    let scaled = one.next_batch(100).unwrap().unwrap();
    let plain = both.next_batch(100).unwrap().unwrap();
    assert_eq!(scaled.sequences, plain.sequences);
    for (scaled, plain) in scaled.columns[0].as_slice().iter().zip(plain.columns[0].as_slice()) {
        assert_eq!(*scaled, 4.0 * plain);
    }
}

#[test]
fn a_cursor_of_another_store_is_refused() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = Recipe::default();
    let cursor = recipe.open(a.path()).stream(&recipe.stream(1, 2)).unwrap().cursor();
    let other = Recipe { rows: 99, ..recipe.clone() };
    let mut stream = other.open(b.path()).stream(&recipe.stream(1, 2)).unwrap();
    let message = stream.seek(&cursor).unwrap_err().to_string();
    assert!(message.contains("belongs to a store with manifest"), "{message}");
}

#[test]
fn a_cursor_of_another_order_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe::default();
    let store = recipe.open(dir.path());
    let cursor = store.stream(&recipe.stream(1, 2)).unwrap().cursor();
    for config in [recipe.stream(2, 2), recipe.stream(1, 3)] {
        let message = store.stream(&config).unwrap().seek(&cursor).unwrap_err().to_string();
        assert!(message.contains("belongs to another order"), "{message}");
    }
    assert!(store.scan(&recipe.columns()).unwrap().seek(&cursor).is_err());
}

#[test]
fn a_cursor_past_the_end_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe::default();
    let mut stream = recipe.open(dir.path()).stream(&recipe.stream(1, 2)).unwrap();
    let cursor = Cursor { row: 101, ..stream.cursor() };
    let message = stream.seek(&cursor).unwrap_err().to_string();
    assert!(message.contains("row 101 of") && message.contains("which has 100"), "{message}");
}

#[test]
fn a_pool_that_cannot_hold_two_row_groups_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = Recipe::default();
    let store = recipe.open(dir.path());
    let mut config = recipe.stream(1, 1);
    let needed = config.pool_bytes;
    config.pool_bytes -= 1;
    let refused = store.stream(&config).unwrap_err();
    assert!(
        matches!(refused, Error::Stream(StreamError::PoolTooSmall { needed: n, .. }) if n == needed),
        "{refused}"
    );
}
