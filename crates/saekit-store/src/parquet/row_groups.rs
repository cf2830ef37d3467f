//! Where the row groups of a parquet file lie.

use std::ops::Range;
use std::sync::Arc;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, RowGroupMetaData};

use crate::parquet::column_chunk::ColumnChunk;

/// The parts of a footer that reading needs. The parquet crate's own form takes many times as much memory
/// for a long table.
#[derive(Debug)]
pub(crate) struct RowGroups {
    file: FileMetaData,
    /// The chunks of the first row group, then of the next.
    chunks: Vec<ColumnChunk>,
    /// First row of each row group, and after the last.
    starts: Vec<u64>,
}

impl RowGroups {
    /// The row groups that `footer` describes.
    pub(crate) fn new(footer: &ParquetMetaData) -> Self {
        let groups = footer.row_groups();
        let chunks =
            groups.iter().flat_map(RowGroupMetaData::columns).map(ColumnChunk::of).collect();
        let ends = groups.iter().scan(0, |end, group| {
            *end += group.num_rows() as u64;
            Some(*end)
        });
        let starts = std::iter::once(0).chain(ends).collect();
        Self { file: footer.file_metadata().clone(), chunks, starts }
    }

    /// Rows of each row group.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Range<u64>> {
        self.starts.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// The row groups that hold `rows`, of which there is one at least.
    pub(crate) fn holding(&self, rows: &Range<u64>) -> Range<usize> {
        let group_of = |row| self.starts.partition_point(|start| *start <= row) - 1;
        group_of(rows.start)..group_of(rows.end - 1) + 1
    }

    /// The first row of row group `group`.
    pub(crate) fn start(&self, group: usize) -> u64 {
        self.starts[group]
    }

    /// Footer metadata restricted to `groups`. The embedded Arrow schema is ignored: only the Parquet
    /// schema is trusted.
    pub(crate) fn metadata(&self, groups: Range<usize>) -> ParquetResult<ArrowReaderMetadata> {
        let groups = groups.map(|group| self.group(group)).collect::<ParquetResult<_>>()?;
        let footer = Arc::new(ParquetMetaData::new(self.file.clone(), groups));
        ArrowReaderMetadata::try_new(
            footer,
            ArrowReaderOptions::new().with_skip_arrow_metadata(true),
        )
    }

    fn group(&self, group: usize) -> ParquetResult<RowGroupMetaData> {
        let schema = self.file.schema_descr_ptr();
        let chunks = self.chunks[group * schema.num_columns()..].iter().zip(schema.columns());
        let columns =
            chunks.map(|(chunk, column)| chunk.metadata(column)).collect::<Result<_, _>>()?;
        RowGroupMetaData::builder(Arc::clone(&schema))
            .set_num_rows((self.starts[group + 1] - self.starts[group]).cast_signed())
            .set_column_metadata(columns)
            .build()
    }
}
