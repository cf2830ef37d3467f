//! saekit's own format: `dictionary.json` and `dictionary.safetensors`, specified in
//! docs/dictionary-format.md.

use std::path::Path;

use saekit_core::Provenance;
use saekit_core::files::{read_json, sha256_file, write_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Format;
use super::tensors::{Tensor, TensorFile};
use crate::{Activation, Dictionary, Error, Normalisation, Reshape, Result};

const JSON: &str = "dictionary.json";
const TENSORS: &str = "dictionary.safetensors";
const FORMAT: &str = "saekit-dictionary";
const VERSION: u32 = 1;

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct Native;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    d_in: usize,
    d_out: usize,
    d_sae: usize,
    activation: Activation,
    subtract_b_dec: bool,
    transcoder: bool,
    normalisation: Normalisation,
    reshape: Reshape,
    provenance: Provenance,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    extra: Map<String, Value>,
    tensors_sha256: String,
}

impl Format for Native {
    fn name(&self) -> &'static str {
        "saekit"
    }

    fn files(&self) -> &'static str {
        JSON
    }

    fn detect(&self, dir: &Path) -> bool {
        dir.join(JSON).is_file()
    }

    fn read(&self, dir: &Path) -> Result<Dictionary> {
        read(dir)
    }

    fn write(&self, dictionary: &Dictionary, dir: &Path) -> Result<()> {
        write(dictionary, &dictionary.provenance, dir)
    }
}

/// Writes `dictionary` with the given `provenance` into the existing folder `dir`.
///
/// The tensors come first: a folder with a header is whole.
pub fn write(dictionary: &Dictionary, provenance: &Provenance, dir: &Path) -> Result<()> {
    dictionary.validate()?;
    let tensors_sha256 = super::tensors::write(&dir.join(TENSORS), &named(dictionary))?;
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        d_in: dictionary.d_in(),
        d_out: dictionary.d_out(),
        d_sae: dictionary.d_sae(),
        activation: dictionary.activation.clone(),
        subtract_b_dec: dictionary.subtract_b_dec,
        transcoder: dictionary.transcoder,
        normalisation: dictionary.normalisation,
        reshape: dictionary.reshape,
        provenance: provenance.clone(),
        extra: dictionary.extra.clone(),
        tensors_sha256,
    };
    Ok(write_json(&dir.join(JSON), &header)?)
}

fn named(dictionary: &Dictionary) -> Vec<(&'static str, Tensor<'_>)> {
    let mut tensors = vec![
        ("w_enc", Tensor::matrix(&dictionary.w_enc)),
        ("b_enc", Tensor::vector(&dictionary.b_enc)),
        ("w_dec", Tensor::matrix(&dictionary.w_dec)),
        ("b_dec", Tensor::vector(&dictionary.b_dec)),
    ];
    if let Some(skip) = &dictionary.w_skip {
        tensors.push(("w_skip", Tensor::matrix(skip)));
    }
    match &dictionary.activation {
        Activation::JumpRelu { threshold } => {
            tensors.push(("threshold", Tensor::vector(threshold)));
        }
        Activation::Gated { b_gate, b_mag, r_mag } => {
            tensors.push(("b_gate", Tensor::vector(b_gate)));
            tensors.push(("b_mag", Tensor::vector(b_mag)));
            tensors.push(("r_mag", Tensor::vector(r_mag)));
        }
        Activation::Relu | Activation::TopK { .. } | Activation::GroupMax { .. } => {}
    }
    tensors
}

fn read(dir: &Path) -> Result<Dictionary> {
    let json = dir.join(JSON);
    let header: Header = read_json(&json, "saekit dictionary header")?;
    let config = |key: &str, problem: String| Error::Config {
        key: key.to_owned(),
        problem,
        path: json.clone(),
    };
    if header.format != FORMAT {
        return Err(config("format", format!("is `{}`, expected `{FORMAT}`", header.format)));
    }
    if header.version != VERSION {
        let newer = "; read it with a newer saekit";
        return Err(config("version", format!("is {}, expected {VERSION}{newer}", header.version)));
    }
    let path = dir.join(TENSORS);
    let file = TensorFile::open(&path)?;
    let found = sha256_file(&path)?;
    if found != header.tensors_sha256 {
        let reason = format!("its SHA-256 is {found}, the header says {}", header.tensors_sha256);
        return Err(Error::Damaged { path, reason });
    }
    let dictionary = assemble(&file, header)?;
    dictionary.validate()?;
    Ok(dictionary)
}

fn assemble(file: &TensorFile, header: Header) -> Result<Dictionary> {
    let activation = match header.activation {
        Activation::JumpRelu { .. } => {
            Activation::JumpRelu { threshold: file.vector("threshold")? }
        }
        Activation::Gated { .. } => Activation::Gated {
            b_gate: file.vector("b_gate")?,
            b_mag: file.vector("b_mag")?,
            r_mag: file.vector("r_mag")?,
        },
        other => other,
    };
    let w_skip = file.matrix("w_skip");
    let dictionary = Dictionary {
        w_enc: file.matrix("w_enc")?,
        b_enc: file.vector("b_enc")?,
        w_dec: file.matrix("w_dec")?,
        b_dec: file.vector("b_dec")?,
        activation,
        subtract_b_dec: header.subtract_b_dec,
        transcoder: header.transcoder,
        normalisation: header.normalisation,
        reshape: header.reshape,
        w_skip: w_skip.ok(),
        provenance: header.provenance,
        extra: header.extra,
    };
    let names: Vec<&str> = named(&dictionary).iter().map(|(name, _)| *name).collect();
    file.check_names(&names)?;
    Ok(dictionary)
}
