//! Vectors of 8-bit whole numbers with a column of their scales: a value is the product of both.

use std::ops::Range;
use std::path::Path;

use super::integers::Integer;
use super::{ForeignColumn, ForeignFile, Input, Layout, ReadOptions};
use crate::error::{Error, OpenError, Result};
use crate::format::dtype::DType;
use crate::shard::Shard;

/// The scale of each row, in words.
const EXPECTED: &str = "one number of f16, f32 or f64 per vector";

/// A file of which the last column is the scale of the others.
#[derive(Debug)]
struct Scaled {
    shard: Box<dyn Shard>,
    columns: Vec<Packed>,
    /// The type in which `shard` returns scales.
    scale: DType,
}

/// A column as `shard` returns it.
#[derive(Debug)]
struct Packed {
    width: usize,
    /// Set where it has whole numbers; they may have a sign.
    is_signed: Option<bool>,
}

/// Fails where `options` names a column of scales that the file at `path` cannot have.
pub(super) fn check(path: &Path, layout: Option<Layout>, options: &ReadOptions) -> Result<()> {
    let Some(scale) = &options.scale else { return Ok(()) };
    let (problem, remedy) = if matches!(layout, Some(Layout::Safetensors | Layout::Npy)) {
        let problem = "a column of scales is read from parquet and Arrow only".to_owned();
        (problem, "multiply the values with their scales, or leave out `--scale-column`")
    } else if options.columns.contains(scale) {
        let problem = format!("column `{scale}` cannot be the activations and their scales");
        (problem, "name the scales with `--scale-column` only")
    } else {
        return Ok(());
    };
    let (path, remedy) = (path.to_owned(), remedy.to_owned());
    Err(OpenError::Options { path, problem, remedy }.into())
}

/// Whether vectors of `integer` are read with a scale, and whether they have a sign.
pub(super) fn is_signed(integer: Integer) -> Option<bool> {
    match integer {
        Integer::I8 => Some(true),
        Integer::U8 => Some(false),
        _ => None,
    }
}

/// The error for the column of scales `name`, which has another type or shape.
pub(super) fn no_scale(input: &Input, name: &str) -> Error {
    input.unsupported(format!("other values in column `{name}` of scales"), EXPECTED)
}

/// The error for whole numbers in `column` without a scale.
pub(super) fn unscaled(input: &Input, column: &str) -> Error {
    let found = format!("8-bit whole numbers in column `{column}`, without their scale");
    input.unsupported(found, "the column of the scale of each row, which `--scale-column` names")
}

/// Multiplies the vectors of `file` with their scales, which are its last column. `is_signed` has an
/// entry per column, which is set where it has whole numbers. At least one has to.
pub(super) fn scaled(
    input: &Input,
    mut file: ForeignFile,
    is_signed: &[Option<bool>],
) -> Result<ForeignFile> {
    let Some(scale) = file.columns.pop() else { return Ok(file) };
    if is_signed.iter().all(Option::is_none) {
        let found = format!("no vectors of 8-bit whole numbers for the scales in `{}`", scale.name);
        return Err(input.unsupported(found, "lists of int8 or uint8, or no `--scale-column`"));
    }
    let packed = |(column, is_signed): (&ForeignColumn, &Option<bool>)| Packed {
        width: column.width,
        is_signed: *is_signed,
    };
    let columns = file.columns.iter().zip(is_signed).map(packed).collect();
    for (column, is_signed) in file.columns.iter_mut().zip(is_signed) {
        match is_signed {
            Some(true) => column.dtype = DType::I8,
            Some(false) => column.dtype = DType::F32,
            None => {}
        }
    }
    file.shard = Box::new(Scaled { shard: file.shard, columns, scale: scale.dtype });
    Ok(file)
}

impl Scaled {
    /// The scales of `rows` of `group`.
    fn scales(&self, group: usize, rows: Range<u32>) -> Result<Vec<f32>> {
        let mut scales = vec![0.0; rows.len()];
        let mut bytes = vec![0; rows.len() * self.scale.bytes()];
        self.shard.read_column(group, rows, self.columns.len(), &mut bytes)?;
        self.scale.load(&bytes, 1.0, &mut scales);
        Ok(scales)
    }
}

impl Shard for Scaled {
    fn path(&self) -> &Path {
        self.shard.path()
    }

    fn group_rows(&self) -> &[u32] {
        self.shard.group_rows()
    }

    fn read_column(
        &self,
        group: usize,
        rows: Range<u32>,
        column: usize,
        out: &mut [u8],
    ) -> Result<()> {
        let Packed { width, is_signed } = self.columns[column];
        let Some(is_signed) = is_signed else {
            return self.shard.read_column(group, rows, column, out);
        };
        let scales = self.scales(group, rows.clone())?;
        let mut numbers = vec![0; rows.len() * width];
        self.shard.read_column(group, rows, column, &mut numbers)?;
        let dtype = if is_signed { DType::I8 } else { DType::F32 };
        let out = out.chunks_exact_mut(dtype.row_bytes(width));
        for ((numbers, scale), out) in numbers.chunks_exact(width).zip(scales).zip(out) {
            if is_signed {
                // The dtype is a scale and then the numbers.
                let (first, rest) = out.split_at_mut(size_of::<f32>());
                first.copy_from_slice(&scale.to_le_bytes());
                rest.copy_from_slice(numbers);
                continue;
            }
            for (number, out) in numbers.iter().zip(out.as_chunks_mut().0) {
                *out = (f32::from(*number) * scale).to_le_bytes();
            }
        }
        Ok(())
    }

    fn read_tokens(
        &self,
        group: usize,
        rows: Range<u32>,
        sequences: &mut [u32],
        positions: &mut [u32],
    ) -> Result<()> {
        self.shard.read_tokens(group, rows, sequences, positions)
    }

    fn read_token_ids(&self, contexts: Range<u64>) -> Result<Vec<Vec<u32>>> {
        self.shard.read_token_ids(contexts)
    }
}
