//! How to harvest rows while they are used.

use saekit_core::Interrupt;

use crate::format::spec::StoreSpec;
use crate::stream::config::StreamConfig;

/// Settings of rows that are computed while they are used.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// The store that the rows would make.
    pub spec: StoreSpec,
    /// Rows per epoch: all that the producer gives.
    pub rows: u64,
    /// SHA-256, hex, of everything that decides the rows: it stands in cursors for the hash of a
    /// store.
    pub sha256: String,
    /// The seed of the order, the memory of pools, and the columns with their factors.
    pub stream: StreamConfig,
    /// Asks a wait for rows to stop.
    pub interrupt: Interrupt,
}
