//! How weights of models and dictionaries are told from activations.

use serde_json::{Map, Value};

use crate::error::{PlaceError, Result};
use crate::place::names;
use crate::storage::{Storage, read_all};

/// Files of weights, by their whole names.
const FILES: [&str; 10] = [
    "model.safetensors",
    "sae_weights.safetensors",
    "dictionary.safetensors",
    "sae.safetensors",
    "ae.safetensors",
    "params.safetensors",
    "sparsity.safetensors",
    "adapter_model.safetensors",
    "consolidated.safetensors",
    "lora.safetensors",
];
/// What the names of a model's files begin with.
const BEGINNINGS: [&str; 4] = ["model-", "pytorch_model", "diffusion_pytorch_model", "sae_weights"];
/// Parameters of a dictionary.
const PARAMETERS: [&str; 8] =
    ["w_enc", "w_dec", "b_enc", "b_dec", "encoder", "decoder", "log_threshold", "pre_bias"];
/// Files that say what the tensors beside them are.
const CONFIGS: [&str; 4] = ["config.json", "cfg.json", "hyperparams.json", "lm_config.json"];
/// What such a file says of a model or a dictionary, and of nothing else.
const KEYS: [&str; 10] = [
    "model_type",
    "architectures",
    "architecture",
    "d_sae",
    "dict_size",
    "dict_class",
    "num_latents",
    "expansion_factor",
    "sae_type",
    "trainer",
];
/// Such a file is smaller than this, bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// Whether a tensor or a column with this name is a parameter.
pub(crate) fn is_parameter(name: &str) -> bool {
    let lower = name.to_lowercase();
    let last = lower.rsplit(['.', '/']).next().unwrap_or_default();
    PARAMETERS.contains(&last) || matches!(lower.rsplit_once('.'), Some((_, "weight" | "bias")))
}

/// What the name of the file at `path` shows, where it is that of weights.
pub(super) fn of_name(path: &str) -> Option<String> {
    let name = names::split(path).1.to_lowercase();
    let (stem, ending) = names::stem(&name);
    let is_named = match ending {
        ".safetensors" => {
            FILES.contains(&name.as_str()) || BEGINNINGS.iter().any(|begin| name.starts_with(begin))
        }
        ".npy" => is_parameter(stem),
        _ => false,
    };
    is_named.then(|| "tools call their weights so".to_owned())
}

/// Fails where a configuration among the files of `listed` says that the tensors beside it, the
/// files at `tensors`, are those of a model or a dictionary.
pub(super) fn check_configs(
    storage: &dyn Storage,
    listed: &[(&str, u64)],
    tensors: &[&str],
) -> Result<()> {
    for (path, bytes) in listed {
        let (folder, name) = names::split(path);
        let beside = tensors.iter().find(|tensor| names::split(tensor).0 == folder);
        let (true, Some(beside)) = (CONFIGS.contains(&name) && *bytes <= MAX_CONFIG, beside) else {
            continue;
        };
        let Some(blob) = storage.open(path)? else { continue };
        let text = read_all(&*blob, &storage.path(path), MAX_CONFIG)?;
        let parsed: Result<Map<String, Value>, _> = serde_json::from_slice(&text);
        let Ok(config) = parsed else { continue };
        if let Some(key) = KEYS.iter().find(|key| config.contains_key(**key)) {
            let reason = format!("`{name}` beside it has `{key}`");
            return Err(PlaceError::Weights { path: storage.path(beside), reason }.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_told_by_their_names() {
        for name in
            ["W_dec", "model.layers.0.mlp.up_proj.weight", "b_enc", "encoder.bias", "sae.W_enc"]
        {
            assert!(is_parameter(name), "{name}");
        }
        for name in ["acts", "activation", "blocks.0.hook_resid_post", "weight_norms", "token_ids"]
        {
            assert!(!is_parameter(name), "{name}");
        }
    }

    #[test]
    fn files_of_weights_are_told_by_their_names() {
        for path in ["a/model-00001-of-00002.safetensors", "SAE.safetensors", "x/W_dec.npy"] {
            assert!(of_name(path).is_some(), "{path}");
        }
        for path in ["chunk-00000000.safetensors", "acts.npy", "model.parquet", "model/x.npy"] {
            assert!(of_name(path).is_none(), "{path}");
        }
    }
}
