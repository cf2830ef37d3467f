//! Ctrl-C in every verb that takes time: exit code 130, nothing half-written, and the same command
//! works afterwards. For `train`, see `resume.rs`.

use saekit_tests::{Sandbox, SyntheticStore};

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
    assert!(stopped.stderr.contains("goes on after the last whole shard"), "{}", stopped.stderr);
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
