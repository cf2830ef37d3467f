//! What a store is made of on disk: its files' names, number formats, manifest and figures.

pub(crate) mod dtype;
pub(crate) mod manifest;
pub(crate) mod names;
pub(crate) mod spec;
pub(crate) mod stats;
