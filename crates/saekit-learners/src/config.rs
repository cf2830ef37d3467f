use saekit_core::Learner;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::{Result, top_k};

/// A training method with its settings: the `[learner]` table of a training configuration. Its key
/// `architecture` names the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "lowercase")]
pub enum LearnerConfig {
    /// TopK with an auxiliary loss for dead latents (Gao et al., 2024, arXiv 2406.04093).
    TopK(top_k::Config),
}

/// The settings of a learner with nothing left open: what [`LearnerConfig::resolve`] decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LearnerPlan(LearnerConfig);

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

    /// Fills in every setting that was left open, for a run of `rows` rows of width `d_in`.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn resolve(self, d_in: usize, rows: u64) -> Result<LearnerPlan> {
        match self {
            Self::TopK(config) => Ok(LearnerPlan(Self::TopK(config.resolve(d_in, rows)?))),
        }
    }

    /// Resolves the settings and builds a learner at the start of its run.
    ///
    /// # Errors
    /// If a setting is out of range, or the device cannot do what it asks for.
    pub fn build(self, context: &Context) -> Result<Box<dyn Learner>> {
        self.resolve(context.d_in, context.rows)?.build(context)
    }
}

impl LearnerPlan {
    /// The settings.
    pub fn config(&self) -> &LearnerConfig {
        &self.0
    }

    /// A learner at the start of its run.
    ///
    /// # Errors
    /// If the device cannot do what a setting asks for.
    pub fn build(&self, context: &Context) -> Result<Box<dyn Learner>> {
        match &self.0 {
            LearnerConfig::TopK(config) => top_k::build(config.clone(), context),
        }
    }
}
