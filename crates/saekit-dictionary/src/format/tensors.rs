//! Named `f32` matrices and vectors in a safetensors file.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use saekit_core::files::{sha256_file, write_atomic};
use saekit_core::{Error as CoreError, Matrix};
use safetensors::{Dtype, SafeTensors, View};

use crate::{Error, Result};

/// A tensor about to be written: its shape and values, row-major.
pub(crate) struct Tensor<'a> {
    shape: Vec<usize>,
    values: Cow<'a, [f32]>,
}

impl<'a> Tensor<'a> {
    /// `[rows, cols]`.
    pub(crate) fn matrix(matrix: &'a Matrix) -> Self {
        let shape = vec![matrix.rows(), matrix.cols()];
        Self { shape, values: Cow::Borrowed(matrix.as_slice()) }
    }

    /// `[cols, rows]`.
    pub(crate) fn transposed(matrix: &Matrix) -> Self {
        let shape = vec![matrix.cols(), matrix.rows()];
        Self { shape, values: Cow::Owned(matrix.transposed().into_vec()) }
    }

    /// `[len]`.
    pub(crate) fn vector(values: &'a [f32]) -> Self {
        Self { shape: vec![values.len()], values: Cow::Borrowed(values) }
    }
}

impl View for &Tensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(&self.values))
    }

    fn data_len(&self) -> usize {
        self.values.len() * size_of::<f32>()
    }
}

/// Writes `tensors` to `path` and returns the file's SHA-256.
pub(crate) fn write(path: &Path, tensors: &[(&str, Tensor<'_>)]) -> Result<String> {
    let views = tensors.iter().map(|(name, tensor)| (*name, tensor));
    let bytes = safetensors::serialize(views, None)
        .map_err(|e| Error::Damaged { path: path.to_owned(), reason: e.to_string() })?;
    write_atomic(path, |writer| writer.write_all(&bytes))?;
    Ok(sha256_file(path)?)
}

/// A safetensors file in memory.
pub(crate) struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl TensorFile {
    /// Reads `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(CoreError::io("read", path))?;
        let file = Self { path: path.to_owned(), bytes };
        file.parse()?;
        Ok(file)
    }

    fn parse(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes)
            .map_err(|e| Error::Damaged { path: self.path.clone(), reason: e.to_string() })
    }

    /// Fails unless the file's tensors are exactly those in `names`.
    pub(crate) fn check_names(&self, names: &[&str]) -> Result<()> {
        let parsed = self.parse()?;
        let mut found = parsed.names();
        found.sort_unstable();
        if let Some(missing) = names.iter().find(|name| !found.contains(*name)) {
            return Err(
                self.problem(format!("tensor `{missing}` is missing (there are {found:?})"))
            );
        }
        if let Some(extra) = found.iter().find(|name| !names.contains(*name)) {
            return Err(
                self.problem(format!("tensor `{extra}` does not belong (expected {names:?})"))
            );
        }
        Ok(())
    }

    /// The tensor called `name` as a matrix.
    pub(crate) fn matrix(&self, name: &str) -> Result<Matrix> {
        let (shape, values) = self.values(name)?;
        let [rows, cols] = shape[..] else {
            return Err(
                self.problem(format!("tensor `{name}` has shape {shape:?}, expected two sizes"))
            );
        };
        Ok(Matrix::new(rows, cols, values))
    }

    /// The tensor called `name` as a vector.
    pub(crate) fn vector(&self, name: &str) -> Result<Vec<f32>> {
        let (shape, values) = self.values(name)?;
        if shape.len() != 1 {
            return Err(
                self.problem(format!("tensor `{name}` has shape {shape:?}, expected one size"))
            );
        }
        Ok(values)
    }

    fn values(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let parsed = self.parse()?;
        let view = parsed
            .tensor(name)
            .map_err(|_missing| self.problem(format!("tensor `{name}` is missing")))?;
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => read(data, f32::from_le_bytes),
            Dtype::F64 => read(data, |b| f64::from_le_bytes(b) as f32),
            Dtype::F16 => read(data, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => read(data, |b| bf16::from_le_bytes(b).to_f32()),
            other => {
                return Err(
                    self.problem(format!("tensor `{name}` holds {other:?}, expected floats"))
                );
            }
        };
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(
                self.problem(format!("tensor `{name}` holds {} at element {at}", values[at]))
            );
        }
        Ok((view.shape().to_vec(), values))
    }

    fn problem(&self, problem: String) -> Error {
        Error::Tensors { problem, path: self.path.clone() }
    }
}

fn read<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)).collect()
}
