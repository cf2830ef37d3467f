//! Which rows of a store are used.

pub(crate) mod classify;
pub(crate) mod filter;
pub(crate) mod packed_file;
pub(crate) mod row_selection;
pub(crate) mod token_exclusions;
