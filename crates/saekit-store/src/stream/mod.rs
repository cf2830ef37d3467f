//! The orders in which rows are read, and the threads that read them ahead.

pub(crate) mod config;
pub(crate) mod epoch_order;
pub(crate) mod mixture;
pub(crate) mod pool_reader;
pub(crate) mod pooled;
pub(crate) mod pools;
pub(crate) mod read_ahead;
pub(crate) mod scale;
pub(crate) mod scanned;
pub(crate) mod shuffled;
pub(crate) mod slices;
