//! The flags of a run. Serialised, they are the tables of a configuration file: each flag is the key
//! of the same name.

use anyhow::Result;
use serde::Serialize;
use toml::Table;

use crate::exit::Usage;
use crate::options::harvest::HarvestOptions;
use crate::options::place::{ChoiceOptions, Stores};
use crate::options::rows::RowOptions;
use crate::options::store::StoreOptions;
use crate::options::whole;

/// Every flag that is also a key of the configuration file.
#[derive(Debug, Serialize, clap::Args)]
pub(super) struct Flags {
    #[command(flatten)]
    #[serde(rename = "store", skip_serializing_if = "Stores::is_empty")]
    pub(super) stores: Stores,
    /// Share of the rows that each of several stores has, in their order [default: as many as it has]
    #[arg(long, value_name = "WEIGHT")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) weight: Vec<f64>,
    /// Column to train on [default: the store's only one]
    #[arg(long, value_name = "NAME")]
    pub(super) hook: Option<String>,
    #[command(flatten)]
    pub(super) learner: LearnerFlags,
    #[command(flatten)]
    pub(super) run: RunFlags,
    #[command(flatten)]
    pub(super) rows: RowOptions,
    #[command(flatten)]
    #[serde(skip_serializing_if = "ChoiceOptions::is_default")]
    pub(super) choose: ChoiceOptions,
    #[command(flatten)]
    pub(super) store_options: StoreOptions,
    #[command(flatten)]
    #[serde(skip_serializing_if = "HarvestOptions::is_default")]
    pub(super) harvest: HarvestOptions,
}

impl Flags {
    /// The flags as a configuration file says them; flags that were not given have no key.
    pub(super) fn table(&self) -> Result<Table> {
        Table::try_from(self)
            .map_err(|error| Usage(format!("a flag cannot be written as TOML: {error}")).into())
    }
}

/// Flags of the method.
#[derive(Debug, Serialize, clap::Args)]
#[command(next_help_heading = "Dictionary")]
pub(super) struct LearnerFlags {
    /// Number of latents
    #[arg(long, value_name = "N", conflicts_with = "expansion", value_parser = whole())]
    pub(super) d_sae: Option<u64>,
    /// Number of latents as a multiple of `d_in`, the width of the rows
    #[arg(long, value_name = "X")]
    pub(super) expansion: Option<f64>,
    /// Active latents per row (L0)
    #[arg(long, value_name = "K", value_parser = whole())]
    pub(super) k: Option<u64>,
    #[command(flatten)]
    pub(super) adam: AdamFlags,
    /// Weight of the loss that revives dead latents [default: 1/32]
    #[arg(long, value_name = "WEIGHT")]
    pub(super) auxk: Option<f64>,
    /// Dead latents the auxiliary loss uses per row [default: half of `d_in`]
    #[arg(long, value_name = "N", value_parser = whole())]
    pub(super) k_aux: Option<u64>,
    /// Rows without firing after which a latent is dead [default: a tenth of the run, at most 10 M]
    #[arg(long, value_name = "ROWS", value_parser = whole())]
    pub(super) dead_after: Option<u64>,
    /// Clip gradients to this global norm [default: off]
    #[arg(long, value_name = "NORM")]
    pub(super) clip_norm: Option<f64>,
    /// Products of the encoder on a CPU: f32, mixed (bf16, checked in f32: the same result), or auto,
    /// the faster on this machine [default: auto]
    #[arg(long, value_name = "PRECISION", value_parser = ["auto", "f32", "mixed"])]
    #[arg(hide_possible_values = true)]
    pub(super) precision: Option<String>,
}

/// Flags of the optimiser.
#[derive(Debug, Serialize, clap::Args)]
pub(super) struct AdamFlags {
    /// Learning rate [default: 3e-4]
    #[arg(long, value_name = "RATE")]
    pub(super) lr: Option<f64>,
}

/// Flags of the loop.
#[derive(Debug, Serialize, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct RunFlags {
    /// Times each row is seen [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "rows")]
    pub(super) epochs: Option<f64>,
    /// Rows to train on
    #[arg(long, value_name = "ROWS", value_parser = whole())]
    pub(super) rows: Option<u64>,
    /// Rows per step [default: 2048]
    #[arg(long, value_name = "ROWS", value_parser = whole())]
    pub(super) batch: Option<u64>,
    /// Decides initial weights and the order of rows [default: 0]
    #[arg(long, value_name = "SEED", value_parser = whole())]
    pub(super) seed: Option<u64>,
    /// Steps of warm-up [default: 5 % of the run, at most 1000]
    #[arg(long, value_name = "STEPS", value_parser = whole())]
    pub(super) warmup: Option<u64>,
    /// Last part of the run over which the learning rate falls to 0 [default: 0.2]
    #[arg(long, value_name = "FRACTION")]
    pub(super) decay: Option<f64>,
    /// Steps between two lines of metrics.jsonl [default: 10]
    #[arg(long, value_name = "STEPS", value_parser = whole())]
    pub(super) log_every: Option<u64>,
    /// Steps between two checkpoints [default: a tenth of the run, at most 1000]
    #[arg(long, value_name = "STEPS", value_parser = whole())]
    pub(super) checkpoint_every: Option<u64>,
    /// Memory for mixing rows [default: 256]
    #[arg(long, value_name = "MIB", value_parser = whole())]
    pub(super) pool_mib: Option<u64>,
    /// How far rows move: full, or window (in the order of harvesting) [default: full]
    #[arg(long, value_name = "SHUFFLE", value_parser = ["full", "window"], hide_possible_values = true)]
    pub(super) shuffle: Option<String>,
    /// First rows whose mean norm decides the scale [default: that of the whole store]
    #[arg(long, value_name = "ROWS", value_parser = whole())]
    pub(super) scale_rows: Option<u64>,
}
