//! Where the pages of one column in one row group lie.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescPtr;

/// Where the pages of a column in a row group lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnChunk {
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    compression: Compression,
}

impl ColumnChunk {
    /// The place that `column` gives.
    pub(crate) fn of(column: &ColumnChunkMetaData) -> Self {
        let (start, bytes) = column.byte_range();
        Self { start, bytes, compression: column.compression() }
    }

    /// Whether pages are compressed; `None` where that is so in another way than zstd's.
    pub(crate) fn is_zstd(&self) -> Option<bool> {
        match self.compression {
            Compression::UNCOMPRESSED => Some(false),
            Compression::ZSTD(_) => Some(true),
            _ => None,
        }
    }

    /// The metadata that the parquet crate needs to read the pages.
    pub(crate) fn metadata(
        self,
        descriptor: &ColumnDescPtr,
    ) -> parquet::errors::Result<ColumnChunkMetaData> {
        ColumnChunkMetaData::builder(Arc::clone(descriptor))
            .set_compression(self.compression)
            .set_data_page_offset(self.start.cast_signed())
            .set_total_compressed_size(self.bytes.cast_signed())
            .build()
    }
}
