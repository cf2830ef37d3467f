use std::path::PathBuf;

/// The result of preparing or driving a run.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a run and its folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range.
    #[error("`{setting}` is {found}, expected {expected}")]
    Setting {
        /// The key in the configuration.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The folder holds a run that is done.
    #[error(
        "{} holds a finished run, which cannot be continued; to train longer or with other \
         settings, give another output folder (`--out`), or replace this run with `--force`",
        path.display()
    )]
    Finished {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds an unfinished run of another plan.
    #[error(
        "{} holds an unfinished run of another plan:\n{differences}\n{remedy} to \
         resume it, choose another output folder (`--out`), or start over with `--force`",
        path.display()
    )]
    OtherPlan {
        /// The folder.
        path: PathBuf,
        /// One line for each setting that differs.
        differences: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A plan that is not TOML.
    #[error(
        "{} cannot be read as a plan ({reason}); start over with `--force`, or choose another \
         output folder (`--out`)",
        path.display()
    )]
    Plan {
        /// The file.
        path: PathBuf,
        /// Why parsing stopped.
        reason: String,
    },
    /// The folder holds files that are no run's.
    #[error(
        "{} is not empty and holds no saekit run (no {missing}); choose another output folder",
        path.display()
    )]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that a run would have.
        missing: &'static str,
    },
    /// A checkpoint that cannot be read.
    #[error(
        "the checkpoint {} is damaged ({reason}); start over with --force", path.display()
    )]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The rows ended before the run did.
    #[error("the rows ended after {step} of {steps} steps")]
    RowsEnded {
        /// Steps done.
        step: u64,
        /// Steps planned.
        steps: u64,
    },
    /// A contract's error: files, rows, the learner.
    #[error("{0}")]
    Core(#[from] saekit_core::Error),
}

saekit_core::as_core_error!(Error);
