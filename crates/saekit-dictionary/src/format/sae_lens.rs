//! SAELens: `cfg.json` and `sae_weights.safetensors`, as sae-lens 6.54.12 loads them with
//! `SAE.load_from_disk`. Weights are transposed at this border: `W_enc` is `[d_in, d_sae]` there.

use std::io::Write as _;
use std::path::Path;

use saekit_core::Provenance;
use saekit_core::files::{read_json, write_atomic};
use serde_json::{Map, Value, json};

use super::Format;
use super::tensors::{Tensor, TensorFile};
use crate::{Activation, Dictionary, Error, Normalisation, Reshape, Result};

const JSON: &str = "cfg.json";
const TENSORS: &str = "sae_weights.safetensors";

/// The release of SAELens whose layout is written. Without a version of at least 6.0 in the
/// metadata SAELens takes the configuration for an old one and drops the rest of the metadata.
const COMPATIBLE_WITH: &str = "6.54.12";

/// Our provenance within SAELens' free-form metadata.
const PROVENANCE: &str = "saekit_provenance";

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct SaeLens;

impl Format for SaeLens {
    fn name(&self) -> &'static str {
        "saelens"
    }

    fn files(&self) -> &'static str {
        "cfg.json with sae_weights.safetensors"
    }

    fn detect(&self, dir: &Path) -> bool {
        dir.join(JSON).is_file() && dir.join(TENSORS).is_file()
    }

    fn read(&self, dir: &Path) -> Result<Dictionary> {
        read(dir)
    }

    fn write(&self, dictionary: &Dictionary, dir: &Path) -> Result<()> {
        dictionary.validate()?;
        let cfg = config(dictionary)?;
        super::tensors::write(&dir.join(TENSORS), &named(dictionary))?;
        Ok(write_atomic(&dir.join(JSON), |writer| {
            serde_json::to_writer(&mut *writer, &cfg)?;
            writer.write_all(b"\n")
        })?)
    }
}

/// SAELens' name for what the dictionary is, with the keys that this architecture adds.
fn architecture(dictionary: &Dictionary) -> Result<(&'static str, Value)> {
    let cannot =
        |feature: &str| Error::NotExpressible { format: "SAELens", feature: feature.into() };
    let d_out = json!({"d_out": dictionary.d_out()});
    Ok(match (&dictionary.activation, dictionary.transcoder, &dictionary.w_skip) {
        (Activation::Relu, true, None) => ("transcoder", d_out),
        (Activation::Relu, true, Some(_)) => ("skip_transcoder", d_out),
        (Activation::JumpRelu { .. }, true, None) => ("jumprelu_transcoder", d_out),
        (Activation::JumpRelu { .. }, true, Some(_)) => ("jumprelu_skip_transcoder", d_out),
        (_, true, _) => return Err(cannot("a transcoder with this activation function")),
        (_, false, Some(_)) => return Err(cannot("an autoencoder with a skip connection")),
        (Activation::Relu, false, None) => ("standard", json!({})),
        (Activation::JumpRelu { .. }, false, None) => ("jumprelu", json!({})),
        (Activation::Gated { .. }, false, None) => ("gated", json!({})),
        (Activation::TopK { k, signed, rescale }, false, None) => (
            if *signed { "abstopk" } else { "topk" },
            json!({"k": k, "rescale_acts_by_decoder_norm": rescale}),
        ),
        (Activation::GroupMax { .. }, false, None) => return Err(cannot("GroupMax")),
    })
}

fn config(dictionary: &Dictionary) -> Result<Value> {
    let (architecture, extra) = architecture(dictionary)?;
    let mut cfg = json!({
        "architecture": architecture,
        "d_in": dictionary.d_in(),
        "d_sae": dictionary.d_sae(),
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": dictionary.subtract_b_dec,
        "normalize_activations": match dictionary.normalisation {
            Normalisation::None => "none",
            Normalisation::ConstantNormRescale => "constant_norm_rescale",
            Normalisation::LayerNorm => "layer_norm",
        },
        "reshape_activations": match dictionary.reshape {
            Reshape::None => "none",
            Reshape::HookZ => "hook_z",
        },
        "metadata": metadata(dictionary),
    });
    if let (Value::Object(cfg), Value::Object(extra)) = (&mut cfg, extra) {
        cfg.extend(extra);
    }
    Ok(cfg)
}

fn metadata(dictionary: &Dictionary) -> Value {
    let from = &dictionary.provenance;
    let mut metadata = json!({
        "sae_lens_version": COMPATIBLE_WITH,
        "sae_lens_training_version": null,
        "model_name": from.model,
        "hook_name": from.hook_point,
        "hook_head_index": null,
        "context_size": from.context_size,
        "prepend_bos": from.prepend_bos,
        "seqpos_slice": [null],
        "model_from_pretrained_kwargs": {},
        "dataset_path": from.dataset,
        "exclude_special_tokens": from.excludes_special_tokens,
        "training_architecture": from.learner,
        PROVENANCE: from,
    });
    if let Value::Object(metadata) = &mut metadata {
        metadata.extend(dictionary.extra.clone());
    }
    metadata
}

fn named(dictionary: &Dictionary) -> Vec<(&'static str, Tensor<'_>)> {
    let mut tensors = vec![
        ("W_enc", Tensor::transposed(&dictionary.w_enc)),
        ("W_dec", Tensor::matrix(&dictionary.w_dec)),
        ("b_dec", Tensor::vector(&dictionary.b_dec)),
    ];
    if let Some(skip) = &dictionary.w_skip {
        tensors.push(("W_skip", Tensor::matrix(skip)));
    }
    if let Activation::Gated { b_gate, b_mag, r_mag } = &dictionary.activation {
        tensors.push(("b_gate", Tensor::vector(b_gate)));
        tensors.push(("b_mag", Tensor::vector(b_mag)));
        tensors.push(("r_mag", Tensor::vector(r_mag)));
    } else {
        tensors.push(("b_enc", Tensor::vector(&dictionary.b_enc)));
    }
    if let Activation::JumpRelu { threshold } = &dictionary.activation {
        tensors.push(("threshold", Tensor::vector(threshold)));
    }
    tensors
}

fn read(dir: &Path) -> Result<Dictionary> {
    let path = dir.join(JSON);
    let cfg: Map<String, Value> = read_json(&path, "SAELens configuration")?;
    let cfg = Config { cfg: &cfg, path: &path };
    let file = TensorFile::open(&dir.join(TENSORS))?;
    let architecture = cfg.text("architecture")?;
    let transcoder = architecture.ends_with("transcoder");
    let mut dictionary = Dictionary::new(
        file.matrix("W_enc")?.transposed(),
        Vec::new(),
        file.matrix("W_dec")?,
        file.vector("b_dec")?,
    );
    dictionary.activation = activation(&cfg, &file, &architecture)?;
    dictionary.b_enc = match dictionary.activation {
        Activation::Gated { .. } => vec![0.0; dictionary.d_sae()],
        _ => file.vector("b_enc")?,
    };
    dictionary.transcoder = transcoder;
    dictionary.subtract_b_dec = !transcoder && cfg.flag("apply_b_dec_to_input", true)?;
    dictionary.normalisation = normalisation(&cfg)?;
    dictionary.reshape = match cfg.optional("reshape_activations") {
        None | Some("none") => Reshape::None,
        Some("hook_z") => Reshape::HookZ,
        Some(other) => return Err(cfg.problem("reshape_activations", unknown(other))),
    };
    if architecture.contains("skip") {
        dictionary.w_skip = Some(file.matrix("W_skip")?);
    }
    take_metadata(&mut dictionary, &cfg)?;
    let names: Vec<&str> = named(&dictionary).iter().map(|(name, _)| *name).collect();
    file.check_names(&names)?;
    dictionary.validate()?;
    Ok(dictionary)
}

fn activation(cfg: &Config<'_>, file: &TensorFile, architecture: &str) -> Result<Activation> {
    Ok(match architecture {
        "standard" | "transcoder" | "skip_transcoder" => Activation::Relu,
        "jumprelu" | "jumprelu_transcoder" | "jumprelu_skip_transcoder" => {
            Activation::JumpRelu { threshold: file.vector("threshold")? }
        }
        "gated" => Activation::Gated {
            b_gate: file.vector("b_gate")?,
            b_mag: file.vector("b_mag")?,
            r_mag: file.vector("r_mag")?,
        },
        "topk" | "abstopk" => Activation::TopK {
            k: cfg.number("k", 100)?,
            signed: architecture == "abstopk",
            rescale: cfg.flag("rescale_acts_by_decoder_norm", false)?,
        },
        other => return Err(cfg.problem("architecture", unknown(other))),
    })
}

fn normalisation(cfg: &Config<'_>) -> Result<Normalisation> {
    Ok(match cfg.optional("normalize_activations") {
        // SAELens itself treats an un-folded expected_average_only_in as the identity.
        None | Some("none" | "expected_average_only_in") => Normalisation::None,
        Some("constant_norm_rescale") => Normalisation::ConstantNormRescale,
        Some("layer_norm") => Normalisation::LayerNorm,
        Some(other) => return Err(cfg.problem("normalize_activations", unknown(other))),
    })
}

/// Our provenance where we wrote it, SAELens' own keys otherwise; the rest is kept as it is.
fn take_metadata(dictionary: &mut Dictionary, cfg: &Config<'_>) -> Result<()> {
    let Some(Value::Object(metadata)) = cfg.cfg.get("metadata") else { return Ok(()) };
    let mut metadata = metadata.clone();
    if let Some(ours) = metadata.remove(PROVENANCE) {
        dictionary.provenance = serde_json::from_value(ours)
            .map_err(|e| cfg.problem(&format!("metadata.{PROVENANCE}"), e.to_string()))?;
        let theirs =
            super::sae_lens::metadata(&Dictionary { extra: Map::new(), ..dictionary.clone() });
        metadata.retain(|key, _| theirs.get(key).is_none());
    } else {
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        dictionary.provenance = Provenance {
            model: text("model_name"),
            hook_point: text("hook_name"),
            dataset: text("dataset_path"),
            learner: text("training_architecture"),
            context_size: metadata.get("context_size").and_then(Value::as_u64).map(|n| n as usize),
            prepend_bos: metadata.get("prepend_bos").and_then(Value::as_bool),
            ..Provenance::default()
        };
    }
    dictionary.extra = metadata;
    Ok(())
}

fn unknown(value: &str) -> String {
    format!("is `{value}`, which saekit does not know")
}

/// A configuration whose errors name key and file.
struct Config<'a> {
    cfg: &'a Map<String, Value>,
    path: &'a Path,
}

impl Config<'_> {
    fn problem(&self, key: &str, problem: String) -> Error {
        Error::Config { key: key.to_owned(), problem, path: self.path.to_owned() }
    }

    fn optional(&self, key: &str) -> Option<&str> {
        self.cfg.get(key).and_then(Value::as_str)
    }

    fn text(&self, key: &str) -> Result<String> {
        let text = self.optional(key).map(str::to_owned);
        text.ok_or_else(|| self.problem(key, "is missing or not a string".to_owned()))
    }

    fn number(&self, key: &str, default: usize) -> Result<usize> {
        match self.cfg.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_u64()
                .map(|n| n as usize)
                .ok_or_else(|| self.problem(key, format!("is {value}, expected a whole number"))),
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.cfg.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.problem(key, format!("is {value}, expected true or false"))),
        }
    }
}
