//! Errors of the parquet crate as errors of this crate.

use std::path::Path;

use parquet::errors::ParquetError;

use crate::error::{DamageError, Error, Result};

impl Error {
    /// Converts errors of the parquet reader about the file at `path`; keeps the reason of the operating
    /// system where there is one.
    pub(crate) fn parquet(path: &Path) -> impl Fn(ParquetError) -> Self {
        let path = path.to_owned();
        move |source| match read_error(source).map_err(io_reason) {
            Ok(error) => error.into(),
            Err(Ok(source)) => {
                saekit_core::Error::Io { action: "read", path: path.clone(), source }.into()
            }
            Err(Err(source)) => DamageError::Parquet { path: path.clone(), source }.into(),
        }
    }
}

/// The error of the system inside a parquet error, so that a full disk is still seen as one.
pub(crate) fn into_io(error: ParquetError) -> std::io::Error {
    io_reason(error).unwrap_or_else(std::io::Error::other)
}

/// The error of a [`Blob`](crate::Blob) inside a parquet error, if there is one.
fn read_error(error: ParquetError) -> Result<saekit_core::Error, ParquetError> {
    let ParquetError::External(source) = error else { return Err(error) };
    let source = match source.downcast::<saekit_core::Error>() {
        Ok(error) => return Ok(*error),
        Err(source) => source,
    };
    match source.downcast::<std::io::Error>().map(|error| error.downcast()) {
        Ok(Ok(error)) => Ok(error),
        Ok(Err(source)) => Err(ParquetError::External(Box::new(source))),
        Err(source) => Err(ParquetError::External(source)),
    }
}

fn io_reason(error: ParquetError) -> Result<std::io::Error, ParquetError> {
    match error {
        ParquetError::External(source) => {
            source.downcast::<std::io::Error>().map(|e| *e).map_err(ParquetError::External)
        }
        other => Err(other),
    }
}
