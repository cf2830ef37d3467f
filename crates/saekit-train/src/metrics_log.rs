//! `metrics.jsonl`: one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use saekit_core::{Error as CoreError, StepReport};
use serde::Serialize;

use crate::Result;

/// A line: means over the steps since the line before.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    /// Steps done.
    pub(crate) step: u64,
    /// Rows seen.
    pub(crate) rows: u64,
    /// The schedule's factor on the learning rate at the last step.
    pub(crate) lr_scale: f64,
    #[serde(flatten)]
    pub(crate) report: &'a StepReport,
    /// Rows a second since the line before (or since the process began).
    pub(crate) rows_per_s: f64,
}

/// Whether a line of the file at `path` ends after `bytes` bytes; no file is an empty one.
pub(crate) fn ends_a_line(path: &Path, bytes: u64) -> Result<bool> {
    let Some(before) = bytes.checked_sub(1) else { return Ok(true) };
    let read = || {
        let mut last = [0];
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(before))?;
        file.read_exact(&mut last)?;
        Ok::<_, std::io::Error>(last == *b"\n")
    };
    match read() {
        Ok(ends) => Ok(ends),
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::NotFound | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput
            ) =>
        {
            Ok(false)
        }
        Err(e) => Err(CoreError::io("read", path)(e).into()),
    }
}

/// The open file.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    file: File,
    path: std::path::PathBuf,
}

impl MetricsLog {
    /// Opens `path` and drops what stands behind the first `keep` bytes.
    pub(crate) fn open(path: &Path, keep: u64) -> Result<Self> {
        let open = || {
            let mut file =
                OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            file.set_len(keep)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().map_err(CoreError::io("open", path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Waits until all lines are on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(self.file.sync_data().map_err(CoreError::io("write", &self.path))?)
    }

    /// Appends `line` and returns the length of the file.
    pub(crate) fn append(&mut self, line: &Line<'_>) -> Result<u64> {
        let mut text = serde_json::to_string(line).expect("plain numbers serialise");
        text.push('\n');
        let write = || {
            self.file.write_all(text.as_bytes())?;
            self.file.stream_position()
        };
        Ok({ write }().map_err(CoreError::io("write", &self.path))?)
    }
}
