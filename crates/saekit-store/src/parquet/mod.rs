//! Parquet below the level of Arrow: bytes of a file, page headers, pages and row groups.

pub(crate) mod blob;
pub(crate) mod column_chunk;
pub(crate) mod errors;
pub(crate) mod page_header;
pub(crate) mod page_writer;
pub(crate) mod row_groups;
pub(crate) mod thrift;
