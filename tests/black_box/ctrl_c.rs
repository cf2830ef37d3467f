//! Ctrl-C in every verb that takes time: exit code 130, nothing half-written, and the same command
//! works afterwards. For `train`, see `resume.rs`.

use saekit_tests::{Sandbox, SyntheticStore, write_zeros};

#[test]
fn a_harvest_stopped_by_ctrl_c_leaves_no_store_and_goes_on() {
    let sandbox = Sandbox::new();
    let harvest = "harvest --device cpu --model demo --text train.parquet --shard-mib 1 \
                   --hook blocks.1.hook_resid_post --out acts --rows 100000";
    let mut running = sandbox.start(harvest);
    assert!(running.wait_until(|| sandbox.path("acts/shards/shard-00001.parquet").exists()));
    let stopped = running.interrupt();
    assert_eq!(stopped.status.code(), Some(130), "{}", stopped.stderr);
    assert!(!sandbox.path("acts/manifest.json").exists());
    assert!(stopped.stderr.contains("resumes after the last whole shard"), "{}", stopped.stderr);
    let smaller = harvest.replace("100000", "4000");
    sandbox.run(&smaller).error_with(&["begun with rows 100000, not 4000", "`--force`"]);
    sandbox.ok(&format!("{smaller} --force"));
    assert_eq!(sandbox.json("acts/manifest.json")["rows"], 4000);
}

#[test]
fn an_evaluation_stopped_by_ctrl_c_writes_nothing() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(60_000, 192).write(&sandbox.path("acts"));
    sandbox
        .ok("train --device cpu --store acts --out run --d-sae 4096 --k 8 --rows 500 --batch 50");
    let mut running = sandbox.start("eval run --store acts --device cpu");
    assert!(running.wait_until_it_says("warning: acts is what it was trained on"));
    let stopped = running.interrupt();
    assert_eq!(stopped.status.code(), Some(130), "{}", stopped.stderr);
    assert!(!sandbox.path("run/eval.json").exists());
}

#[test]
fn a_demo_stopped_by_ctrl_c_goes_on() {
    let sandbox = Sandbox::new();
    let demo = "demo --small --device cpu --out demo-run";
    let mut running = sandbox.start(demo);
    assert!(running.wait_until(|| sandbox.path("demo-run/run/metrics.jsonl").exists()));
    let stopped = running.interrupt();
    assert_eq!(stopped.status.code(), Some(130), "{}", stopped.stderr);
    sandbox.ok(demo);
    assert!(sandbox.path("demo-run/run/summary.json").exists());
}

/// Commands that would take hours, each in another part of the work.
const ENDLESS: [&str; 8] = [
    "verify far.npy",
    "inspect far.npy --stats",
    "convert-store far.npy --out new --shuffle",
    "train --device cpu --store far.npy --out run --d-sae 64 --k 2 --max-norm 10",
    "train --device cpu --store acts --out other --d-sae 512 --k 8 --epochs 1000000",
    "bench step --d-in 64 --d-sae 4096 --k 8 --batch-rows 64 --steps 100000000",
    "bench encode --d-in 64 --d-sae 4096 --k 8 --steps 100000000",
    // One step, which takes minutes without a look at the flag.
    "bench step --d-in 1024 --d-sae 16384 --k 32 --batch-rows 16384 --steps 1 --warmup 0",
];

#[test]
fn one_signal_ends_every_verb_with_its_number() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(2000, 32).write(&sandbox.path("acts"));
    write_zeros(&sandbox.path("far.npy"), 1 << 34, 8);
    for command in ENDLESS {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let mut running = sandbox.start(command);
            assert!(running.wait_until_it_listens(), "{command}");
            let stopped = running.signal(signal);
            assert_eq!(stopped.status.code(), Some(code), "{command}: {}", stopped.stderr);
            assert!(stopped.stderr.contains("interrupted"), "{command}: {}", stopped.stderr);
        }
    }
}
