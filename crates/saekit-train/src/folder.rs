use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use saekit_core::files::{FolderLock, sha256, write_atomic};
use saekit_core::{Error as CoreError, State};

use crate::checkpoint::{self, Standing};
use crate::{Error, Result};

/// The resolved plan, TOML.
pub const PLAN: &str = "plan.toml";
/// One JSON object a line.
pub const METRICS: &str = "metrics.jsonl";
/// The trained codec.
pub const DICTIONARY: &str = "dictionary";
/// What came out; a folder that has it is a finished run.
pub const SUMMARY: &str = "summary.json";
/// Figures of the dictionary, where somebody measured them.
pub const EVALUATION: &str = "eval.json";

const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = "run.lock";

/// What to do about another plan.
const SAME_SETTINGS: &str = "give the same settings";
/// What to do where it is of other rows.
const OTHER_ROWS: &str = "the rows have changed since: restore them, or name the version they had \
                          (`@COMMIT` on the Hub)";

/// A run's output folder, held by this process until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    dir: PathBuf,
    plan: String,
    checkpoint: Option<PathBuf>,
    _lock: FolderLock,
}

impl RunFolder {
    /// Takes `dir` for a run of `plan` (the resolved plan as TOML): fresh where there is nothing,
    /// resuming where an unfinished run of the same plan stands. Where rows lie (`path`, `revision`)
    /// may have changed: their hash says whether they are the same.
    ///
    /// # Errors
    /// If a finished run stands there, a run of another plan, or anything that is no run; `force`
    /// removes a run instead, but nothing else. If another process holds the folder.
    pub fn claim(dir: &Path, plan: &str, force: bool) -> Result<Self> {
        if is_occupied(dir)? && !dir.join(PLAN).is_file() && !dir.join(LOCK).is_file() {
            return Err(Error::NotARun { path: dir.to_owned(), missing: PLAN });
        }
        let lock = FolderLock::take(dir, &dir.join(LOCK), "train")?;
        if force {
            remove_run(dir)?;
        }
        let plan = agreed(dir, plan)?;
        write_atomic(&dir.join(PLAN), |writer| writer.write_all(plan.as_bytes()))?;
        let checkpoint = checkpoint::list(&dir.join(CHECKPOINTS))?.pop();
        Ok(Self { dir: dir.to_owned(), plan, checkpoint, _lock: lock })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// SHA-256 of the plan, hex.
    pub fn plan_sha256(&self) -> String {
        sha256(self.plan.as_bytes())
    }

    /// Steps already done by the unfinished run that will be resumed.
    pub fn resumes_at(&self) -> Option<u64> {
        self.checkpoint.as_ref()?.file_name()?.to_str()?.parse().ok()
    }

    /// The last checkpoint, where there is one.
    pub(crate) fn restore(&self) -> Result<Option<(Standing, State)>> {
        self.checkpoint.as_deref().map(checkpoint::read).transpose()
    }

    /// The error of a last checkpoint that has `problem`.
    pub(crate) fn damaged(&self, problem: String) -> Error {
        let path = self.checkpoint.clone().unwrap_or_else(|| self.dir.join(CHECKPOINTS));
        Error::Checkpoint { path, reason: problem }
    }

    /// Keeps a checkpoint.
    pub(crate) fn save(&self, standing: &Standing, state: &State) -> Result<()> {
        checkpoint::write(&self.dir.join(CHECKPOINTS), standing, state)
    }

    /// Removes the checkpoints of a finished run.
    pub(crate) fn drop_checkpoints(&self) -> Result<()> {
        let path = self.dir.join(CHECKPOINTS);
        Ok(remove(&path)?)
    }
}

fn is_occupied(dir: &Path) -> Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(CoreError::io("read", dir)(e).into()),
    }
}

/// The plan to run: `plan` where the folder is fresh, or that of the unfinished run in it, which has
/// to be the same but for the places of its rows.
fn agreed(dir: &Path, plan: &str) -> Result<String> {
    let path = dir.join(PLAN);
    if !path.is_file() {
        return Ok(plan.to_owned());
    }
    if dir.join(SUMMARY).is_file() {
        return Err(Error::Finished { path: dir.to_owned() });
    }
    let there = fs::read_to_string(&path).map_err(CoreError::io("read", &path))?;
    let lines = |text: &str| -> Vec<String> {
        let of_place =
            |line: &str| ["path = ", "revision = "].iter().any(|key| line.starts_with(key));
        let all = text.lines().filter(|line| !of_place(line));
        all.map(str::to_owned).collect()
    };
    let (begun, asked) = (lines(&there), lines(plan));
    if begun == asked {
        return Ok(there);
    }
    let differences = differences(&begun, &asked);
    let rows_differ = differences.iter().any(|line| line.contains(": sha256 = "));
    let remedy = if rows_differ { OTHER_ROWS } else { SAME_SETTINGS };
    let (path, differences) = (dir.to_owned(), differences.join("\n"));
    Err(Error::OtherPlan { path, differences, remedy })
}

/// The lines of two plans that only one of them has, or, where they have the same in another order, those
/// that are not in their place.
fn differences(begun: &[String], asked: &[String]) -> Vec<String> {
    let marked = |mark: &str, line: &String| format!("  {mark} {line}");
    let only = |a: &[String], b: &[String], mark: &str| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).map(|line| marked(mark, line)).collect()
    };
    let found = [only(begun, asked, "there:"), only(asked, begun, "asked:")].concat();
    if !found.is_empty() {
        return found;
    }
    let moved = begun.iter().zip(asked).filter(|(a, b)| a != b);
    moved.flat_map(|(a, b)| [marked("there:", a), marked("asked:", b)]).collect()
}

/// Removes what a run writes, and nothing else. The plan goes last, so that a folder with leftovers
/// is still known for a run.
fn remove_run(dir: &Path) -> Result<()> {
    for name in [SUMMARY, EVALUATION, CHECKPOINTS, DICTIONARY, METRICS, PLAN] {
        remove(&dir.join(name))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), CoreError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(CoreError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(result: Result<RunFolder>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn the_same_plan_may_come_back() {
        let dir = tempfile::tempdir().unwrap();
        drop(RunFolder::claim(dir.path(), "k = 1\n", false).unwrap());
        let folder = RunFolder::claim(dir.path(), "k = 1\n", false).unwrap();
        assert_eq!(folder.resumes_at(), None);
    }

    #[test]
    fn another_plan_is_refused_with_its_differences() {
        let dir = tempfile::tempdir().unwrap();
        drop(RunFolder::claim(dir.path(), "d = 2\nk = 1\n", false).unwrap());
        let text = message(RunFolder::claim(dir.path(), "d = 2\nk = 3\n", false));
        assert!(text.contains("there: k = 1") && text.contains("asked: k = 3"), "{text}");
        assert!(!text.contains("d = 2"), "{text}");
        RunFolder::claim(dir.path(), "d = 2\nk = 3\n", true).unwrap();
    }

    #[test]
    fn the_same_rows_may_lie_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let plan = |path: &str, sha256: &str| {
            format!("[store]\npath = \"{path}\"\nsha256 = \"{sha256}\"\n")
        };
        let begun = RunFolder::claim(dir.path(), &plan("a", "00"), false).unwrap().plan_sha256();
        let moved = RunFolder::claim(dir.path(), &plan("b", "00"), false).unwrap();
        assert_eq!(moved.plan_sha256(), begun);
        drop(moved);
        assert_eq!(fs::read_to_string(dir.path().join(PLAN)).unwrap(), plan("a", "00"));
        let text = message(RunFolder::claim(dir.path(), &plan("a", "11"), false));
        assert!(text.contains("the rows have changed since"), "{text}");
    }

    #[test]
    fn a_finished_run_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(RunFolder::claim(dir.path(), "k = 1\n", false).unwrap());
        fs::write(dir.path().join(SUMMARY), "{}").unwrap();
        assert!(message(RunFolder::claim(dir.path(), "k = 1\n", false)).contains("finished run"));
    }

    #[test]
    fn a_folder_of_other_things_is_never_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "").unwrap();
        for force in [false, true] {
            let text = message(RunFolder::claim(dir.path(), "k = 1\n", force));
            assert!(text.contains("holds no saekit run"), "{text}");
        }
    }

    #[test]
    fn two_processes_cannot_share_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let _held = RunFolder::claim(dir.path(), "k = 1\n", false).unwrap();
        let text = message(RunFolder::claim(dir.path(), "k = 1\n", false));
        assert!(text.contains("another saekit train (process "), "{text}");
    }
}
