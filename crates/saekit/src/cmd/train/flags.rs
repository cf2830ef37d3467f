//! Flags of the method and of the loop.

/// Flags of the method.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Dictionary")]
pub(super) struct LearnerArgs {
    /// Number of latents
    #[arg(long, value_name = "N", conflicts_with = "expansion")]
    pub(super) d_sae: Option<u64>,
    /// Number of latents as a multiple of the rows' width
    #[arg(long, value_name = "X")]
    pub(super) expansion: Option<f64>,
    /// Latents active a row
    #[arg(long, value_name = "K")]
    pub(super) k: Option<u64>,
    /// Learning rate [default: 3e-4]
    #[arg(long, value_name = "RATE")]
    pub(super) lr: Option<f64>,
    /// Weight of the loss that revives dead latents [default: 1/32]
    #[arg(long, value_name = "WEIGHT")]
    pub(super) auxk: Option<f64>,
    /// Dead latents that explain the error of a row [default: half the rows' width]
    #[arg(long, value_name = "N")]
    pub(super) k_aux: Option<u64>,
    /// Rows without firing after which a latent is dead [default: a tenth of the run, at most 10 M]
    #[arg(long, value_name = "ROWS")]
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

/// Flags of the loop.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct RunArgs {
    /// Times each row is seen [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "rows")]
    pub(super) epochs: Option<f64>,
    /// Rows to train on
    #[arg(long, value_name = "ROWS")]
    pub(super) rows: Option<u64>,
    /// Rows a step [default: 2048]
    #[arg(long, value_name = "ROWS")]
    pub(super) batch: Option<u64>,
    /// Decides initial weights and the order of rows [default: 0]
    #[arg(long, value_name = "SEED")]
    pub(super) seed: Option<u64>,
    /// Steps of warm-up [default: 5 % of the run, at most 1000]
    #[arg(long, value_name = "STEPS")]
    pub(super) warmup: Option<u64>,
    /// Last part of the run over which the learning rate falls to 0 [default: 0.2]
    #[arg(long, value_name = "FRACTION")]
    pub(super) decay: Option<f64>,
    /// Steps between two lines of metrics.jsonl [default: 10]
    #[arg(long, value_name = "STEPS")]
    pub(super) log_every: Option<u64>,
    /// Steps between two checkpoints [default: a tenth of the run, at most 1000]
    #[arg(long, value_name = "STEPS")]
    pub(super) checkpoint_every: Option<u64>,
    /// Memory for mixing rows [default: 256]
    #[arg(long, value_name = "MIB")]
    pub(super) pool_mib: Option<u64>,
    /// How far rows move: full, or window (in the order of harvesting) [default: full]
    #[arg(long, value_name = "SHUFFLE", value_parser = ["full", "window"], hide_possible_values = true)]
    pub(super) shuffle: Option<String>,
    /// First rows whose mean norm decides the scale [default: that of the whole store]
    #[arg(long, value_name = "ROWS")]
    pub(super) scale_rows: Option<u64>,
}
