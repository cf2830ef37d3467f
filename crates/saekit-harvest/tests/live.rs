//! A harvest whose rows are used at once gives those that it would store.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "this file uses a part")]
mod common;

use std::sync::atomic::{AtomicU64, Ordering};

use common::{Desk, HOOKS, rows, some_texts};
use saekit_core::{HookPoint, Interrupt};
use saekit_harvest::Harvest;
use saekit_store::{
    DType, LiveConfig, LiveRows, RowBatch, RowSink, RowSource as _, Shuffle, StreamConfig,
};

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    desk.config.dtype = DType::I8;
    desk.config.shard_bytes = 70 * (4 + 4 + 8);
    desk
}

fn stream(columns: Vec<(HookPoint, f32)>) -> StreamConfig {
    StreamConfig {
        seed: 3,
        pool_bytes: 4000,
        columns,
        shuffle: Shuffle::Window,
        ..StreamConfig::default()
    }
}

fn config(harvest: &Harvest<'_>) -> LiveConfig {
    let columns = vec![(HookPoint::new(HOOKS[1]), 1.0)];
    harvest.live(stream(columns), &Interrupt::default()).unwrap()
}

fn live<R>(harvest: &Harvest<'_>, consume: impl FnOnce(&mut LiveRows) -> R) -> R {
    let config = config(harvest);
    LiveRows::scope(config, |sink, stop| Ok(harvest.produce(sink, stop)?), consume).unwrap()
}

/// Sequence, position and values of every row, in order of places.
fn sorted(batch: &RowBatch) -> Vec<(u32, u32, Vec<f32>)> {
    let row = |i| (batch.sequences[i], batch.positions[i], batch.columns[0].row(i).to_vec());
    let mut rows: Vec<_> = (0..batch.rows()).map(row).collect();
    rows.sort_by_key(|(sequence, position, _)| (*sequence, *position));
    rows
}

#[test]
fn every_epoch_has_the_rows_of_the_store() {
    let mut desk = desk();
    for max_rows in [None, Some(501)] {
        desk.config.max_rows = max_rows;
        let stored = rows(&desk.store_again(), HOOKS[1]);
        assert_eq!(stored.len(), max_rows.unwrap_or(1080) as usize);
        let harvest = desk.prepare().unwrap();
        live(&harvest, |source| {
            assert_eq!(source.rows_per_epoch(), stored.len() as u64);
            let first = source.next_batch(stored.len()).unwrap().unwrap();
            let second = source.next_batch(stored.len()).unwrap().unwrap();
            assert!(sorted(&first) == stored && sorted(&second) == stored);
            assert!(first != second, "epochs have an order each");
        });
    }
}

#[test]
fn the_order_is_that_of_the_stores_window() {
    let desk = desk();
    desk.store_again();
    let columns = vec![(HookPoint::new(HOOKS[1]), 0.5)];
    let store = saekit_store::Store::open(desk.out()).unwrap();
    let mut stored = store.stream(&stream(columns.clone())).unwrap();
    let harvest = desk.prepare().unwrap();
    let config = harvest.live(stream(columns), &Interrupt::default()).unwrap();
    let produce = |sink: &mut dyn RowSink, stop: &Interrupt| Ok(harvest.produce(sink, stop)?);
    let checked = LiveRows::scope(config, produce, |live| {
        let [of_live, of_store] = [&mut *live as &mut dyn saekit_store::RowSource, &mut stored]
            .map(|source| saekit_store::scale_of_first(source, 100).unwrap());
        assert_eq!(of_live, of_store);
        for _ in 0..20 {
            assert!(live.next_batch(120).unwrap() == stored.next_batch(120).unwrap());
        }
    });
    checked.unwrap();
}

#[test]
fn a_seek_computes_only_what_comes_after() {
    let desk = desk();
    let harvest = desk.prepare().unwrap();
    let config = config(&harvest);
    assert_eq!(desk.model.forwards.load(Ordering::SeqCst), 0, "rows are counted without the model");
    let (expected, cursor) = live(&harvest, |source| {
        source.next_batch(1000).unwrap();
        let cursor = source.cursor();
        (source.next_batch(60).unwrap().unwrap(), cursor)
    });
    assert_eq!((&cursor.store_sha256, cursor.row), (&config.sha256, 1000));
    let first_row = AtomicU64::new(u64::MAX);
    let produce = |sink: &mut dyn RowSink, stop: &Interrupt| {
        first_row.fetch_min(sink.first_row().wrapping_sub(1), Ordering::SeqCst);
        Ok(harvest.produce(sink, stop)?)
    };
    let found = LiveRows::scope(config, produce, |source| {
        source.seek(&cursor).unwrap();
        source.next_batch(60).unwrap().unwrap()
    });
    assert!(found.unwrap() == expected);
    // The pool of row 1000 begins at most 124 rows before, in a shard of 70.
    let first_row = first_row.load(Ordering::SeqCst) + 1;
    assert!(
        first_row.is_multiple_of(70) && (1000 - 124 - 70..=1000).contains(&first_row),
        "{first_row}"
    );
}

#[test]
fn other_settings_make_another_source() {
    let mut desk = desk();
    let first = config(&desk.prepare().unwrap()).sha256;
    assert_eq!(config(&desk.prepare().unwrap()).sha256, first);
    desk.config.batch_tokens = 16;
    assert_ne!(config(&desk.prepare().unwrap()).sha256, first);
}
