//! Training methods: one file an architecture, each a [`saekit_core::Learner`].
//!
//! The steps here are written in plain tensor operations with automatic differentiation: they are
//! the readable reference, and run on whatever device they are given.
//!
//! To add an architecture, write its file after the pattern of [`top_k`] (configuration, learner)
//! and add a variant to [`LearnerConfig`].

mod adam;
mod config;
mod dead;
mod decoder;
mod error;
mod init;
mod tensors;
pub mod top_k;

pub use adam::AdamConfig;
pub use config::{Context, LearnerConfig};
pub use error::{Error, Result};
pub use init::geometric_median;
