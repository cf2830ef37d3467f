//! The rows of one file, whatever its layout.

pub(crate) mod native;

use std::fmt::Debug;
use std::path::Path;

use crate::Result;

/// The rows of one file, read a group of rows at a time.
///
/// Columns are numbered as the store's. What is read is as it was written or an error, except that
/// values which are not finite come through: who converts rows looks for those.
pub(crate) trait Shard: Debug + Send + Sync {
    /// The file, for messages.
    fn path(&self) -> &Path;

    /// Rows of each group, in the order of the file.
    fn group_rows(&self) -> &[u32];

    /// Reads column `column` of `group` into `out`, row after row as the column's
    /// [`DType`](crate::DType) has them; `out` is exactly as long.
    fn read_column(&self, group: usize, column: usize, out: &mut [u8]) -> Result<()>;

    /// Reads the sequence and the position of each row of `group`. Only asked of a shard whose rows
    /// have them.
    fn read_tokens(&self, group: usize, sequences: &mut [u32], positions: &mut [u32])
    -> Result<()>;
}
