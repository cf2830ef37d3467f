//! A disk that fills up under each verb that writes: a file system of a few hundred KiB in memory,
//! mounted in a namespace of its own.
#![cfg(target_os = "linux")]

use std::process::Command;

use saekit_tests::{Finished, Sandbox, SyntheticStore, binary, write_zeros};

/// Runs `saekit` with `arguments` where the folder `disk`, which temporary files go to as well, has `kib`
/// KiB; with it come the files that are left there afterwards.
fn run_on_disk(sandbox: &Sandbox, kib: usize, arguments: &str) -> (Finished, Vec<String>) {
    std::fs::create_dir(sandbox.path("disk")).expect("a new folder");
    let script = format!(
        "mount -t tmpfs -o size={kib}k tmpfs disk || exit 99
         TMPDIR=disk {} {arguments} >/dev/null
         code=$?
         cd disk && find . -type f
         exit $code",
        binary().display()
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    sandbox.prepare(&mut command);
    let output = command.output().expect("unshare starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let left = text(output.stdout).lines().map(str::to_owned).collect();
    let stderr = text(output.stderr);
    (Finished { status: output.status, stdout: String::new(), stderr }, left)
}

/// Files that nobody could take for a whole result.
fn assert_none_is_final(left: &[String], finals: &[&str]) {
    for file in left {
        assert!(!finals.iter().any(|name| file.ends_with(name)), "{left:?}");
        assert!(!file.ends_with(".partial"), "{left:?}");
    }
}

const FULL: &[&str] = &["No space left on device", "free space", "disk"];

#[test]
fn harvest() {
    let sandbox = Sandbox::new();
    let arguments = "harvest --device cpu --model demo --text train.parquet --rows 2000 \
                     --hook blocks.0.hook_resid_post --out disk/acts --shard-mib 1";
    let (finished, left) = run_on_disk(&sandbox, 300, arguments);
    finished.error_with(FULL);
    assert_none_is_final(&left, &["manifest.json"]);
}

#[test]
fn train() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(2000, 32).write(&sandbox.path("acts"));
    let arguments = "train --device cpu --store acts --out disk/run --d-sae 2048 --k 2 --batch 500 \
                     --checkpoint-every 1";
    let (finished, left) = run_on_disk(&sandbox, 300, arguments);
    finished.error_with(FULL);
    assert_none_is_final(&left, &["summary.json", "dictionary.json", "learner.safetensors"]);
}

#[test]
fn eval() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(2000, 32).write(&sandbox.path("acts"));
    sandbox.ok("train --device cpu --store acts --out run --d-sae 2048 --k 2 --batch 500");
    let arguments =
        "eval run --store acts --device cpu --json eval.json --dump disk/rows.safetensors";
    let (finished, left) = run_on_disk(&sandbox, 300, arguments);
    finished.error_with(FULL);
    assert_none_is_final(&left, &["rows.safetensors"]);
}

#[test]
fn export() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(2000, 32).write(&sandbox.path("acts"));
    sandbox.ok("train --device cpu --store acts --out run --d-sae 2048 --k 2 --batch 500");
    let arguments = "export run --format saelens --out disk/sae";
    let (finished, left) = run_on_disk(&sandbox, 300, arguments);
    finished.error_with(FULL);
    assert_eq!(left, [""; 0]);
}

#[test]
fn demo() {
    let sandbox = Sandbox::new();
    let (finished, left) = run_on_disk(&sandbox, 8000, "demo --small --device cpu --out disk/demo");
    finished.error_with(FULL);
    assert_none_is_final(&left, &["eval.json", "cfg.json"]);
}

#[test]
fn choosing_rows() {
    let sandbox = Sandbox::new();
    write_zeros(&sandbox.path("zeros.npy"), 8_000_000, 2);
    let arguments = "train --device cpu --store zeros.npy --out run --d-sae 4 --k 1 --batch 1000 \
                     --drop-non-finite";
    let (finished, left) = run_on_disk(&sandbox, 300, arguments);
    let message = finished.error_with(FULL);
    assert!(message.contains("TMPDIR"), "{message}");
    assert!(left.is_empty(), "{left:?}");
}
