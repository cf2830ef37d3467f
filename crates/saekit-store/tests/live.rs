//! Rows that are used while they are produced, against the store that they would make.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use common::Recipe;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, proptest};
use saekit_core::rng::Rng;
use saekit_core::{Error as CoreError, Interrupt};
use saekit_store::{
    DType, LiveConfig, LiveRows, RowBatch, RowBlock, RowSink, RowSource as _, Store,
    TokenizedSequence,
};

fn recipes() -> impl Strategy<Value = Recipe> {
    (1_usize..120, 1_usize..40, 1_usize..12, 1_usize..3, 0_usize..4, any::<bool>()).prop_map(
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

fn config(recipe: &Recipe, seed: u64, groups: usize) -> LiveConfig {
    LiveConfig {
        spec: recipe.spec(),
        rows: recipe.rows as u64,
        sha256: "of the settings".to_owned(),
        stream: recipe.stream(seed, groups),
        interrupt: Interrupt::default(),
    }
}

/// Takes `recipe`'s rows live, pushed in blocks of `block`.
fn live<R>(
    recipe: &Recipe,
    config: LiveConfig,
    block: usize,
    consume: impl FnOnce(&mut LiveRows) -> R,
) -> R {
    let produce = |sink: &mut dyn RowSink, _: &Interrupt| Ok(recipe.push_all(sink, block)?);
    LiveRows::scope(config, produce, consume).unwrap()
}

/// The bits of a row, its sequence and position.
type Row = (Vec<u32>, Option<(u32, u32)>);

fn rows(batch: &RowBatch) -> Vec<Row> {
    let row = |i| {
        let values = batch.columns.iter().flat_map(move |column| column.row(i));
        let token = batch.sequences.get(i).map(|sequence| (*sequence, batch.positions[i]));
        (values.map(|value| value.to_bits()).collect(), token)
    };
    (0..batch.rows()).map(row).collect()
}

/// The first `epochs` epochs of the window order: the rows on disk, a pool of row groups at a time.
fn window(recipe: &Recipe, config: &LiveConfig, epochs: u64) -> Vec<Row> {
    let dir = tempfile::tempdir().unwrap();
    recipe.write(dir.path(), 17).unwrap();
    let mut scan = Store::open(dir.path()).unwrap().scan(&config.stream.columns).unwrap();
    let disk = rows(&scan.next_batch(recipe.rows).unwrap().unwrap());
    let shards = disk.chunks(recipe.shard_rows);
    let groups: Vec<_> = shards.flat_map(|shard| shard.chunks(recipe.group_rows)).collect();
    let largest = groups.iter().map(|group| group.len()).max().unwrap() as u64;
    let row_bytes = recipe.spec().row_bytes() + 4;
    let per_pool = (config.stream.pool_bytes / 2 / (largest * row_bytes)) as usize;
    let pools = groups.len().div_ceil(per_pool.min(groups.len()));
    let mut order = Vec::new();
    for epoch in 0..epochs {
        for pool in 0..pools {
            let start = |pool: usize| pool * groups.len() / pools;
            let mut rows = groups[start(pool)..start(pool + 1)].concat();
            let rng = Rng::new(config.stream.seed, "store.pool");
            rng.child(epoch).child(pool as u64).shuffle(&mut rows);
            order.extend(rows);
        }
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_come_in_the_window_order_of_the_store(
        recipe in recipes(), seed: u64, groups in 1_usize..6, batch in 1_usize..30, block in 1_usize..50,
    ) {
        let config = config(&recipe, seed, groups);
        let expected = window(&recipe, &config, 3);
        let found = live(&recipe, config, block, |source| {
            let mut found = Vec::new();
            while found.len() < expected.len() {
                found.extend(rows(&source.next_batch(batch).unwrap().unwrap()));
            }
            found
        });
        prop_assert_eq!(&found[..expected.len()], &expected[..]);
    }

    #[test]
    fn a_cursor_goes_on_at_the_exact_row(
        recipe in recipes(), groups in 1_usize..6, at in 0_usize..300, back in 0_usize..300,
    ) {
        let (at, back) = (at % (2 * recipe.rows), back % (2 * recipe.rows));
        let config = config(&recipe, 5, groups);
        let expected = window(&recipe, &config, 6);
        live(&recipe, config, 13, |source| {
            let mut cursors = Vec::new();
            for row in [back, at] {
                let passed = source.next_batch(row).unwrap().unwrap();
                prop_assert_eq!(passed.rows(), row);
                cursors.push(source.cursor());
            }
            for (cursor, row) in cursors.iter().zip([back, back + at]).rev() {
                source.seek(cursor).unwrap();
                let batch = source.next_batch(recipe.rows).unwrap().unwrap();
                prop_assert_eq!(&rows(&batch)[..], &expected[row..row + recipe.rows]);
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_choice_of_columns_is_scaled() {
    let recipe = Recipe::default();
    let mut config = config(&recipe, 1, 2);
    config.stream.columns = vec![(common::hook(1), 0.5)];
    let expected =
        window(&recipe, &LiveConfig { stream: recipe.stream(1, 2), ..config.clone() }, 1);
    let mut found = live(&recipe, config, 9, |source| {
        assert_eq!(source.columns(), [common::column(1, 2)]);
        rows(&source.next_batch(100).unwrap().unwrap())
    });
    // Another choice makes other pools, but not other rows.
    let mut halved: Vec<_> = expected
        .into_iter()
        .map(|(row, token)| {
            let half = |bits: &u32| (f32::from_bits(*bits) * 0.5).to_bits();
            (row[3..].iter().map(half).collect::<Vec<_>>(), token)
        })
        .collect();
    found.sort();
    halved.sort();
    assert!(found == halved);
}

/// Counts what is asked of a producer.
struct Watched<'a> {
    sink: &'a mut dyn RowSink,
    pushed: &'a AtomicU64,
}

impl RowSink for Watched<'_> {
    fn push_sequence(&mut self, sequence: &TokenizedSequence) -> saekit_core::Result<u32> {
        self.sink.push_sequence(sequence)
    }

    fn push_rows(&mut self, block: &RowBlock<'_>) -> saekit_core::Result<()> {
        self.pushed.fetch_add(block.rows() as u64, Ordering::SeqCst);
        self.sink.push_rows(block)
    }

    fn first_row(&self) -> u64 {
        self.sink.first_row()
    }

    fn skip_rows(&mut self, rows: u64) -> saekit_core::Result<()> {
        self.sink.skip_rows(rows)
    }
}

#[test]
fn rows_in_earlier_shards_are_not_computed_and_the_producer_stays_near() {
    let recipe = Recipe { rows: 4000, ..Recipe::default() };
    let pushed = AtomicU64::new(0);
    let produce = |sink: &mut dyn RowSink, _: &Interrupt| {
        Ok(recipe.push_all(&mut Watched { sink, pushed: &pushed }, 8)?)
    };
    LiveRows::scope(config(&recipe, 1, 3), produce, |source| {
        let mut cursor = source.cursor();
        cursor.row = 3900;
        source.seek(&cursor).unwrap();
        source.next_batch(90).unwrap().unwrap();
        // From the shard of the pool that holds row 3900 to the end, and into the next epoch.
        let most = (4000 - 3900 + 24 + 40) + 40 + 8;
        assert!((90..=most).contains(&pushed.load(Ordering::SeqCst)));
    })
    .unwrap();
}

#[test]
fn what_stops_the_producer_stops_the_batch_and_leaves_the_position() {
    let recipe = Recipe::default();
    let config = config(&recipe, 1, 2);
    let expected = window(&recipe, &config, 2);
    let calls = AtomicUsize::new(0);
    let produce = |sink: &mut dyn RowSink, _: &Interrupt| {
        if calls.fetch_add(1, Ordering::SeqCst) == 1 {
            CoreError::check_size("number of tries", 1, 2)?;
        }
        Ok(recipe.push_all(sink, 16)?)
    };
    LiveRows::scope(config, produce, |source| {
        source.next_batch(95).unwrap();
        let cursor = source.cursor();
        let message = source.next_batch(20).unwrap_err().to_string();
        assert!(message.contains("number of tries"), "{message}");
        assert_eq!(source.cursor(), cursor);
        assert!(rows(&source.next_batch(20).unwrap().unwrap()) == expected[95..115]);
    })
    .unwrap();
}

#[test]
fn a_miscount_is_noticed() {
    let recipe = Recipe::default();
    for (counted, expected) in [(99, "100 rows were harvested, but 99"), (101, "100 rows were")] {
        let config = LiveConfig { rows: counted, ..config(&recipe, 1, 2) };
        let message = live(&recipe, config, 50, |source| {
            loop {
                if let Err(error) = source.next_batch(10) {
                    break error.to_string();
                }
            }
        });
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn an_interrupt_ends_the_wait() {
    let recipe = Recipe::default();
    let config = config(&recipe, 1, 2);
    let interrupt = config.interrupt.clone();
    let produce = |_: &mut dyn RowSink, stop: &Interrupt| loop {
        interrupt.raise();
        stop.check()?;
        std::thread::yield_now();
    };
    let message =
        LiveRows::scope(config, produce, |source| source.next_batch(1).unwrap_err().to_string());
    assert_eq!(message.unwrap(), "interrupted");
}

#[test]
fn what_cannot_be_is_refused() {
    let recipe = Recipe::default();
    let good = config(&recipe, 1, 2);
    let mut unknown = good.clone();
    unknown.stream.columns[0].0 = saekit_core::HookPoint::new("ln_final");
    let mut none = good.clone();
    none.stream.columns.clear();
    let mut small = good.clone();
    small.stream.pool_bytes = 100;
    for (config, expected) in [
        (unknown, "the harvest has no column `ln_final`; it has `blocks.0.hook_resid_post`, `blo"),
        (none, "no column of the harvest was chosen"),
        (small, "a pool of 100 bytes cannot hold two row groups of the harvest; it takes at least"),
        (LiveConfig { rows: 0, ..good.clone() }, "no row would be in it"),
    ] {
        let message = LiveRows::scope(config, |_, _| Ok(()), |_| ()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let other = live(&recipe, config(&recipe, 2, 2), 50, |source| source.cursor());
    let message = live(&recipe, good, 50, |source| source.seek(&other).unwrap_err().to_string());
    assert!(message.contains("another order of the rows of the harvest"), "{message}");
}
