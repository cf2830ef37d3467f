use saekit_core::Shuffle;
use saekit_core::number::count;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The `[run]` table of a training configuration, as typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Rows to train on; rounded up to whole batches. Excludes `epochs`.
    pub rows: Option<u64>,
    /// Times each row is seen; 1 where neither is given.
    pub epochs: Option<f64>,
    /// Rows per step.
    pub batch: usize,
    /// Decides the initial weights and the order of the rows.
    pub seed: u64,
    /// Steps of linear warm-up; the smaller of 1000 and 5 % of the run unless given.
    pub warmup: Option<u64>,
    /// Fraction of the run, at its end, over which the learning rate falls linearly to 0.
    pub decay: f64,
    /// Steps between two lines of `metrics.jsonl`.
    pub log_every: u64,
    /// Steps between two checkpoints; the smaller of 1000 and a tenth of the run unless given.
    pub checkpoint_every: Option<u64>,
    /// Memory for mixing rows, MiB.
    pub pool_mib: u64,
    /// How far rows are moved.
    pub shuffle: Shuffle,
    /// Rows whose mean norm decides the scale; all rows of the store unless given.
    pub scale_rows: Option<u64>,
}

impl RunConfig {
    /// Rows per step unless given.
    pub const BATCH_ROWS: usize = 2048;
    /// Memory for mixing rows, MiB.
    pub const POOL_MIB: u64 = 256;
    /// Longest warm-up that is chosen by itself, steps.
    pub const LONGEST_WARMUP: u64 = 1000;
    /// Longest time between checkpoints that is chosen by itself, steps.
    pub const LONGEST_CHECKPOINT: u64 = 1000;
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            rows: None,
            epochs: None,
            batch: Self::BATCH_ROWS,
            seed: 0,
            warmup: None,
            decay: 0.2,
            log_every: 10,
            checkpoint_every: None,
            pool_mib: Self::POOL_MIB,
            shuffle: Shuffle::Full,
            scale_rows: None,
        }
    }
}

/// A run with everything decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPlan {
    /// Updates.
    pub steps: u64,
    /// Rows per update.
    pub batch: usize,
    /// Rows in all, `steps * batch`.
    pub rows: u64,
    /// Decides the initial weights and the order of the rows.
    pub seed: u64,
    /// Steps over which the learning rate rises.
    pub warmup: u64,
    /// Steps, at the end, over which it falls.
    pub decay_steps: u64,
    /// Steps between two lines of `metrics.jsonl`.
    pub log_every: u64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    /// Memory for mixing rows, MiB.
    pub pool_mib: u64,
    /// How far rows are moved.
    pub shuffle: Shuffle,
    /// Rows whose mean norm decides the scale; all rows of the store unless given.
    pub scale_rows: Option<u64>,
}

impl RunConfig {
    /// Decides everything for rows of which there are `rows_per_epoch`.
    pub fn resolve(self, rows_per_epoch: u64) -> Result<RunPlan> {
        let bad =
            |setting, found: String, expected| Err(Error::Setting { setting, found, expected });
        if self.batch == 0 {
            return bad("batch", "0".to_owned(), "at least 1");
        }
        if self.log_every == 0 || self.checkpoint_every == Some(0) {
            return bad("log_every or checkpoint_every", "0".to_owned(), "at least 1");
        }
        if self.scale_rows == Some(0) {
            return bad("scale_rows", "0".to_owned(), "at least 1");
        }
        if self.pool_mib == 0 {
            return bad("pool_mib", "0".to_owned(), "at least 1");
        }
        if !(0.0..=1.0).contains(&self.decay) {
            return bad("decay", self.decay.to_string(), "0 to 1");
        }
        let rows = match (self.rows, self.epochs) {
            (Some(_), Some(_)) => {
                return bad("epochs", "given together with `rows`".to_owned(), "one of the two");
            }
            (Some(rows), None) => rows,
            (None, epochs) => (epochs.unwrap_or(1.0) * rows_per_epoch as f64).round() as u64,
        };
        if rows == 0 {
            return bad("rows", "0".to_owned(), "at least 1 (does the store hold any?)");
        }
        let steps = rows.div_ceil(self.batch as u64);
        let decay_steps = (self.decay * steps as f64).round() as u64;
        let usual_warmup = (steps / 20).min(Self::LONGEST_WARMUP);
        // A warm-up that is still rising when the decay begins never reaches the learning rate.
        let longest_warmup = steps.saturating_sub(decay_steps).max(usual_warmup);
        Ok(RunPlan {
            steps,
            batch: self.batch,
            rows: steps * self.batch as u64,
            seed: self.seed,
            warmup: self.warmup.unwrap_or(usual_warmup).min(longest_warmup),
            decay_steps,
            log_every: self.log_every,
            checkpoint_every: self
                .checkpoint_every
                .unwrap_or((steps / 10).clamp(1, Self::LONGEST_CHECKPOINT)),
            pool_mib: self.pool_mib,
            shuffle: self.shuffle,
            scale_rows: self.scale_rows,
        })
    }
}

impl RunPlan {
    /// The warning to print before the run where `warmup` steps of warm-up were requested and the
    /// run is too short for them.
    pub fn warmup_warning(&self, warmup: Option<u64>) -> Option<String> {
        let requested = warmup.filter(|requested| *requested > self.warmup)?;
        let Self { steps, warmup, decay_steps, .. } = self;
        let [requested, steps, warmup, decay_steps] =
            [requested, *steps, *warmup, *decay_steps].map(count);
        Some(format!(
            "`warmup` is {requested} steps, but the run has {steps} steps and lowers the learning \
             rate over the last {decay_steps}: the warm-up ends after {warmup} steps"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warmup_ends_within_the_run_and_says_so() {
        let config =
            RunConfig { rows: Some(8192), batch: 256, warmup: Some(1000), ..RunConfig::default() };
        let plan = config.clone().resolve(8192).unwrap();
        assert_eq!((plan.steps, plan.decay_steps, plan.warmup), (32, 6, 26));
        let reached = (0..plan.steps).any(|step| crate::lr_scale(&plan, step) >= 1.0);
        assert!(reached, "the learning rate is reached");
        let warning = plan.warmup_warning(config.warmup).unwrap();
        assert!(warning.contains("1,000 steps") && warning.contains("after 26 steps"), "{warning}");
        assert_eq!(plan.warmup_warning(Some(26)), None);
        assert_eq!(plan.warmup_warning(None), None);
    }

    #[test]
    fn epochs_become_whole_batches() {
        let config = RunConfig { epochs: Some(1.5), batch: 64, ..RunConfig::default() };
        let plan = config.resolve(100).unwrap();
        assert_eq!((plan.steps, plan.rows), (3, 192));
    }

    #[test]
    fn rows_and_epochs_exclude_each_other() {
        let config = RunConfig { epochs: Some(1.0), rows: Some(5), ..RunConfig::default() };
        let message = config.resolve(100).unwrap_err().to_string();
        assert_eq!(message, "`epochs` is given together with `rows`, expected one of the two");
    }

    #[test]
    fn unknown_keys_are_refused() {
        let message = toml::from_str::<RunConfig>("btach_rows = 3").unwrap_err().to_string();
        assert!(message.contains("btach_rows") && message.contains("batch"), "{message}");
    }
}
