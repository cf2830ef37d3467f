use std::path::{Path, PathBuf};

use saekit_core::{files, input};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;

/// An architecture: all that the forward pass has to know beside the weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blueprint {
    /// Width of the residual stream.
    pub(crate) d_model: usize,
    /// Number of blocks.
    pub(crate) n_layers: usize,
    /// Number of attention heads.
    pub(crate) n_heads: usize,
    /// Width of a head.
    pub(crate) d_head: usize,
    /// Width of the MLP's hidden layer.
    pub(crate) d_mlp: usize,
    /// Longest sequence, tokens.
    pub(crate) n_ctx: usize,
    /// Number of token ids.
    pub(crate) d_vocab: usize,
    /// The norms before attention, before the MLP and at the end.
    pub(crate) norm: Norm,
    /// What attention scores are multiplied with before the softmax.
    pub(crate) attention_scale: f64,
    /// The MLP's nonlinearity.
    pub(crate) activation: Activation,
    /// How attention and MLP join the residual stream.
    pub(crate) residual: Residual,
    /// Whether the unembedding is the token embedding.
    pub(crate) tied: bool,
}

/// A norm of the residual stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Norm {
    /// Mean removed, divided by the standard deviation, scaled, shifted.
    LayerNorm {
        /// Added to the variance.
        eps: f64,
    },
}

/// The MLP's nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// GELU by its tanh approximation.
    GeluTanh,
    /// GELU by the error function.
    GeluErf,
    /// `x * sigmoid(1.702 x)`.
    QuickGelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// max(x, 0).
    Relu,
}

impl Activation {
    /// By the name that configurations use.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Some(Self::GeluTanh),
            "gelu" => Some(Self::GeluErf),
            "quick_gelu" => Some(Self::QuickGelu),
            "silu" | "swish" => Some(Self::Silu),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }

    /// The names [`Self::from_name`] knows, in words.
    pub(crate) const NAMES: &str = "`gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`, `gelu`, `quick_gelu`, `silu`, `swish` or `relu`";
}

/// How attention and MLP join the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Residual {
    /// The MLP reads what attention wrote.
    Sequential,
}

/// The longest `config.json`.
const MAX_BYTES: u64 = 64 << 20;
/// The largest size that a configuration may ask for; the products of two are computed with.
const MAX_SIZE: usize = 1 << 30;

/// `config.json`, read but not understood.
pub(crate) struct ConfigFile {
    path: PathBuf,
    json: Value,
}

impl ConfigFile {
    /// Reads the one in the model folder `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("config.json");
        if dir.is_file() {
            return Err(Error::MissingFile {
                path,
                remedy: "the model's path is a file; give the folder it is in",
            });
        }
        input::check_link(dir)?;
        input::check_link(&path)?;
        if !path.is_file() {
            let remedy = "point at the folder of a Hugging Face model";
            return Err(Error::MissingFile { path, remedy });
        }
        let bytes = input::read(&path, MAX_BYTES)?;
        let json = files::parse_json(&bytes, &path, "model configuration")?;
        Ok(Self { path, json })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// `model_type`, as it stands there.
    pub(crate) fn model_type(&self) -> &Value {
        &self.json["model_type"]
    }

    /// Its settings as the `family` has them.
    pub(crate) fn parse<T: DeserializeOwned>(&self, family: &'static str) -> Result<T, Error> {
        T::deserialize(&self.json).map_err(|source| Error::Config {
            path: self.path.clone(),
            family,
            source,
        })
    }

    /// An error about one setting.
    pub(crate) fn reject(
        &self,
        setting: &'static str,
        found: &impl ToString,
        expected: impl Into<String>,
    ) -> Error {
        let path = self.path.clone();
        Error::Setting { setting, found: found.to_string(), expected: expected.into(), path }
    }

    /// Fails where a size is zero or beyond all reason.
    pub(crate) fn check_sizes(&self, sizes: &[(&'static str, usize)]) -> Result<(), Error> {
        match sizes.iter().find(|(_, size)| !(1..=MAX_SIZE).contains(size)) {
            Some((setting, 0)) => Err(self.reject(setting, &0, "at least 1")),
            Some((setting, size)) => Err(self.reject(setting, size, format!("at most {MAX_SIZE}"))),
            None => Ok(()),
        }
    }
}
