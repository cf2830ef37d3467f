//! Sources made of sources: read ahead, and mixed.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::Recipe;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use saekit_core::{Interrupt, Silent};
use saekit_store::{
    Blob, Folder, Listed, Mixture, OpenConfig, ReadAhead, RowSource as _, ShuffledRows, Storage,
    Store, StreamConfig, scale_of_first,
};

fn stream(recipe: &Recipe, dir: &std::path::Path, seed: u64) -> ShuffledRows {
    recipe.open(dir).stream(&recipe.stream(seed, 2)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn reading_ahead_changes_nothing(
        seed: u64, sizes in proptest::collection::vec(1_usize..40, 1..12), back in 0_usize..12,
        limits in proptest::array::uniform2(proptest::option::of(0_u64..300)),
    ) {
        let recipe = Recipe::default();
        let dir = tempfile::tempdir().unwrap();
        let mut plain = stream(&recipe, dir.path(), seed);
        let store = saekit_store::Store::open(dir.path()).unwrap();
        let limited = StreamConfig { limit: limits[0], ..recipe.stream(seed, 2) };
        let mut ahead = ReadAhead::new(store.stream(&limited).unwrap(), limits[1]);
        let mut cursors = vec![plain.cursor()];
        for rows in &sizes {
            let batch = ahead.next_batch(*rows).unwrap().unwrap();
            prop_assert_eq!(&batch, &plain.next_batch(*rows).unwrap().unwrap());
            ahead.recycle(batch);
            prop_assert_eq!(&ahead.cursor(), &plain.cursor());
            cursors.push(plain.cursor());
        }
        let cursor = &cursors[back % cursors.len()];
        ahead.seek(cursor).unwrap();
        plain.seek(cursor).unwrap();
        prop_assert_eq!(ahead.next_batch(33).unwrap(), plain.next_batch(33).unwrap());
    }

    #[test]
    fn a_mixture_is_the_same_in_batches_of_any_size_and_goes_on(
        seed: u64, weight in 0.1_f64..10.0, batch in 1_usize..50, stop in 0_usize..150,
    ) {
        let recipes = [Recipe::default(), Recipe { rows: 60, ..Recipe::default() }];
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let stores: Vec<_> =
            recipes.iter().zip(&dirs).map(|(recipe, dir)| recipe.open(dir.path())).collect();
        let mixture = || {
            let parts = recipes.iter().zip(&stores).zip([weight, 1.0]);
            let parts = parts.map(|((recipe, store), weight)| {
                (store.stream(&recipe.stream(seed, 2)).unwrap(), weight)
            });
            Mixture::new(parts.collect(), seed).unwrap()
        };
        let recipe = &recipes[0];
        let mut whole = mixture();
        prop_assert_eq!(whole.rows_per_epoch(), 160);
        let expected = recipe.take(&mut whole, 200);
        let mut in_batches = mixture();
        let mut found = Vec::new();
        while found.len() < 200 {
            let rows = batch.min(200 - found.len());
            found.extend(recipe.take(&mut in_batches, rows));
        }
        prop_assert_eq!(&found, &expected);
        let mut stopped = mixture();
        recipe.take(&mut stopped, stop);
        let cursor = stopped.cursor();
        let mut resumed = mixture();
        resumed.seek(&cursor).unwrap();
        prop_assert_eq!(&recipe.take(&mut resumed, 200 - stop)[..], &expected[stop..]);
    }

    #[test]
    fn the_first_rows_decide_the_scale_and_stay_to_come(seed: u64, rows in 1_u64..200) {
        let recipe = Recipe::default();
        let dir = tempfile::tempdir().unwrap();
        let mut source = stream(&recipe, dir.path(), seed);
        let scale = scale_of_first(&mut source, rows).unwrap();
        let batch = source.next_batch(rows.min(100) as usize).unwrap().unwrap();
        let norm = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let norms: f64 = (0..batch.rows()).map(|i| norm(batch.columns[0].row(i))).sum();
        let expected = 3.0_f64.sqrt() / (norms / batch.rows() as f64);
        let expected = if expected.is_finite() { expected } else { 1.0 };
        prop_assert!((f64::from(scale) / expected - 1.0).abs() < 1e-6, "{scale} {expected}");
    }
}

/// Rows of the first source are those below 100, of the second those of a store of its own; their
/// shares are the weights'.
#[test]
fn weights_are_shares() {
    let recipe = Recipe { rows: 4000, shard_rows: 1000, group_rows: 100, ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    let store = recipe.open(dir.path());
    let part = |seed| store.stream(&recipe.stream(seed, 4)).unwrap();
    let mut mixture = Mixture::new(vec![(part(1), 3.0), (part(2), 1.0)], 7).unwrap();
    recipe.take(&mut mixture, 4000);
    let shares: Vec<_> = mixture.cursor().parts.iter().map(|part| part.row).collect();
    assert_eq!(shares.iter().sum::<u64>(), 4000);
    assert!((2900..3100).contains(&shares[0]), "{shares:?}");
}

#[test]
fn sources_that_do_not_fit_are_refused() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let other = Recipe { widths: vec![4, 2], ..Recipe::default() };
    let parts = || {
        vec![
            (stream(&Recipe::default(), dirs[0].path(), 1), 1.0),
            (stream(&other, dirs[1].path(), 1), 1.0),
        ]
    };
    let message = Mixture::new(parts(), 1).unwrap_err().to_string();
    assert!(message.starts_with("cannot mix rows: source 1 has `blocks.0"), "{message}");
    let nothing = Mixture::<ShuffledRows>::new(vec![], 1).unwrap_err().to_string();
    assert!(nothing.contains("there are no sources"), "{nothing}");
    let dir = tempfile::tempdir().unwrap();
    let one = vec![(stream(&Recipe::default(), dir.path(), 1), 0.0)];
    assert!(Mixture::new(one, 1).unwrap_err().to_string().contains("weight 0"));
}

/// A folder that counts the bytes that are read.
#[derive(Debug)]
struct Counted {
    folder: Folder,
    read: Arc<AtomicU64>,
}

impl Storage for Counted {
    fn location(&self) -> &Path {
        self.folder.location()
    }

    fn exists(&self) -> saekit_core::Result<bool> {
        self.folder.exists()
    }

    fn list(&self) -> saekit_core::Result<Vec<Listed>> {
        self.folder.list()
    }

    fn open(&self, path: &str) -> saekit_core::Result<Option<Arc<dyn Blob>>> {
        let counted = |blob| Arc::new(CountedBlob(blob, Arc::clone(&self.read))) as Arc<dyn Blob>;
        Ok(self.folder.open(path)?.map(counted))
    }
}

#[derive(Debug)]
struct CountedBlob(Arc<dyn Blob>, Arc<AtomicU64>);

impl Blob for CountedBlob {
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn version(&self) -> Option<&str> {
        self.0.version()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> saekit_core::Result<()> {
        self.1.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.0.read_at(offset, out)
    }
}

/// A store far away is paid for by the byte.
#[test]
fn rows_after_the_last_that_is_expected_are_not_read() {
    let recipe = Recipe { rows: 2000, ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    recipe.open(dir.path());
    let read = Arc::new(AtomicU64::new(0));
    let storage = Counted { folder: Folder::new(dir.path()), read: Arc::clone(&read) };
    let config = OpenConfig::default();
    let store =
        Store::open_in(Arc::new(storage), &config, &mut Silent, &Interrupt::default()).unwrap();
    // What is read ahead takes a moment: as long as it stays at `enough`, up to `waits` times.
    let measure = |limit, enough: u64, waits: u32| {
        read.store(0, Ordering::Relaxed);
        let stream = StreamConfig { limit, ..recipe.stream(3, 2) };
        let mut ahead = ReadAhead::new(store.stream(&stream).unwrap(), limit);
        for _ in 0..20 {
            ahead.next_batch(100).unwrap().unwrap();
        }
        for _ in 0..waits {
            if read.load(Ordering::Relaxed) > enough {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        drop(ahead);
        read.load(Ordering::Relaxed)
    };
    let epoch = measure(Some(2000), u64::MAX, 1);
    let without = measure(None, epoch, 200);
    assert!(without > epoch, "{without} bytes without a limit, {epoch} with one");
    let half = measure(Some(1000), u64::MAX, 0);
    assert!(half >= epoch, "{half} bytes where more rows came than were expected");
    let mut limited =
        store.stream(&StreamConfig { limit: Some(500), ..recipe.stream(3, 2) }).unwrap();
    read.store(0, Ordering::Relaxed);
    limited.next_batch(500).unwrap().unwrap();
    drop(limited);
    let quarter = read.load(Ordering::Relaxed);
    assert!(quarter < epoch / 2, "{quarter} bytes of {epoch} for a quarter of the rows");
}
