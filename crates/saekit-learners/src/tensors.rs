//! Uploads, downloads and selection of rows.

use std::sync::Mutex;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;
use saekit_core::{MatrixView, StateTensor};
use saekit_kernels::top_k;

use crate::{Error, Result};

/// Uploads rows, `[rows, cols]`.
pub(crate) fn upload(rows: MatrixView<'_>, device: &Device) -> Tensor<2> {
    let data = TensorData::new(rows.as_slice().to_vec(), [rows.rows(), rows.cols()]);
    Tensor::from_data(data, device)
}

/// Uploads a vector.
pub(crate) fn upload_vector(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// Uploads indices, `[rows, cols]` row by row.
pub(crate) fn upload_ids(ids: &[u32], shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}

/// Downloads the values of any float tensor, waiting for the device.
pub(crate) fn download<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.try_into_vec_as::<f32>().map_err(|e| Error::Device(e.to_string()))
}

/// Downloads a tensor for a checkpoint.
pub(crate) fn to_state<const D: usize>(tensor: &Tensor<D>) -> Result<StateTensor> {
    let shape = tensor.dims().to_vec();
    Ok(StateTensor::F32 { shape, data: download(tensor.clone())? })
}

/// The indices of the `k` largest values per row, `[rows, k]`, on the device and on the host.
///
/// On the CPU our own kernel ranks the rows, many times faster than the general sort behind the tensor
/// operation. Elsewhere the device does.
pub(crate) fn select_top_k(values: Tensor<2>, k: usize) -> Result<(Tensor<2, Int>, Vec<u32>)> {
    let device = values.device();
    let [rows, cols] = values.dims();
    if device != Device::flex() {
        let (_, ids) = values.topk_with_indices(k, 1);
        let host =
            ids.clone().try_into_vec_as::<i32>().map_err(|e| Error::Device(e.to_string()))?;
        return Ok((ids, host.into_iter().map(i32::cast_unsigned).collect()));
    }
    let values = download(values)?;
    let mut ids = vec![0_u32; rows * k];
    let scratch = Mutex::new(Vec::new());
    ids.par_chunks_mut(k).zip(values.par_chunks(cols)).for_each(|(ids, row)| {
        let (mut candidates, mut found): (Vec<_>, Vec<_>) =
            scratch.lock().expect("no holder panics").pop().unwrap_or_default();
        top_k(row, k, &mut candidates, &mut found);
        ids.copy_from_slice(&found);
        found.clear();
        scratch.lock().expect("no holder panics").push((candidates, found));
    });
    Ok((upload_ids(&ids, [rows, k], &device), ids))
}
