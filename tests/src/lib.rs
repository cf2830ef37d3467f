//! Helpers of the black-box tests: the built binary in a fresh folder, and small inputs for it.
//!
//! [`Sandbox`] is a temporary folder with the demo model and a tiny random one linked into it;
//! commands run there, so that paths in arguments and messages are short.

#![expect(clippy::missing_panics_doc, reason = "a helper panics where the test has failed")]

mod finished;
mod fixtures;
mod running;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub use finished::Finished;
pub use fixtures::{SyntheticStore, write_rows, write_zeros};
pub use running::Running;

/// Path of the `saekit` binary that was built beside the running test.
pub fn binary() -> PathBuf {
    let test = env::current_exe().expect("the running test has a path");
    // target/<profile>/deps/<test>
    let profile = test.ancestors().nth(2).expect("a test lies in its profile's folder");
    let path = profile.join("saekit").with_extension(env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} is missing; run `cargo build -p saekit` first", path.display());
    path
}

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// A temporary folder in which commands run.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    /// A folder with a copy of the demo's model as `demo`, of its texts as `train.parquet` and
    /// `heldout.parquet`, and of a random 3-layer model of width 24 without a tokenizer as `tiny`.
    pub fn new() -> Self {
        let sandbox = Self { dir: TempDir::new().expect("a temporary folder") };
        sandbox.copy("crates/saekit/demo/model", "demo");
        sandbox.copy("crates/saekit/demo/text", ".");
        sandbox.copy("crates/saekit-lm/tests/golden/gpt2/tiny", "tiny");
        fs::remove_file(sandbox.path("tiny/golden.safetensors")).expect("golden values");
        sandbox
    }

    /// [`new`](Self::new) with the store `acts` of 2000 rows of the demo's text, and `run`, a run of 96
    /// latents on it.
    pub fn with_run() -> Self {
        let sandbox = Self::new();
        sandbox
            .ok("harvest --device cpu --model demo --text train.parquet --rows 2000 --context 64 \
                    --hook blocks.1.hook_resid_post --dataset-name bible --out acts");
        sandbox.ok("train --device cpu --store acts --out run --d-sae 96 --k 4 --batch 500");
        sandbox
    }

    /// `relative` in the folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Copies a folder of the repository.
    pub fn copy(&self, from: &str, to: &str) {
        copy_folder(&repository().join(from), &self.path(to));
    }

    /// Writes a file.
    pub fn write(&self, relative: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(relative), bytes).expect("a file in a temporary folder");
    }

    /// Reads a file.
    pub fn read(&self, relative: &str) -> Vec<u8> {
        let path = self.path(relative);
        fs::read(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
    }

    /// Reads a file of JSON.
    pub fn json(&self, relative: &str) -> Value {
        serde_json::from_slice(&self.read(relative)).expect("a file of JSON")
    }

    /// Reads a file of one JSON value a line.
    pub fn json_lines(&self, relative: &str) -> Vec<Value> {
        let text = String::from_utf8(self.read(relative)).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Changes a file's bytes.
    pub fn edit(&self, relative: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(relative);
        change(&mut bytes);
        self.write(relative, bytes);
    }

    /// Every file below `relative`, as sorted paths from there.
    pub fn files(&self, relative: &str) -> Vec<String> {
        let root = self.path(relative);
        let mut found = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(dir) = open.pop() {
            let Ok(entries) = fs::read_dir(&dir) else { continue };
            for entry in entries {
                let path = entry.expect("an entry of a folder").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(&root).expect("a path below its root");
                    found.push(name.display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// `saekit` with `arguments`, which are separated by white space.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments.split_whitespace());
        self.prepare(&mut command);
        command
    }

    /// Sets the folder and the environment of `command`.
    pub fn prepare(&self, command: &mut Command) {
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        for variable in ["RUST_BACKTRACE", "RUST_LOG", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
    }

    /// Runs `saekit` to its end.
    pub fn run(&self, arguments: &str) -> Finished {
        Finished::of(self.command(arguments))
    }

    /// Runs `saekit` and returns what it printed to stdout.
    pub fn ok(&self, arguments: &str) -> String {
        self.run(arguments).ok()
    }

    /// Starts `saekit` and goes on.
    pub fn start(&self, arguments: &str) -> Running {
        Running::start(self.command(arguments))
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder in a temporary folder");
    let entries = fs::read_dir(from);
    for entry in entries.unwrap_or_else(|e| panic!("cannot list {}: {e}", from.display())) {
        let path = entry.expect("an entry of a folder").path();
        let copy = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            fs::copy(&path, &copy).expect("a copy");
        }
    }
}
