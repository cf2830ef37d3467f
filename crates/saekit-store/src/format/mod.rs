//! A store on disk: the names of its files, its number formats, its manifest and its statistics.

pub(crate) mod dtype;
pub(crate) mod manifest;
pub(crate) mod names;
pub(crate) mod scale;
pub(crate) mod spec;
pub(crate) mod stats;
