//! A run that was ended at any moment, and in any way, comes to the same weights as one that was
//! not.

use std::thread::sleep;
use std::time::Duration;

use saekit_core::rng::Rng;
use saekit_tests::{Sandbox, SyntheticStore};

/// 150 steps with a checkpoint every few.
const TRAIN: &str = "train --device cpu --store acts --d-sae 256 --k 8 --batch 400 --epochs 3 \
                     --checkpoint-every 4 --log-every 3 --pool-mib 2 --seed 3";
const STEPS: u64 = 150;

fn with_store() -> Sandbox {
    let sandbox = Sandbox::new();
    SyntheticStore::new(20_000, 32).write(&sandbox.path("acts"));
    sandbox
}

/// What a finished run leaves that must not depend on how it came about.
fn results(sandbox: &Sandbox, run: &str) -> Vec<Vec<u8>> {
    let files = ["dictionary/dictionary.safetensors", "dictionary/dictionary.json", "plan.toml"];
    files.iter().map(|file| sandbox.read(&format!("{run}/{file}"))).collect()
}

/// `metrics.jsonl` without what depends on time.
fn metrics(sandbox: &Sandbox, run: &str) -> Vec<serde_json::Value> {
    let mut lines = sandbox.json_lines(&format!("{run}/metrics.jsonl"));
    for line in &mut lines {
        line.as_object_mut().expect("an object").remove("rows_per_s");
    }
    lines
}

/// Steps in the last whole line of the metrics.
fn steps_logged(sandbox: &Sandbox, run: &str) -> u64 {
    let path = sandbox.path(&format!("{run}/metrics.jsonl"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let step = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["step"].as_u64();
    text.lines().rev().find_map(step).unwrap_or(0)
}

#[test]
fn killed_at_random_moments() {
    let sandbox = with_store();
    sandbox.ok(&format!("{TRAIN} --out whole"));
    assert_eq!(sandbox.json("whole/summary.json")["steps"], STEPS);
    let rng = Rng::new(20_261_121, "kill");
    let mut kills = 0;
    for attempt in 0..6 {
        let mut running = sandbox.start(&format!("{TRAIN} --out killed"));
        // Each attempt is let a bit further than the last, so that together they cover the run.
        let at = STEPS * attempt / 7 + rng.below(2 * attempt, STEPS / 7);
        if !running.wait_until(|| steps_logged(&sandbox, "killed") >= at) {
            break;
        }
        sleep(Duration::from_micros(rng.below(2 * attempt + 1, 10_000)));
        running.kill();
        if sandbox.path("killed/summary.json").exists() {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 3, "only {kills} kills came before the end");
    if !sandbox.path("killed/summary.json").exists() {
        sandbox.ok(&format!("{TRAIN} --out killed"));
    }
    assert!(results(&sandbox, "killed") == results(&sandbox, "whole"), "other bytes");
    assert_eq!(metrics(&sandbox, "killed"), metrics(&sandbox, "whole"));
    assert!(!sandbox.path("killed/checkpoints").exists());
}

#[test]
fn killed_before_the_first_checkpoint() {
    let sandbox = with_store();
    sandbox.ok(&format!("{TRAIN} --out whole"));
    let mut running = sandbox.start(&format!("{TRAIN} --out killed"));
    assert!(running.wait_until(|| sandbox.path("killed/plan.toml").exists()));
    running.kill();
    sandbox.ok(&format!("{TRAIN} --out killed"));
    assert!(results(&sandbox, "killed") == results(&sandbox, "whole"), "other bytes");
}

#[test]
fn stopped_by_ctrl_c() {
    let sandbox = with_store();
    sandbox.ok(&format!("{TRAIN} --out whole"));
    let mut running = sandbox.start(&format!("{TRAIN} --out stopped"));
    assert!(running.wait_until(|| steps_logged(&sandbox, "stopped") >= 10));
    let stopped = running.interrupt();
    assert_eq!(stopped.status.code(), Some(130), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("interrupted"), "{}", stopped.stderr);
    assert!(!sandbox.path("stopped/summary.json").exists());
    let rest = sandbox.run(&format!("{TRAIN} --out stopped"));
    assert!(rest.stderr.contains("resuming at step"), "{}", rest.stderr);
    rest.ok();
    assert!(results(&sandbox, "stopped") == results(&sandbox, "whole"), "other bytes");
}

#[test]
fn one_process_a_folder() {
    let sandbox = with_store();
    let mut running = sandbox.start(&format!("{TRAIN} --out run"));
    assert!(running.wait_until(|| steps_logged(&sandbox, "run") >= 3));
    sandbox
        .run(&format!("{TRAIN} --out run"))
        .error_with(&["`run`", "another saekit train (process "]);
    running.kill();
}
