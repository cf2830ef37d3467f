//! Training methods: one file per architecture, each a [`saekit_core::Learner`].
//!
//! Architectures are written over [`engine::Engine`]: a few coarse operations, implemented by sparse CPU
//! kernels and by plain tensor operations.
//!
//! To add an architecture, write its file after the pattern of [`top_k`] (configuration, learner)
//! and add a variant to [`LearnerConfig`].

mod adam;
mod config;
mod context;
mod dead;
mod decoder;
pub mod engine;
mod error;
mod init;
mod tensors;
pub mod top_k;

pub use adam::AdamConfig;
pub use config::{LearnerConfig, LearnerPlan};
pub use context::Context;
pub use error::{Error, Result};
pub use init::geometric_median;
