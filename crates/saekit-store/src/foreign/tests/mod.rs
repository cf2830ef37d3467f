//! Files of other tools hold what their generator computed, read in groups of any size.

mod damage;
mod faults;
mod large;
mod random;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::{ForeignColumn, ForeignFile, ReadOptions, open};
use crate::error::Result;
use crate::format::dtype::DType;
use crate::storage::Blob;

/// A file in memory.
#[derive(Debug)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Blob for Bytes {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn version(&self) -> Option<&str> {
        None
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> saekit_core::Result<()> {
        let from = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.0[from..from + out.len()]); // a read beyond the end is a bug
        Ok(())
    }
}

/// A file that `golden/generate.py` wrote.
#[derive(Clone, Debug, Deserialize)]
struct Golden {
    file: String,
    rows: usize,
    columns: Vec<Column>,
    context: Option<u32>,
    document: Option<String>,
    position: Option<String>,
    dtype: Option<DType>,
    /// Whether every page has a CRC.
    checked: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Column {
    name: String,
    width: usize,
    seed: usize,
    dtype: DType,
}

impl Column {
    /// The value that the generator's formula gives.
    fn value(&self, row: usize, element: usize) -> f32 {
        ((7 * row + 3 * element + self.seed) % 97) as f32 / 8.0 - 6.0
    }
}

impl Golden {
    fn all() -> Vec<Self> {
        serde_json::from_slice(&fs::read(golden("index.json")).unwrap()).unwrap()
    }

    fn named(file: &str) -> Self {
        Self::all().into_iter().find(|golden| golden.file == file).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(golden(&self.file)).unwrap()
    }

    fn options(&self, group_bytes: usize) -> ReadOptions {
        ReadOptions {
            group_bytes,
            document: self.document.clone(),
            position: self.position.clone(),
            dtype: self.dtype,
            ..ReadOptions::default()
        }
    }

    fn expected(&self) -> Read {
        let column = |column: &Column| {
            let rows = (0..self.rows)
                .map(|row| (0..column.width).map(|element| column.value(row, element)).collect());
            (column.name.clone(), rows.collect())
        };
        let rows_of = |len: u32| (0..self.rows as u32).map(move |row| [row / len, row % len]);
        let tokens = match self.context {
            Some(context) => rows_of(context).collect(),
            None if self.document.is_some() => rows_of(4).collect(),
            None => Vec::new(),
        };
        Read { columns: self.columns.iter().map(column).collect(), tokens }
    }
}

/// All rows of a file.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    columns: BTreeMap<String, Vec<Vec<f32>>>,
    /// Sequence and position of each row.
    tokens: Vec<[u32; 2]>,
}

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/foreign/tests/golden").join(file)
}

fn opened(file: &str, bytes: Vec<u8>, options: &ReadOptions) -> Result<ForeignFile> {
    let blob: Arc<dyn Blob> = Arc::new(Bytes(bytes));
    open(&blob, Path::new(file), options)
}

/// Reads everything, group by group.
fn read(found: &ForeignFile) -> Result<Read> {
    let (mut columns, mut tokens) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for (group, rows) in found.shard.group_rows().iter().enumerate() {
        for (index, column) in found.columns.iter().enumerate() {
            let rows = read_group(found, group, *rows as usize, (index, column))?;
            columns.entry(column.name.clone()).or_default().extend(rows);
        }
        if found.has_tokens {
            let (mut sequences, mut positions) = (vec![0; *rows as usize], vec![0; *rows as usize]);
            found.shard.read_tokens(group, 0..*rows, &mut sequences, &mut positions)?;
            tokens.extend(sequences.into_iter().zip(positions).map(<[u32; 2]>::from));
        }
    }
    Ok(Read { columns, tokens })
}

fn read_group(
    found: &ForeignFile,
    group: usize,
    rows: usize,
    (index, column): (usize, &ForeignColumn),
) -> Result<Vec<Vec<f32>>> {
    let row_bytes = column.width * column.dtype.bytes();
    let mut words = vec![0_u32; (rows * row_bytes).div_ceil(4)]; // aligned to every dtype
    let bytes: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut words)[..rows * row_bytes];
    found.shard.read_column(group, 0..rows as u32, index, bytes)?;
    let load = |row: &[u8]| {
        let mut values = vec![0.0; column.width];
        column.dtype.load(row, 1.0, &mut values);
        values
    };
    Ok(bytes.chunks(row_bytes).map(load).collect())
}

#[test]
fn files_of_other_tools_hold_what_was_written() {
    for golden in Golden::all() {
        for group_bytes in [1, 40, 333, 1 << 20] {
            let found = opened(&golden.file, golden.bytes(), &golden.options(group_bytes));
            let found = found.unwrap_or_else(|error| panic!("{}: {error}", golden.file));
            let columns = golden.columns.iter().map(|column| ForeignColumn {
                name: column.name.clone(),
                width: column.width,
                dtype: column.dtype,
            });
            assert_eq!(found.columns, columns.collect::<Vec<_>>(), "{}", golden.file);
            assert_eq!(found.rows, golden.rows as u64, "{}", golden.file);
            let sequences = golden.context.map_or(0, |context| golden.rows as u32 / context);
            assert_eq!(found.sequences, sequences, "{}", golden.file);
            let rows = found.shard.group_rows().iter().map(|rows| u64::from(*rows));
            assert_eq!(rows.sum::<u64>(), found.rows, "{}", golden.file);
            let read = read(&found).unwrap_or_else(|error| panic!("{}: {error}", golden.file));
            assert_eq!(read, golden.expected(), "{} by {group_bytes}", golden.file);
        }
    }
}

#[test]
fn every_golden_file_is_in_the_index() {
    let indexed: Vec<_> = Golden::all().into_iter().map(|golden| golden.file).collect();
    for entry in fs::read_dir(golden("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let others = ["generate.py", "index.json", "compressed.arrow"];
        let is_known = indexed.contains(&name) || others.contains(&&*name);
        assert!(is_known, "{name}");
    }
    assert!(indexed.len() > 20);
}

#[test]
fn row_groups_are_cut_at_pages() {
    let golden = Golden::named("pyarrow_wide.parquet");
    let rows = |group_bytes| {
        let found = opened(&golden.file, golden.bytes(), &golden.options(group_bytes)).unwrap();
        found.shard.group_rows().to_vec()
    };
    assert_eq!(rows(1 << 20), [30]);
    assert_eq!(rows(4000), [12, 12, 6]); // a page has 12 rows
}

#[test]
fn columns_come_in_the_order_that_is_asked_for() {
    let golden = Golden::named("polars.parquet");
    for file in ["polars.parquet", "polars.arrow"] {
        let columns = vec!["b".to_owned(), "a".to_owned()];
        let options = ReadOptions { columns: columns.clone(), ..golden.options(1 << 10) };
        let bytes = fs::read(self::golden(file)).unwrap();
        let found = opened(file, bytes, &options).unwrap();
        let names: Vec<_> = found.columns.iter().map(|column| column.name.clone()).collect();
        assert_eq!(names, columns);
        assert_eq!(read(&found).unwrap(), golden.expected());
    }
}

#[test]
fn contexts_are_numbered_from_the_first_sequence_on() {
    for file in ["datasets.arrow", "datasets.parquet", "numpy_contexts.npy", "openmoss.safetensors"]
    {
        let golden = Golden::named(file);
        let options = ReadOptions { first_sequence: 7, ..golden.options(50) };
        let found = opened(file, golden.bytes(), &options).unwrap();
        let expected = golden.expected().tokens.into_iter().map(|[s, p]| [s + 7, p]);
        assert_eq!(read(&found).unwrap().tokens, expected.collect::<Vec<_>>(), "{file}");
    }
}

#[test]
fn users_are_told_what_they_should_know() {
    let notes = |file: &str| {
        let golden = Golden::named(file);
        opened(file, golden.bytes(), &golden.options(1 << 20)).unwrap().notes.join("\n")
    };
    assert!(notes("pyarrow_default.parquet").contains("no checksums"));
    assert!(!notes("pyarrow_zstd.parquet").contains("no checksums"));
    assert!(notes("openmoss.safetensors").contains("`mask`"));
    assert!(!notes("datasets.arrow").contains("`huggingface`"));
    assert!(notes("safetensors.safetensors").contains(r#"{"model":"none"}"#));
}
