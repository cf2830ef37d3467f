use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use saekit_core::{HookPoint, LanguageModel as _, Matrix, TokenBatch};
use saekit_lm::{Decoder, Device};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// Where `f32` arithmetic in another order may end up, as a share of the reference's rms. A wrong
/// epsilon or GELU is 7e-4 or more.
const TOLERANCE: f64 = 1e-4;

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gpt2").join(name)
}

pub(crate) fn demo_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../saekit/demo/model")
}

pub(crate) fn load(dir: &Path) -> Decoder {
    Decoder::load(dir, &Device::flex()).unwrap()
}

pub(crate) fn tiny() -> Decoder {
    load(&golden("tiny"))
}

/// A whole safetensors file in memory: dtype, shape and bytes a name.
pub(crate) type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

pub(crate) fn read_tensors(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let copy = |t: TensorView<'_>| (t.dtype(), t.shape().to_vec(), t.data().to_vec());
    file.tensors().into_iter().map(|(name, tensor)| (name, copy(tensor))).collect()
}

pub(crate) fn write_tensors(path: &Path, tensors: &Tensors) {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

pub(crate) fn floats(tensors: &Tensors, name: &str) -> Vec<f32> {
    let (dtype, _, bytes) = &tensors[name];
    assert_eq!(*dtype, Dtype::F32, "{name}");
    bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect()
}

pub(crate) fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// `input_ids` of a golden file.
pub(crate) fn input(tensors: &Tensors) -> TokenBatch {
    let (dtype, shape, bytes) = &tensors["input_ids"];
    assert_eq!(*dtype, Dtype::I64);
    let ids = bytes.as_chunks().0.iter().copied().map(i64::from_le_bytes);
    let ids: Vec<u32> = ids.map(|id| u32::try_from(id).unwrap()).collect();
    TokenBatch::new(&ids.chunks(shape[1]).map(<[u32]>::to_vec).collect::<Vec<_>>())
}

pub(crate) fn tiny_input() -> TokenBatch {
    input(&read_tensors(&golden("tiny/golden.safetensors")))
}

pub(crate) fn capture(model: &Decoder, tokens: &TokenBatch, hooks: &[&str]) -> Vec<Matrix> {
    let hooks: Vec<_> = hooks.iter().map(|hook| HookPoint::new(*hook)).collect();
    model.capture(tokens, &hooks).unwrap()
}

/// Fails unless `max|found - expected| <= TOLERANCE * rms(expected)`.
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let rms = expected.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / found.len() as f64;
    let worst = found.iter().zip(expected).map(|(a, b)| f64::from(a - b).abs());
    let worst = worst.fold(0.0, |a: f64, b| if b.is_nan() { f64::NAN } else { a.max(b) });
    assert!(worst <= TOLERANCE * rms.sqrt(), "{what}: {worst:e} off, rms {:e}", rms.sqrt());
}

/// A copy of the tiny model's folder, to be damaged.
pub(crate) fn tiny_copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    dir
}

pub(crate) fn edit_json(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, serde_json::to_vec(&value).unwrap()).unwrap();
}

pub(crate) fn edit_weights(dir: &Path, change: impl FnOnce(&mut Tensors)) {
    let path = dir.join("model.safetensors");
    let mut tensors = read_tensors(&path);
    change(&mut tensors);
    write_tensors(&path, &tensors);
}
