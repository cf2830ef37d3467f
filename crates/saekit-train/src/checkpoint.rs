//! A checkpoint: a folder with everything the next step depends on.
//!
//! `checkpoints/000000001000/` holds `learner.safetensors` and `progress.json`. It is written under
//! another name and renamed, so a folder with that name is whole. Hashes tell whether it was changed
//! since: a changed bit would otherwise go into the dictionary without a word.

use std::borrow::Cow;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use saekit_core::files::{partial_path, read_sealed, sha256, write_atomic, write_sealed};
use saekit_core::{Cursor, Error as CoreError, State, StateTensor};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const LEARNER: &str = "learner.safetensors";
const PROGRESS: &str = "progress.json";
/// The version of the files this crate writes and reads.
const VERSION: u32 = 2;

/// Where a run stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standing {
    /// Steps done.
    pub(crate) step: u64,
    /// The row that the next batch begins with.
    pub(crate) cursor: Cursor,
    /// Length of `metrics.jsonl`, bytes.
    pub(crate) metrics_bytes: u64,
}

/// `progress.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Always [`VERSION`].
    version: u32,
    standing: Standing,
    /// SHA-256 of `learner.safetensors`, hex.
    learner_sha256: String,
}

/// The checkpoints in `folder`, oldest first; half-written ones do not count.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(CoreError::io("read", folder))? {
        let path = entry.map_err(CoreError::io("read", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a checkpoint into `folder` and removes the ones before it.
pub(crate) fn write(folder: &Path, standing: &Standing, state: &State) -> Result<()> {
    fs::create_dir_all(folder).map_err(CoreError::io("create", folder))?;
    let older = list(folder)?;
    let path = folder.join(folder_name(standing.step));
    if older.contains(&path) {
        return Ok(()); // a run that was stopped before its next step has it already
    }
    let partial = partial_path(&path);
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(CoreError::io("remove", &partial))?;
    }
    let written = fill(&partial, standing, state)
        .and_then(|()| Ok(fs::rename(&partial, &path).map_err(CoreError::io("write", &path))?));
    if let Err(error) = written {
        fs::remove_dir_all(&partial).ok();
        return Err(error);
    }
    for old in older {
        fs::remove_dir_all(&old).map_err(CoreError::io("remove", &old))?;
    }
    Ok(())
}

fn folder_name(step: u64) -> String {
    format!("{step:012}")
}

fn fill(dir: &Path, standing: &Standing, state: &State) -> Result<()> {
    fs::create_dir_all(dir).map_err(CoreError::io("create", dir))?;
    let tensors = state.iter().map(|(name, tensor)| (name, Bytes(tensor)));
    let bytes = safetensors::serialize(tensors, None)
        .map_err(|e| Error::Checkpoint { path: dir.to_owned(), reason: e.to_string() })?;
    write_atomic(&dir.join(LEARNER), |writer| writer.write_all(&bytes))?;
    let (standing, learner_sha256) = (standing.clone(), sha256(&bytes));
    let record = Record { version: VERSION, standing, learner_sha256 };
    Ok(write_sealed(&dir.join(PROGRESS), &record)?)
}

/// Reads the checkpoint in `dir`.
pub(crate) fn read(dir: &Path) -> Result<(Standing, State)> {
    let damaged = |reason: String| Error::Checkpoint { path: dir.to_owned(), reason };
    let record: Record = read_sealed(&dir.join(PROGRESS), "checkpoint's progress")
        .map_err(|e| damaged(e.to_string()))?;
    if record.version != VERSION {
        return Err(damaged(format!("`version` is {}, expected {VERSION}", record.version)));
    }
    let standing = record.standing;
    if dir.file_name() != Some(folder_name(standing.step).as_ref()) {
        return Err(damaged(format!("it is of step {}", standing.step)));
    }
    let path = dir.join(LEARNER);
    let bytes = fs::read(&path).map_err(CoreError::io("read", &path))?;
    if sha256(&bytes) != record.learner_sha256 {
        return Err(damaged(format!("{LEARNER} was changed after it was written")));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let mut state = State::new();
    for (name, view) in file.iter() {
        let shape = view.shape().to_vec();
        let tensor = match view.dtype() {
            Dtype::F32 => StateTensor::F32 { shape, data: values(view.data(), f32::from_le_bytes) },
            Dtype::U64 => StateTensor::U64 { shape, data: values(view.data(), u64::from_le_bytes) },
            other => return Err(damaged(format!("tensor `{name}` holds {other:?}"))),
        };
        state.insert(name.to_owned(), tensor);
    }
    Ok((standing, state))
}

fn values<T, const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)).collect()
}

/// A state's tensor as safetensors wants it.
struct Bytes<'a>(&'a StateTensor);

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        match self.0 {
            StateTensor::F32 { .. } => Dtype::F32,
            StateTensor::U64 { .. } => Dtype::U64,
        }
    }

    fn shape(&self) -> &[usize] {
        match self.0 {
            StateTensor::F32 { shape, .. } | StateTensor::U64 { shape, .. } => shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.0 {
            StateTensor::F32 { data, .. } => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            StateTensor::U64 { data, .. } => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        self.shape().iter().product::<usize>() * self.dtype().bitsize() / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(step: u64) -> Standing {
        let cursor = Cursor {
            store_sha256: "a".to_owned(),
            order_sha256: "b".to_owned(),
            epoch: 1,
            row: 2,
            parts: vec![],
        };
        Standing { step, cursor, metrics_bytes: 3 }
    }

    fn state() -> State {
        State::from([
            ("w".to_owned(), StateTensor::F32 { shape: vec![1, 2], data: vec![0.1, -2.0] }),
            ("n".to_owned(), StateTensor::U64 { shape: vec![1], data: vec![u64::MAX] }),
        ])
    }

    #[test]
    fn reads_what_it_wrote_and_keeps_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &standing(5), &state()).unwrap();
        write(dir.path(), &standing(10), &state()).unwrap();
        let found = list(dir.path()).unwrap();
        assert_eq!(found, [dir.path().join("000000000010")]);
        assert_eq!(read(&found[0]).unwrap(), (standing(10), state()));
    }

    #[test]
    fn half_written_ones_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("000000000010.partial")).unwrap();
        assert!(list(dir.path()).unwrap().is_empty());
        write(dir.path(), &standing(10), &state()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_changed_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &standing(5), &state()).unwrap();
        let checkpoint = &list(dir.path()).unwrap()[0];
        for name in [LEARNER, PROGRESS] {
            let path = checkpoint.join(name);
            let bytes = fs::read(&path).unwrap();
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                fs::write(&path, changed).unwrap();
                // White space and the case of a key may change; what is read may not.
                match read(checkpoint) {
                    Ok(same) => assert_eq!(same, (standing(5), state()), "byte {at} of {name}"),
                    Err(error) => {
                        let text = error.to_string();
                        assert!(text.contains("000000000005 is damaged"), "{text}");
                    }
                }
            }
            fs::write(&path, bytes).unwrap();
        }
    }

    #[test]
    fn a_checkpoint_of_another_step_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &standing(5), &state()).unwrap();
        let path = dir.path().join("000000000007");
        fs::rename(&list(dir.path()).unwrap()[0], &path).unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("it is of step 5"), "{message}");
    }

    #[test]
    fn truncated_tensors_are_named() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &standing(5), &state()).unwrap();
        let checkpoint = &list(dir.path()).unwrap()[0];
        let path = checkpoint.join(LEARNER);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let message = read(checkpoint).unwrap_err().to_string();
        assert!(message.contains("000000000005") && message.contains("damaged"), "{message}");
    }
}
