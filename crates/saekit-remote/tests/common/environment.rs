//! Tests that need variables in the environment run in a process of their own, since a process
//! cannot change its own ones safely.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set in the process that runs the test's body: a folder for it.
const FOLDER: &str = "SAEKIT_REMOTE_TEST_FOLDER";

/// What the environment must not bring along.
const CLEARED: [&str; 6] = ["AWS_", "AZURE_", "AZURITE_", "GCE_", "GOOGLE_", "HF_"];

/// Runs `body` where the environment has `variables`, with a listener whose address they may name,
/// and with a folder. `test` is the name of the calling test.
#[track_caller]
pub(crate) fn with_environment(
    test: &str,
    variables: impl FnOnce(SocketAddr, &Path) -> Vec<(&'static str, String)>,
    body: impl FnOnce(TcpListener, PathBuf),
) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let listener = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
        return body(TcpListener::from(listener), folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let variables = variables(listener.local_addr().unwrap(), folder.path());
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_uppercase();
        if CLEARED.iter().any(|prefix| text.starts_with(prefix)) || text.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    let output = command
        .args([test, "--exact", "--nocapture"])
        .env("HOME", folder.path())
        .env(FOLDER, folder.path())
        .envs(variables)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "no test is called {test}: {text}");
}
