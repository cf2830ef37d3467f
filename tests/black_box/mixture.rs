//! `saekit train` on several stores.

use saekit_tests::{Sandbox, SyntheticStore};

const TRAIN: &str = "train --device cpu --d-sae 64 --k 4 --batch 200 --rows 30000 --log-every 1 \
                     --checkpoint-every 10 --pool-mib 4";
const BOTH: &str = "--store large --weight 0.25 --store small --weight 0.75";

fn with_stores() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, rows, width) in [("large", 20_000, 16), ("small", 5000, 16), ("wide", 1000, 24)] {
        let mut store = SyntheticStore::new(rows, width);
        (store.shard_bytes, store.row_group_bytes) = (128 << 10, 16 << 10);
        store.write(&sandbox.path(name));
    }
    sandbox
}

fn weights(sandbox: &Sandbox, run: &str) -> Vec<u8> {
    sandbox.read(&format!("{run}/dictionary/dictionary.safetensors"))
}

#[test]
fn several_stores_are_mixed_and_a_killed_run_goes_on() {
    let sandbox = with_stores();
    sandbox.ok(&format!("{TRAIN} {BOTH} --out whole"));
    let plan = String::from_utf8(sandbox.read("whole/plan.toml")).expect("text");
    for line in ["path = \"large\"", "weight = 0.25", "[[mixed]]", "path = \"small\""] {
        assert!(plan.contains(line), "no {line} in {plan}");
    }
    let mut running = sandbox.start(&format!("{TRAIN} {BOTH} --out killed"));
    let lines = || {
        sandbox.path("killed/metrics.jsonl").exists()
            && sandbox.json_lines("killed/metrics.jsonl").len() >= 40
    };
    assert!(running.wait_until(lines), "the run ended early");
    running.kill();
    assert!(!sandbox.path("killed/summary.json").exists());
    let other = BOTH.replace("0.75", "0.5");
    sandbox.run(&format!("{TRAIN} {other} --out killed")).error_with(&["killed", "another plan"]);
    sandbox.ok(&format!("{TRAIN} {BOTH} --out killed"));
    assert!(weights(&sandbox, "killed") == weights(&sandbox, "whole"), "other weights");
}

#[test]
fn a_file_says_the_same_and_weights_are_the_rows_by_default() {
    let sandbox = with_stores();
    let same = |flags: &str, run: &str| {
        sandbox.ok(&format!("{TRAIN} {flags} --out {run}"));
        weights(&sandbox, run)
    };
    let by_rows = same("--store large --store small", "by-rows");
    let asked = same("--store large --weight 20000 --store small --weight 5000", "asked");
    assert!(by_rows == asked, "weights are not the numbers of rows");
    sandbox.write("mix.toml", "store = [\"large\", \"small\"]\nweight = [0.25, 0.75]");
    assert!(same("--config mix.toml", "file") == same(BOTH, "flags"), "the file says otherwise");
    assert!(same(BOTH, "again") != by_rows, "weights do not matter");
}

#[test]
fn stores_that_do_not_fit_are_refused() {
    let sandbox = with_stores();
    for (stores, words) in [
        ("--store large --store wide", ["16 values in large", "24 in wide"]),
        ("--store large --store small --weight 1", ["2 stores and 1 weights", "--weight"]),
        ("--store large --weight 1 --store small --weight 0", ["`--weight` is 0", "more than 0"]),
        ("--store large --store none", ["none", "does not exist"]),
    ] {
        sandbox.run(&format!("{TRAIN} {stores} --out run")).error_with(&words);
        assert!(!sandbox.path("run").exists(), "{stores}");
    }
}

#[test]
fn a_pool_too_small_for_one_of_the_stores_says_what_all_need() {
    let sandbox = with_stores();
    let mixed = "--store large --weight 0.99 --store small --weight 0.01 --shuffle window";
    let train = TRAIN.replace("--pool-mib 4", "");
    let message = sandbox.run(&format!("{train} {mixed} --pool-mib 1 --out run")).stderr.clone();
    let (_, needed) = message.split_once("--pool-mib ").unwrap();
    let needed: u64 = needed.trim().trim_end_matches('`').parse().unwrap();
    assert!(message.contains("small has 1.00 % of the rows"), "{message}");
    sandbox.run(&format!("{train} {mixed} --pool-mib {} --out run", needed - 1)).error();
    sandbox.ok(&format!("{train} {mixed} --pool-mib {needed} --out run"));
}

#[test]
fn stores_in_another_order_are_another_plan() {
    let sandbox = with_stores();
    let [large, small] = ["--store large --weight 1", "--store small --weight 1"];
    let train = TRAIN.replace("30000", "2000");
    sandbox.ok(&format!("{train} {large} {small} --out run"));
    std::fs::remove_file(sandbox.path("run/summary.json")).unwrap();
    std::fs::create_dir_all(sandbox.path("run/checkpoints/000000000001")).unwrap();
    let message = sandbox.run(&format!("{train} {small} {large} --out run")).error();
    for field in ["store.sha256: ", "mixed[0].sha256: "] {
        assert!(message.contains(field), "{message}");
    }
}
