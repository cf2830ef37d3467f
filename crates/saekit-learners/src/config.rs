use burn::tensor::Device;
use saekit_core::Learner;
use serde::{Deserialize, Serialize};

use crate::{Result, top_k};

/// A training method with its settings: the `[learner]` table of a training configuration, told
/// apart by its key `architecture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "lowercase")]
pub enum LearnerConfig {
    /// TopK with an auxiliary loss for dead latents (Gao et al., 2024, arXiv 2406.04093).
    TopK(top_k::Config),
}

/// What a learner has to know besides its settings.
#[derive(Clone, Debug)]
pub struct Context {
    /// Width of the rows it will see.
    pub d_in: usize,
    /// Rows of the whole run.
    pub rows: u64,
    /// Seed of everything random.
    pub seed: u64,
    /// Where it computes.
    pub device: Device,
}

impl LearnerConfig {
    /// The method's name, as in the key `architecture`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TopK(_) => "topk",
        }
    }

    /// Whether the encoder's products are screened in bf16.
    pub fn is_mixed(&self) -> bool {
        match self {
            Self::TopK(config) => config.precision == top_k::Precision::Mixed,
        }
    }

    /// The settings with everything left open decided, for rows of width `d_in` and `rows` of them.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn resolve(self, d_in: usize, rows: u64) -> Result<Self> {
        match self {
            Self::TopK(config) => Ok(Self::TopK(config.resolve(d_in, rows)?)),
        }
    }

    /// A learner at the start of its run.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn build(&self, context: &Context) -> Result<Box<dyn Learner>> {
        match self.clone().resolve(context.d_in, context.rows)? {
            Self::TopK(config) => top_k::build(config, context),
        }
    }
}
