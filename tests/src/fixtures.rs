use std::path::Path;

use saekit_core::rng::Rng;
use saekit_core::{HookPoint, Matrix};
use saekit_store::{ColumnSpec, DType, RowBlock, StoreSpec, StoreWriter};

/// A store without tokens of rows that a small dictionary can learn: each the sum of three of
/// `4 * width` random directions with positive weights, and a bias.
#[derive(Clone, Debug)]
pub struct SyntheticStore {
    /// Number of rows.
    pub rows: usize,
    /// Values a row.
    pub width: usize,
    /// Payload of a shard, bytes.
    pub shard_bytes: u64,
    /// Payload of a row group, bytes.
    pub row_group_bytes: u64,
}

/// The hook point that [`SyntheticStore`] says its rows were read at.
const HOOK: &str = "blocks.0.hook_resid_post";
/// Rows that are written at once.
const BLOCK: usize = 1000;

impl SyntheticStore {
    /// `rows` rows of `width` values in shards of 4 MiB.
    pub fn new(rows: usize, width: usize) -> Self {
        Self { rows, width, shard_bytes: 4 << 20, row_group_bytes: 1 << 20 }
    }

    /// Writes it.
    pub fn write(&self, dir: &Path) {
        let rng = Rng::new(1, "synthetic");
        let directions = self.directions(rng);
        let mut writer = StoreWriter::create(dir, self.spec()).expect("a new store");
        for start in (0..self.rows).step_by(BLOCK) {
            let rows = BLOCK.min(self.rows - start);
            let mut block = Matrix::zeros(rows, self.width);
            for i in 0..rows {
                fill(block.row_mut(i), &directions, rng.child((start + i) as u64));
            }
            let columns = [block.view()];
            let block = RowBlock { sequences: &[], positions: &[], columns: &columns };
            writer.push_rows(&block).expect("rows that are stored");
        }
        writer.finish().expect("a whole store");
    }

    fn spec(&self) -> StoreSpec {
        StoreSpec {
            columns: vec![ColumnSpec { name: HookPoint::new(HOOK), width: self.width }],
            dtype: DType::F32,
            shard_bytes: self.shard_bytes,
            row_group_bytes: self.row_group_bytes,
            has_tokens: false,
            ..StoreSpec::default()
        }
    }

    /// Directions of norm about 1, the first of them the bias.
    fn directions(&self, rng: Rng) -> Matrix {
        let (n, width) = (4 * self.width, self.width);
        let spread = 1.0 / (width as f64).sqrt();
        let values = (0..(n * width) as u64).map(|i| (rng.normal(i) * spread) as f32);
        Matrix::new(n, width, values.collect())
    }
}

fn fill(row: &mut [f32], directions: &Matrix, rng: Rng) {
    row.copy_from_slice(directions.row(0));
    for i in 0..3 {
        let direction = directions.row(rng.below(2 * i, directions.rows() as u64) as usize);
        let weight = 1.0 + rng.uniform(2 * i + 1) as f32;
        row.iter_mut().zip(direction).for_each(|(x, d)| *x += weight * d);
    }
}

/// Writes a file of `NumPy` with `rows`, all of one width.
pub fn write_rows(path: &Path, rows: &[Vec<f32>]) {
    let mut bytes = numpy_header(rows.len() as u64, rows[0].len() as u64);
    bytes.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    std::fs::write(path, &bytes).expect("a new file");
}

fn numpy_header(rows: u64, width: u64) -> Vec<u8> {
    let shape = format!("({rows}, {width})");
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").into_bytes());
    bytes
}

/// Writes a file of `NumPy` with `rows` rows of `width` singles, all of which are zero and take no place
/// on the disk.
pub fn write_zeros(path: &Path, rows: u64, width: u64) {
    let bytes = numpy_header(rows, width);
    std::fs::write(path, &bytes).expect("a new file");
    let file = std::fs::File::options().write(true).open(path).expect("the file just written");
    file.set_len(bytes.len() as u64 + 4 * rows * width).expect("a file with a hole");
}
