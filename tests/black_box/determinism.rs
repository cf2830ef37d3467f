//! The same bytes whatever the number of threads, from text to figures.

use saekit_tests::{Finished, Sandbox};

const COMMANDS: [&str; 3] = [
    "harvest --device cpu --model demo --text train.parquet --rows 4000 --context 64 \
     --hook blocks.1.hook_resid_post --out acts",
    "train --device cpu --store acts --out run --d-sae 512 --k 8 --batch 500 --epochs 2",
    "eval run --store acts --model demo --device cpu --sequences 10",
];

/// What the commands leave with so many threads.
fn results(threads: &str) -> Vec<(String, Vec<u8>)> {
    let sandbox = Sandbox::new();
    for arguments in COMMANDS {
        let mut command = sandbox.command(arguments);
        command.env("RAYON_NUM_THREADS", threads);
        Finished::of(command).ok();
    }
    let files = [
        "acts/manifest.json",
        "acts/shards/shard-00000.parquet",
        "acts/tokens.parquet",
        "run/dictionary/dictionary.json",
        "run/dictionary/dictionary.safetensors",
        "run/eval.json",
    ];
    files.map(|file| (file.to_owned(), sandbox.read(file))).into()
}

#[test]
fn threads_change_nothing() {
    for ((file, one), (_, three)) in results("1").into_iter().zip(results("3")) {
        assert!(one == three, "{file} differs");
    }
}
