use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use saekit_core::{Error as CoreError, STAND_IN_BYTES, files, input};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserialize;

use crate::Error;

/// The one-file weights of a model folder.
const WHOLE: &str = "model.safetensors";
/// The table of contents of weights in several files.
const INDEX: &str = "model.safetensors.index.json";
/// The length, little-endian, that a safetensors file begins with.
const LENGTH_BYTES: u64 = 8;
/// A longer header is taken for garbage; the format's own limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// How much of a file is in memory beside the numbers that were read from it.
const BUFFER_BYTES: usize = 1 << 20;

/// The weights of a model folder in one or several safetensors files, read a tensor at a time.
pub(crate) struct Checkpoint {
    files: Vec<WeightFile>,
    tensors: BTreeMap<String, Entry>,
    /// Tensors that lie where the index does not say, and their files.
    elsewhere: BTreeMap<String, String>,
    contents: PathBuf,
}

struct WeightFile {
    path: PathBuf,
    file: File,
}

/// Where a tensor lies.
struct Entry {
    file: usize,
    offset: u64,
    info: TensorInfo,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens the weights in `dir` and reads their headers. Where an index lists several files, its
    /// `weight_map` decides which of them a tensor is read from.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let (whole, index) = (dir.join(WHOLE), dir.join(INDEX));
        input::check_link(&whole)?;
        if whole.is_file() {
            let mut checkpoint = Self::empty(whole.clone());
            checkpoint.add(whole, &BTreeMap::new())?;
            return Ok(checkpoint);
        }
        input::check_link(&index)?;
        if index.is_file() {
            return Self::open_sharded(dir, index);
        }
        let remedy = if dir.join("pytorch_model.bin").is_file() {
            "pytorch_model.bin is not read; `model.save_pretrained(folder)` in transformers writes \
             safetensors"
        } else {
            "download the model's safetensors weights (other formats and names are not read)"
        };
        Err(Error::MissingFile { path: whole, remedy })
    }

    fn open_sharded(dir: &Path, index_path: PathBuf) -> Result<Self, Error> {
        let bytes = input::read(&index_path, MAX_HEADER_BYTES)?;
        let index: Index = files::parse_json(&bytes, &index_path, "safetensors index")?;
        let names: BTreeSet<&String> = index.weight_map.values().collect();
        let mut checkpoint = Self::empty(index_path);
        for name in names {
            if Path::new(name).file_name().is_none_or(|own| own != name.as_str()) {
                let reason = "its `weight_map` names a file outside of its folder".to_owned();
                return Err(Error::Index { path: checkpoint.contents, reason });
            }
            checkpoint.add(dir.join(name), &index.weight_map)?;
        }
        match index.weight_map.iter().find(|(tensor, _)| !checkpoint.contains(tensor)) {
            Some((tensor, file)) => Err(checkpoint.not_where_it_should_be(tensor, file)),
            None => Ok(checkpoint),
        }
    }

    /// The error of a tensor that is not in the `file` that the index names.
    fn not_where_it_should_be(&self, tensor: &str, file: &str) -> Error {
        let reason = match self.elsewhere.get(tensor) {
            Some(other) => {
                format!("it says that `{tensor}` lies in {file}, but it lies in {other}")
            }
            None => format!("it says that `{tensor}` lies in {file}, which does not have it"),
        };
        Error::Index { path: self.contents.clone(), reason }
    }

    fn empty(contents: PathBuf) -> Self {
        let (files, tensors, elsewhere) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { files, tensors, elsewhere, contents }
    }

    /// Takes the tensors of the file at `path`, but for those that `map` says lie in another.
    fn add(&mut self, path: PathBuf, map: &BTreeMap<String, String>) -> Result<(), Error> {
        input::check_link(&path)?;
        if !path.is_file() {
            let remedy = "the index names it; download the rest of the model";
            return Err(Error::MissingFile { path, remedy });
        }
        let mut file = input::open(&path)?;
        let (start, header) = read_header(&mut file, &path)?;
        let own = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let own = own.unwrap_or_default();
        for name in header.offset_keys() {
            if map.get(&name).is_some_and(|file| *file != own) {
                self.elsewhere.insert(name, own.clone());
                continue;
            }
            let info = header.info(&name).expect("the header lists its own names").clone();
            let offset = start + info.data_offsets.0 as u64;
            let entry = Entry { file: self.files.len(), offset, info };
            if self.tensors.insert(name.clone(), entry).is_some() {
                let reason = format!("`{name}` lies in several files, and it names none of them");
                return Err(Error::Index { path: self.contents.clone(), reason });
            }
        }
        self.files.push(WeightFile { path, file });
        Ok(())
    }

    /// The weight files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Every tensor's name, ascending.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The file that holds the tensor `name`, or the one that should list it.
    pub(crate) fn path_of(&self, name: &str) -> &Path {
        self.tensors.get(name).map_or(&self.contents, |entry| &self.files[entry.file].path)
    }

    fn missing(&self, name: &str) -> Error {
        Error::MissingTensor { tensor: name.to_owned(), path: self.contents.clone() }
    }

    /// The tensor `name` in single precision, row-major. It must have this shape.
    pub(crate) fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let entry = self.tensors.get(name).ok_or_else(|| self.missing(name))?;
        let WeightFile { path, file } = &self.files[entry.file];
        if entry.info.shape != shape {
            return Err(Error::TensorShape {
                tensor: name.to_owned(),
                found: entry.info.shape.clone(),
                expected: shape.to_vec(),
                path: path.clone(),
            });
        }
        let decode = decoder(entry.info.dtype).ok_or_else(|| Error::TensorDtype {
            tensor: name.to_owned(),
            found: entry.info.dtype.to_string(),
            path: path.clone(),
        })?;
        let (start, end) = entry.info.data_offsets;
        let values = shape.iter().product();
        read_values(file, entry.offset, end - start, values, decode)
            .map_err(CoreError::io("read", path))
            .map_err(Error::Core)
    }
}

/// The header, and where in the file the data begin.
fn read_header(file: &mut File, path: &Path) -> Result<(u64, Metadata), Error> {
    let broken = |reason: String| Error::Safetensors { path: path.to_owned(), reason };
    let size = file.metadata().map_err(CoreError::io("read", path))?.len();
    if size < LENGTH_BYTES {
        return Err(broken(format!("it has {size} bytes")));
    }
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(CoreError::io("read", path))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES.min(size - LENGTH_BYTES) {
        let mut head = vec![0; STAND_IN_BYTES.min(size as usize)];
        file.rewind()
            .and_then(|()| file.read_exact(&mut head))
            .map_err(CoreError::io("read", path))?;
        input::check_head(path, &head)?;
        return Err(broken(format!("its header claims {length} bytes, the file has {size}")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(CoreError::io("read", path))?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|source| broken(format!("its header is not valid: {source}")))?;
    let start = LENGTH_BYTES + length;
    let expected = start + header.data_len() as u64;
    if size != expected {
        return Err(broken(format!("it has {size} bytes, its header asks for {expected}")));
    }
    Ok((start, header))
}

/// Appends the numbers in the bytes to the vector.
type Decode = fn(&[u8], &mut Vec<f32>);

fn decoder(dtype: Dtype) -> Option<Decode> {
    match dtype {
        Dtype::F32 => Some(|bytes, out| out.extend(words(bytes).map(f32::from_le_bytes))),
        Dtype::F16 => {
            Some(|bytes, out| out.extend(words(bytes).map(|w| f16::from_le_bytes(w).to_f32())))
        }
        Dtype::BF16 => {
            Some(|bytes, out| out.extend(words(bytes).map(|w| bf16::from_le_bytes(w).to_f32())))
        }
        _ => None,
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}

/// Reads `bytes` bytes from `offset` on, a buffer at a time.
fn read_values(
    mut file: &File,
    offset: u64,
    bytes: usize,
    values: usize,
    decode: Decode,
) -> std::io::Result<Vec<f32>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut out = Vec::with_capacity(values);
    let mut buffer = vec![0; BUFFER_BYTES.min(bytes)];
    let mut left = bytes;
    while left > 0 {
        let part = &mut buffer[..left.min(BUFFER_BYTES)];
        file.read_exact(part)?;
        decode(part, &mut out);
        left -= part.len();
    }
    Ok(out)
}
