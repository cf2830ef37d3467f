//! A harvest that is not stored, as flags and as the `[harvest]` table.

use std::path::PathBuf;

use saekit_core::HookPoint;
use saekit_harvest::HarvestConfig;
use saekit_store::{Choice, DType, StoreSpec};
use serde::{Deserialize, Serialize};

/// A harvest that is not stored, as flags and as the `[harvest]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Harvest while training")]
pub(crate) struct HarvestOptions {
    /// Hugging Face folder of the model whose activations to train on, in the place of a store
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<PathBuf>,
    /// Files (.txt, .jsonl, .parquet) or folders of them for the model to read
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with = "store")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) text: Vec<PathBuf>,
    /// Tokens a context, BOS included [default: the model's longest, at most 1024]
    #[arg(long, value_name = "TOKENS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<usize>,
    /// What rows are rounded to, as in a store: f16, bf16, f32 or i8 [default: f16]
    #[arg(long, value_name = "DTYPE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dtype: Option<DType>,
    /// Rows an epoch at most [default: all text]
    #[arg(long, value_name = "ROWS", value_parser = super::whole())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) harvest_rows: Option<u64>,
    /// Rows that are permuted together, as a shard of a store; held in memory [default: 512]
    #[arg(long, value_name = "MIB", value_parser = super::whole())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shard_mib: Option<u64>,
    /// Tokens in a forward pass [default: 4096]
    #[arg(long, value_name = "TOKENS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch_tokens: Option<usize>,
}

impl HarvestOptions {
    /// Whether nothing was said.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The harvest of `hook` from the files of `choice`, in an order that `seed` decides.
    pub(crate) fn config(&self, hook: &HookPoint, seed: u64, choice: Choice) -> HarvestConfig {
        let defaults = HarvestConfig::default();
        HarvestConfig {
            inputs: self.text.clone(),
            choice,
            hooks: vec![hook.clone()],
            context_size: self.context,
            seed,
            max_rows: self.harvest_rows,
            batch_tokens: self.batch_tokens.unwrap_or(defaults.batch_tokens),
            dtype: self.dtype.unwrap_or(defaults.dtype),
            shard_bytes: self.shard_mib.map_or(StoreSpec::SHARD_BYTES, |mib| mib << 20),
            ..defaults
        }
    }
}
