//! Rows as they lie in memory once they are read.

pub(crate) mod profile;
pub(crate) mod projection;
pub(crate) mod row_buffer;
