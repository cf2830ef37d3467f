//! The rows of one file, whatever its layout.

pub(crate) mod native;
mod native_pages;

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;

use crate::error::Result;

/// The rows of one file, read a group of rows at a time.
///
/// Columns are numbered as the store's. What is read is as it was written or an error, except that
/// values which are not finite come through: who converts rows looks for those.
pub(crate) trait Shard: Debug + Send + Sync {
    /// The file, for messages.
    fn path(&self) -> &Path;

    /// Rows of each group, in the order of the file.
    fn group_rows(&self) -> &[u32];

    /// Rows per slice, counted from the first row of a group, if reading a group in slices costs little
    /// more than reading it at once; `None` if groups have to be read at once.
    fn slice_rows(&self) -> Option<u32> {
        None
    }

    /// The smallest slice that this shard can serve, however inefficient. May read a page header.
    fn min_slice_rows(&self) -> Option<u32> {
        self.slice_rows()
    }

    /// Reads the rows `rows` of `group` in column `column` into `out`, row after row as the column's
    /// [`DType`](crate::DType) has them; `out` is exactly as long. They are all rows of the group
    /// unless it can be read in [slices](Self::min_slice_rows).
    fn read_column(
        &self,
        group: usize,
        rows: Range<u32>,
        column: usize,
        out: &mut [u8],
    ) -> Result<()>;

    /// Reads the sequence and the position of each of the rows `rows` of `group`, which are as in
    /// [`read_column`](Self::read_column). Only asked of a shard whose rows have them.
    fn read_tokens(
        &self,
        group: usize,
        rows: Range<u32>,
        sequences: &mut [u32],
        positions: &mut [u32],
    ) -> Result<()>;

    /// Reads the tokens of each of the file's `contexts`. Only asked of a file of other tools that has
    /// a column of them; saekit's own stores keep a table.
    fn read_token_ids(&self, contexts: Range<u64>) -> Result<Vec<Vec<u32>>> {
        let _ = contexts;
        Ok(Vec::new())
    }
}
