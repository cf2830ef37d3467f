//! The training run: which steps, in which folder, from which rows; what it writes and how it goes
//! on after it was stopped.
//!
//! Nothing here knows what is being trained. [`Run`] drives any [`saekit_core::Learner`] from any
//! [`saekit_core::RowSource`]; [`RunFolder`] keeps the plan, the metrics and the checkpoints.

mod checkpoint;
mod columns;
mod config;
mod error;
mod first_rows;
mod folder;
mod metrics_log;
mod problems;
mod run;
mod schedule;

pub use columns::Columns;
pub use config::{RunConfig, RunPlan};
pub use error::{Error, Result};
pub use first_rows::{FirstRows, FirstRowsSummary};
pub use folder::{DICTIONARY, EVALUATION, METRICS, PLAN, RunFolder, SUMMARY};
pub use run::{Run, Summary};
pub use schedule::lr_scale;
