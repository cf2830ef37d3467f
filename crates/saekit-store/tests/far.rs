//! Stores on a disk and far away have the same rows, and a position in the one is one in the other.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::Recipe;
use saekit_core::{Interrupt, Silent};
use saekit_store::StreamError;
use saekit_store::{
    Blob, Cursor, DType, Error, Folder, Listed, OpenConfig, RowSource as _, Shuffle, Storage,
    Store, StreamConfig,
};

/// A folder whose files say that they are far away.
#[derive(Debug)]
struct Far(Folder);

#[derive(Debug)]
struct FarBlob(Arc<dyn Blob>);

impl Storage for Far {
    fn location(&self) -> &Path {
        self.0.location()
    }

    fn list(&self) -> saekit_core::Result<Vec<Listed>> {
        self.0.list()
    }

    fn open(&self, path: &str) -> saekit_core::Result<Option<Arc<dyn Blob>>> {
        Ok(self.0.open(path)?.map(|blob| Arc::new(FarBlob(blob)) as Arc<dyn Blob>))
    }
}

impl Blob for FarBlob {
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn version(&self) -> Option<&str> {
        self.0.version()
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> saekit_core::Result<()> {
        self.0.read_at(offset, out)
    }
}

/// Row groups of four pages, in more shards than a pool has groups.
fn recipe() -> Recipe {
    Recipe {
        rows: 192,
        shard_rows: 64,
        group_rows: 32,
        widths: vec![1 << 16],
        dtype: DType::F16,
        tokens: false,
    }
}

fn far(dir: &Path) -> Store {
    let storage = Arc::new(Far(Folder::new(dir)));
    Store::open_in(storage, &OpenConfig::default(), &mut Silent, &Interrupt::default()).unwrap()
}

#[test]
fn a_run_goes_on_where_its_store_was_moved() {
    let (dir, recipe) = (tempfile::tempdir().unwrap(), recipe());
    let near = recipe.open(dir.path());
    let stores = [near, far(dir.path())];
    let config = recipe.stream(5, 4);
    let streams = || stores.each_ref().map(|store| store.stream(&config).unwrap());
    let [mut near, mut far] = streams();
    assert_ne!(near.cursor().order_sha256, far.cursor().order_sha256, "nothing is cut");
    for (begun, other) in [(&mut near, 1), (&mut far, 0)] {
        recipe.take(begun, 50);
        let cursor = begun.cursor();
        let expected = recipe.take(begun, 200);
        let mut resumed = stores[other].stream(&config).unwrap();
        resumed.seek(&cursor).unwrap();
        assert_eq!(recipe.take(&mut resumed, 200), expected);
        assert_eq!(resumed.cursor(), begun.cursor());
        let other = Cursor { order_sha256: "another".to_owned(), ..cursor };
        assert!(resumed.seek(&other).is_err());
    }
}

#[test]
fn a_small_pool_is_given_parts_of_row_groups() {
    let (dir, recipe) = (tempfile::tempdir().unwrap(), recipe());
    let store = recipe.open(dir.path());
    let group_bytes = recipe.stream(5, 1).pool_bytes / 2;
    let small = |shuffle| StreamConfig { pool_bytes: group_bytes, shuffle, ..recipe.stream(5, 1) };
    let mut stream = store.stream(&small(Shuffle::Full)).unwrap();
    let mut rows = recipe.take(&mut stream, recipe.rows);
    rows.sort_unstable();
    assert_eq!(rows, (0..recipe.rows).collect::<Vec<_>>());
    let refused = store.stream(&small(Shuffle::Window)).unwrap_err();
    assert!(matches!(refused, Error::Stream(StreamError::PoolTooSmall { .. })), "{refused}");
    let refused = far(dir.path()).stream(&small(Shuffle::Full)).unwrap_err().to_string();
    assert!(refused.contains("(9 MiB)"), "{refused}");
}
