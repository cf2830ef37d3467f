//! Which files of a place are read. One rule holds for activations and for texts.
//!
//! A place is a folder, a pattern, some files, a bucket's prefix or a repository. Every file in it
//! is either taken, or counted among those that are not read, or an error. Files that do not belong
//! together (splits, partitions, hook points, configurations) are never read as one unless a
//! [`Choice`](choice::Choice) says so.

pub(crate) mod choice;
pub(crate) mod choose;
mod facets;
mod groups;
pub(crate) mod local;
mod names;
mod nested_store;
mod saved_dataset;
mod sorting;
pub(crate) mod subject;
mod summary;
pub(crate) mod weights;
