//! Memory does not grow with the number of rows: two stores, the second ten times the first, with
//! shard and pool a tenth of the smaller.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use saekit_tests::{Sandbox, SyntheticStore, write_zeros};

/// How much more memory ten times the rows may take: noise of the allocator and the threads.
const GROWTH: f64 = 1.15;
/// As much as that is at the least, KiB.
const NOISE_KIB: u64 = 4096;

/// Runs `arguments` and returns its peak memory, KiB.
fn peak(sandbox: &Sandbox, arguments: &str) -> u64 {
    let (peak, finished) = sandbox.start(arguments).peak_memory_kib();
    finished.ok();
    peak
}

fn assert_flat(small: u64, large: u64, data_kib: u64) {
    let bound = (small as f64 * GROWTH) as u64 + NOISE_KIB;
    assert!(data_kib > 2 * (bound - small), "the data is too small to be seen: {data_kib} KiB");
    assert!(large <= bound, "peak {small} KiB, with ten times the rows {large} KiB");
}

#[test]
fn of_harvest() {
    let sandbox = Sandbox::new();
    let hooks: Vec<String> = (0..4)
        .flat_map(|l| {
            ["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"]
                .map(|h| format!("blocks.{l}.hook_{h}"))
        })
        .collect();
    // 20 hook points of 192 floats: 15 KiB a row.
    let harvest = |rows: usize, out: &str| {
        let hooks = hooks.join(" ");
        let arguments = format!(
            "harvest --device cpu --model demo --text train.parquet --rows {rows} --dtype f32 \
             --context 64 --batch-tokens 256 --shard-mib 2 --hook {hooks} --out {out}"
        );
        peak(&sandbox, &arguments)
    };
    // Below 5,000 rows the allocator is still growing.
    let (small, large) = (harvest(5000, "small"), harvest(50_000, "large"));
    assert_flat(small, large, 45_000 * 15);
}

#[test]
fn of_train() {
    let sandbox = Sandbox::new();
    let train = |rows: usize, name: &str| {
        let mut store = SyntheticStore::new(rows, 256);
        (store.shard_bytes, store.row_group_bytes) = (1 << 20, 128 << 10);
        store.write(&sandbox.path(name));
        let arguments = format!(
            "train --device cpu --store {name} --out {name}-run --d-sae 64 --k 4 --batch 1000 \
             --pool-mib 1"
        );
        peak(&sandbox, &arguments)
    };
    let (small, large) = (train(20_000, "small"), train(200_000, "large"));
    assert_flat(small, large, 180_000);
}

/// In shuffled order, whatever the store's size: the pool and 64 MiB.
#[test]
fn of_reading() {
    let sandbox = Sandbox::new();
    let (pool_mib, data_kib) = (32, 250_000); // a row is a KiB
    SyntheticStore::new(250_000, 256).write(&sandbox.path("store"));
    let reading = format!(
        "bench ingest --store store --pool-mib {pool_mib} --batch-rows 2048 --steps 1 --warmup 1 \
         --train-steps 0"
    );
    let (found, bound) = (peak(&sandbox, &reading), (pool_mib + 64) << 10);
    assert!(data_kib > 2 * bound, "the data is too small to be seen: {data_kib} KiB");
    assert!(found <= bound, "peak {found} KiB, expected at most {bound}");
}

/// Bytes of a store too large for this machine.
const TERABYTE: u64 = 1 << 40;
/// What opening and ordering such a store may take beside the pool and what reading a small one takes.
const OF_A_TERABYTE_KIB: u64 = 32 << 10;
/// What all of a run may take beside the pool: 64 MB.
const BESIDE_THE_POOL: u64 = 64_000_000;
const POOL_MIB: u64 = 64;

/// Memory of a training run on the store `name` that goes through several pools, so that all of the
/// memory for rows has been used.
fn short_run(sandbox: &Sandbox, name: &str) -> u64 {
    let train = "--d-sae 64 --k 4 --batch 1000 --rows 200000";
    let memory = format!("--pool-mib {POOL_MIB}");
    peak(sandbox, &format!("train --device cpu --store {name} --out {name}-run {train} {memory}"))
}

fn assert_bounded(small: u64, large: u64) {
    assert!(large <= small + OF_A_TERABYTE_KIB, "a terabyte {large} KiB, little {small} KiB");
    let bound = (POOL_MIB << 10) + BESIDE_THE_POOL / 1024;
    assert!(large <= bound, "a terabyte {large} KiB, expected at most {bound}");
}

/// Makes of the store in `from`, which has one shard, one of a terabyte: every shard is that one.
fn repeat_shard(from: &Path, to: &Path) {
    let text = fs::read_to_string(from.join("manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shard = manifest["shards"][0].clone();
    let count = TERABYTE / shard["bytes"].as_u64().unwrap();
    fs::create_dir_all(to.join("shards")).unwrap();
    let shards = (0..count).map(|number| {
        let (mut shard, file) = (shard.clone(), format!("shards/shard-{number:05}.parquet"));
        fs::hard_link(from.join(shard["file"].as_str().unwrap()), to.join(&file)).unwrap();
        shard["file"] = file.into();
        shard
    });
    manifest["shards"] = shards.collect();
    manifest["rows"] = (count * shard["rows"].as_u64().unwrap()).into();
    fs::write(to.join("manifest.json"), manifest.to_string()).unwrap();
}

#[test]
fn of_a_store_of_a_terabyte() {
    let sandbox = Sandbox::new();
    let mut store = SyntheticStore::new(160_000, 768);
    (store.shard_bytes, store.row_group_bytes) = (1 << 30, 16 << 20);
    store.write(&sandbox.path("small"));
    repeat_shard(&sandbox.path("small"), &sandbox.path("large"));
    let (small, large) = (short_run(&sandbox, "small"), short_run(&sandbox, "large"));
    assert_bounded(small, large);
}

#[test]
fn of_an_array_of_a_terabyte() {
    let sandbox = Sandbox::new();
    write_zeros(&sandbox.path("small.npy"), (1 << 28) / (4 * 768), 768);
    write_zeros(&sandbox.path("large.npy"), TERABYTE / (4 * 768), 768);
    let (small, large) = (short_run(&sandbox, "small.npy"), short_run(&sandbox, "large.npy"));
    assert_bounded(small, large);
}

#[test]
fn of_choosing_rows() {
    let sandbox = Sandbox::new();
    let train = |rows: u64, name: &str| {
        write_zeros(&sandbox.path(name), rows, 2);
        let choose = "--drop-non-finite --d-sae 64 --k 1 --batch 1000 --rows 20000 --pool-mib 16";
        peak(&sandbox, &format!("train --device cpu --store {name} --out {name}-run {choose}"))
    };
    let (small, large) = (train(30_000_000, "small.npy"), train(300_000_000, "large.npy"));
    assert_flat(small, large, 270_000_000 / 8 / 1024); // a bit a row
}

#[test]
fn of_analyze() {
    let sandbox = Sandbox::new();
    let mut peaks = Vec::new();
    for (rows, name) in [(20_000, "small"), (200_000, "large")] {
        let mut store = SyntheticStore::new(rows, 64);
        (store.shard_bytes, store.row_group_bytes) = (1 << 20, 128 << 10);
        store.write(&sandbox.path(name));
        if peaks.is_empty() {
            let train = "--d-sae 64 --k 8 --rows 5000 --batch 1000";
            sandbox.ok(&format!("train --device cpu --store {name} --out run {train}"));
        }
        peaks.push(peak(
            &sandbox,
            &format!("analyze run --store {name} --out {name}-pages --memory 2"),
        ));
    }
    // 24 bytes a firing while it is sorted by latent, eight of them a row
    assert_flat(peaks[0], peaks[1], 180_000 * 8 * 24 / 1024);
}
