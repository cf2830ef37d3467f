//! Files beyond the local disk: buckets, web servers and the Hugging Face Hub.
//!
//! [`open()`] takes an address and gives a [`Storage`](saekit_store::Storage); [`is_remote`] tells an
//! address from a path of this machine. `docs/sources.md` says what addresses mean and which
//! variables of the environment count.
//!
//! | feature | addresses |
//! |---|---|
//! | `cloud` | `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, `http(s)://host/path` |
//! | `hub` | `hf://datasets/owner/name[@revision][/path]`, `hf://owner/model[@revision][/path]` |
//!
//! What is read is what was opened: every read of a part asks for the version that was seen when the
//! file was opened, and fails where the file has changed since. Failures that may pass are tried
//! again, after waits that are the same in every run. Calls block; any number of threads may make
//! them at once, but no task of an asynchronous runtime may.

#![cfg_attr(
    not(all(feature = "cloud", feature = "hub")),
    allow(dead_code, reason = "what one kind of place needs, a build for another does not")
)]

mod address;
mod cache;
#[cfg(feature = "cloud")]
mod cloud;
mod config;
#[cfg(any(feature = "cloud", feature = "hub"))]
mod environment;
mod error;
mod failure;
#[cfg(feature = "hub")]
mod hub;
mod network;
mod open;
mod opening;
#[cfg(any(feature = "cloud", feature = "hub"))]
mod redirects;

pub use address::{is_remote, shown};
pub use config::{CacheConfig, RemoteConfig};
pub use error::{Error, Result};
pub use open::open;
