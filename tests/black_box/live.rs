//! Training while harvesting comes to the weights of training on the store, bit for bit.

use saekit_tests::Sandbox;

const WEIGHTS: &str = "dictionary/dictionary.safetensors";
const HARVEST: &str = "--model demo --text train.parquet --hook blocks.1.hook_resid_post --context 64 \
                       --shard-mib 1 --batch-tokens 512";
const TRAIN: &str = "--d-sae 96 --k 4 --batch 400 --epochs 2 --checkpoint-every 5 --log-every 1 \
                     --pool-mib 4 --scale-rows 1500";

/// Harvests 6000 rows of 192 values: three shards or two, two of which are a pool.
fn commands(dtype: &str) -> [String; 3] {
    [
        format!("harvest --device cpu {HARVEST} --rows 6000 --dtype {dtype} --out acts"),
        format!("train --device cpu --store acts --shuffle window {TRAIN} --out stored"),
        format!(
            "train --device cpu {HARVEST} --harvest-rows 6000 --dtype {dtype} {TRAIN} --out live"
        ),
    ]
}

#[test]
fn the_weights_are_those_from_the_store() {
    for dtype in ["f16", "i8"] {
        let sandbox = Sandbox::new();
        for command in commands(dtype) {
            sandbox.ok(&command);
        }
        let (stored, live) =
            (sandbox.read(&format!("stored/{WEIGHTS}")), sandbox.read(&format!("live/{WEIGHTS}")));
        assert!(stored == live, "{dtype}: other weights");
        assert_eq!(sandbox.json("live/summary.json")["steps"], 30);
        let other = commands(dtype)[1].replace("--shuffle window", "").replace("stored", "full");
        sandbox.ok(&other);
        assert!(sandbox.read(&format!("full/{WEIGHTS}")) != live, "the order is another");
    }
}

#[test]
fn a_killed_run_goes_on() {
    let sandbox = Sandbox::new();
    let [_, _, live] = commands("f16");
    sandbox.ok(&live);
    let killed = live.replace("--out live", "--out killed");
    for steps in [7, 19] {
        let mut running = sandbox.start(&killed);
        let metrics = sandbox.path("killed/metrics.jsonl");
        let lines = || std::fs::read_to_string(&metrics).unwrap_or_default().lines().count();
        assert!(running.wait_until(|| lines() >= steps), "it ended before step {steps}");
        running.kill();
    }
    sandbox.ok(&killed);
    let [whole, killed] = ["live", "killed"].map(|run| sandbox.read(&format!("{run}/{WEIGHTS}")));
    assert!(whole == killed, "other weights");
}

#[test]
fn what_is_missing_is_named() {
    let sandbox = Sandbox::new();
    for (arguments, word) in [
        ("--model demo --d-sae 8 --k 2", "`--hook`"),
        ("--model demo --hook blocks.1.hook_resid_post --d-sae 8 --k 2", "`--text`"),
        ("--text train.parquet --hook blocks.1.hook_resid_post --d-sae 8 --k 2", "`--model`"),
        ("--d-sae 8 --k 2", "--store"),
    ] {
        let message = sandbox.run(&format!("train --device cpu --out run {arguments}")).stderr;
        assert!(message.contains(word), "{arguments}: {message}");
        assert!(!sandbox.path("run").exists());
    }
    let held_out = format!("train --device cpu {HARVEST} {TRAIN} --held-out 0.1 --out run");
    sandbox.run(&held_out).error_with(&["harvest into a store first"]);
}
