use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use saekit_core::files::{FolderLock, sha256, write_atomic};
use saekit_core::{Error as CoreError, State};
use toml::{Table, Value};

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

/// Keys of a plan that say where rows lie, not which they are.
const PLACES: [&str; 2] = ["path", "revision"];
/// Differences between two plans that an error shows.
const SHOWN: usize = 12;

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
    /// Takes `dir` for a run of `plan` (the resolved plan as TOML): fresh where there is nothing or
    /// a run without a checkpoint, resuming where an unfinished run of the same plan stands. Where
    /// rows lie (`path`, `revision`) may have changed: their hash says whether they are the same.
    ///
    /// # Errors
    /// If a finished run stands there, a run of another plan, or anything that is no run; `force`
    /// removes a run instead, but nothing else. If another process holds the folder. If `plan` is
    /// not TOML.
    pub fn claim(dir: &Path, plan: &str, force: bool) -> Result<Self> {
        if is_occupied(dir)? && !dir.join(PLAN).is_file() && !dir.join(LOCK).is_file() {
            return Err(Error::NotARun { path: dir.to_owned(), missing: PLAN });
        }
        let lock = FolderLock::take(dir, &dir.join(LOCK), "train")?;
        if force {
            remove_run(dir)?;
        }
        let checkpoint = checkpoint::list(&dir.join(CHECKPOINTS))?.pop();
        let steps_done = checkpoint.as_deref().and_then(step_of).unwrap_or(0);
        let agreed = agreed(dir, plan, steps_done)?;
        if steps_done == 0 {
            remove_unfinished(dir)?; // of a run that is not resumed
        }
        let checkpoint = checkpoint.filter(|_| steps_done > 0);
        write_atomic(&dir.join(PLAN), |writer| writer.write_all(agreed.as_bytes()))?;
        let plan = agreed;
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
        self.checkpoint.as_deref().and_then(step_of)
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

/// The steps done at a checkpoint, which its name says.
fn step_of(checkpoint: &Path) -> Option<u64> {
    checkpoint.file_name()?.to_str()?.parse().ok()
}

fn is_occupied(dir: &Path) -> Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(CoreError::io("read", dir)(e).into()),
    }
}

/// The plan to run: `plan`, or that of the unfinished run in `dir`, which has to be the same but for
/// the places of its rows. A run without a step to resume from claims nothing.
fn agreed(dir: &Path, plan: &str, steps_done: u64) -> Result<String> {
    let path = dir.join(PLAN);
    if !path.is_file() {
        return Ok(plan.to_owned());
    }
    if dir.join(SUMMARY).is_file() {
        return Err(Error::Finished { path: dir.to_owned() });
    }
    if steps_done == 0 {
        return Ok(plan.to_owned());
    }
    let there = fs::read_to_string(&path).map_err(CoreError::io("read", &path))?;
    let differences = differences(&fields(&there, &path)?, &fields(plan, &path)?);
    if differences.is_empty() {
        return Ok(there);
    }
    let rows_differ = differences.iter().any(|line| line.contains("sha256:"));
    let remedy = if rows_differ { OTHER_ROWS } else { SAME_SETTINGS };
    let more = differences.len().saturating_sub(SHOWN);
    let mut shown = differences[..differences.len() - more].join("\n");
    if more > 0 {
        write!(shown, "\n  and {more} more").expect("writing to a string succeeds");
    }
    Err(Error::OtherPlan { path: dir.to_owned(), differences: shown, remedy })
}

/// Every setting of a `plan` by its dotted name, but for the places of its rows.
fn fields(plan: &str, path: &Path) -> Result<BTreeMap<String, String>> {
    let table: Table = plan.parse().map_err(|error: toml::de::Error| Error::Plan {
        path: path.to_owned(),
        reason: error.message().to_owned(),
    })?;
    let mut fields = BTreeMap::new();
    flatten("", &Value::Table(table), &mut fields);
    Ok(fields)
}

/// Adds `value` under `name`, and what is in it under `name.key` or `name[index]`.
fn flatten(name: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table.iter().filter(|(key, _)| !PLACES.contains(&key.as_str())) {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(&format!("{name}{dot}{key}"), value, fields);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (i, item) in items.iter().enumerate() {
                flatten(&format!("{name}[{i}]"), item, fields);
            }
        }
        value => {
            fields.insert(name.to_owned(), value.to_string());
        }
    }
}

/// One line for each setting that differs.
fn differences(there: &BTreeMap<String, String>, asked: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<_> = there.keys().chain(asked.keys()).collect();
    let differ = names.into_iter().filter(|name| there.get(*name) != asked.get(*name));
    let value = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
    let line = |name: &String| {
        let [there, asked] = [there.get(name), asked.get(name)].map(value);
        format!("  {name}: {there} in the folder, {asked} asked for")
    };
    differ.map(line).collect()
}

/// Removes what a run writes, and nothing else. The plan goes last, so that a folder with leftovers
/// is still known for a run.
fn remove_run(dir: &Path) -> Result<()> {
    for name in [SUMMARY, EVALUATION, CHECKPOINTS, DICTIONARY, METRICS, PLAN] {
        remove(&dir.join(name))?;
    }
    Ok(())
}

/// Removes what a run without a finished step has written.
fn remove_unfinished(dir: &Path) -> Result<()> {
    for name in [CHECKPOINTS, METRICS] {
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

    /// A folder with a run of `plan` that was stopped after three steps.
    fn begun(plan: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        drop(RunFolder::claim(dir.path(), plan, false).unwrap());
        fs::create_dir_all(dir.path().join(CHECKPOINTS).join("000000000003")).unwrap();
        dir
    }

    #[test]
    fn another_plan_is_refused_field_by_field() {
        let dir = begun("d = 2\n[learner]\nk = 32\nclip_norm = 1.0\n");
        let other = "[learner]\nk = 64\n";
        let text = message(RunFolder::claim(dir.path(), &format!("d = 2\n{other}"), false));
        assert!(text.contains("learner.k: 32 in the folder, 64 asked for"), "{text}");
        assert!(text.contains("clip_norm: 1.0 in the folder, nothing asked for"), "{text}");
        assert!(!text.contains("d: 2"), "{text}");
        RunFolder::claim(dir.path(), other, true).unwrap();
    }

    #[test]
    fn the_same_plan_may_be_written_in_another_order() {
        let dir = begun("a = 1\nb = 2\n");
        let folder = RunFolder::claim(dir.path(), "b = 2\na = 1\n", false).unwrap();
        assert_eq!(folder.resumes_at(), Some(3));
    }

    #[test]
    fn many_differences_are_counted() {
        let plan =
            |value| (0..100).map(|i| format!("key{i} = {value}")).collect::<Vec<_>>().join("\n");
        let dir = begun(&plan(1));
        let text = message(RunFolder::claim(dir.path(), &plan(2), false));
        assert!(text.contains("and 88 more") && text.lines().count() < 20, "{text}");
    }

    #[test]
    fn a_run_without_a_step_claims_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(RunFolder::claim(dir.path(), "k = 1\n", false).unwrap());
        fs::create_dir_all(dir.path().join(CHECKPOINTS).join("000000000000")).unwrap();
        fs::write(dir.path().join(METRICS), "{}\n").unwrap();
        let folder = RunFolder::claim(dir.path(), "k = 3\n", false).unwrap();
        assert_eq!(folder.resumes_at(), None);
        assert_eq!(fs::read_to_string(dir.path().join(PLAN)).unwrap(), "k = 3\n");
        assert!(!dir.path().join(METRICS).exists());
    }

    #[test]
    fn a_plan_that_cannot_be_read_is_named() {
        let dir = begun("k = 1\n");
        fs::write(dir.path().join(PLAN), "k = \n").unwrap();
        let text = message(RunFolder::claim(dir.path(), "k = 1\n", false));
        assert!(text.contains("plan.toml") && text.contains("--force"), "{text}");
    }

    #[test]
    fn the_same_rows_may_lie_elsewhere() {
        let plan = |path: &str, sha256: &str| {
            format!("[store]\npath = \"{path}\"\nsha256 = \"{sha256}\"\n")
        };
        let dir = begun(&plan("a", "00"));
        let first = RunFolder::claim(dir.path(), &plan("a", "00"), false).unwrap().plan_sha256();
        let moved = RunFolder::claim(dir.path(), &plan("b", "00"), false).unwrap();
        assert_eq!(moved.plan_sha256(), first);
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
