//! Stores of any layout: converting, verifying, choosing rows.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use saekit_core::HookPoint;
use saekit_core::rng::Rng;
use saekit_store::{RowSource as _, Store};
use saekit_tests::{Sandbox, SyntheticStore, write_zeros};

const HOOK: &str = "blocks.0.hook_resid_post";

fn with_store(rows: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut store = SyntheticStore::new(rows, 16);
    (store.shard_bytes, store.row_group_bytes) = (32 << 10, 8 << 10);
    store.write(&sandbox.path("acts"));
    sandbox
}

/// Every row of a store, as bits, in the order on disk.
fn rows(sandbox: &Sandbox, store: &str) -> Vec<Vec<u32>> {
    let store = Store::open(sandbox.path(store)).unwrap();
    let mut scan = store.scan(&[(HookPoint::new(HOOK), 1.0)]).unwrap();
    let batch = scan.next_batch(1 << 20).unwrap().unwrap();
    let bits = |i| batch.columns[0].row(i).iter().map(|value: &f32| value.to_bits()).collect();
    (0..batch.rows()).map(bits).collect()
}

fn sorted(mut rows: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    rows.sort_unstable();
    rows
}

#[test]
fn a_converted_store_has_the_same_rows() {
    let sandbox = with_store(5000);
    let convert = "convert-store acts --dtype f32 --shard-mib 1";
    assert!(sandbox.ok(&format!("{convert} --out plain")).contains("5,000 rows in 1 shard"));
    sandbox.ok(&format!("{convert} --out shuffled --shuffle --seed 5"));
    sandbox.ok(&format!("{convert} --out again --shuffle --seed 5"));
    let source = rows(&sandbox, "acts");
    for store in ["plain", "shuffled"] {
        let found = rows(&sandbox, store);
        assert!(found != source, "{store}: shards are permuted");
        assert!(sorted(found) == sorted(source.clone()), "{store}: other rows");
        assert!(sandbox.ok(&format!("verify {store}")).contains("5,000 rows in 1 files"));
    }
    let [a, b] = ["shuffled", "again"].map(|store| sandbox.read(&format!("{store}/manifest.json")));
    assert!(a == b, "the same command gives the same bytes");
    assert!(!sandbox.path("shuffled/.saekit-convert").exists());
    let message = sandbox.run(&format!("{convert} --out plain")).stderr;
    assert!(message.contains("already holds a store"), "{message}");
    sandbox.ok(&format!("{convert} --out plain --force --dtype i8").replace("--dtype f32", ""));
    assert!(sandbox.ok("inspect plain").contains("i8"));
}

#[test]
fn a_killed_conversion_goes_on() {
    let sandbox = Sandbox::new();
    let mut store = SyntheticStore::new(60_000, 64);
    (store.shard_bytes, store.row_group_bytes) = (1 << 20, 256 << 10);
    store.write(&sandbox.path("acts"));
    for shuffle in ["", "--shuffle"] {
        let convert = format!("convert-store acts --dtype f32 --shard-mib 1 {shuffle}");
        sandbox.ok(&format!("{convert} --out whole --force"));
        let rng = Rng::new(9, "kill");
        for attempt in 0..3 {
            let mut running = sandbox.start(&format!("{convert} --out killed"));
            let shards =
                || std::fs::read_dir(sandbox.path("killed/shards")).map_or(0, Iterator::count);
            if !running.wait_until(|| shards() as u64 > 4 * attempt + rng.below(attempt, 3)) {
                break;
            }
            running.kill();
        }
        if !sandbox.path("killed/manifest.json").exists() {
            sandbox.ok(&format!("{convert} --out killed"));
        }
        for file in sandbox.files("whole") {
            let [whole, killed] =
                ["whole", "killed"].map(|dir| sandbox.read(&format!("{dir}/{file}")));
            assert!(whole == killed, "{shuffle} {file} differs");
        }
        std::fs::remove_dir_all(sandbox.path("killed")).unwrap();
    }
}

#[test]
fn damaged_shards_are_left_out_where_that_is_asked_for() {
    let sandbox = with_store(5000);
    let shard = "acts/shards/shard-00002.parquet";
    sandbox.edit(shard, |bytes| bytes[300] ^= 4);
    sandbox.run("verify acts").error_with(&[shard, "SHA-256"]);
    let train = "train --device cpu --store acts --d-sae 16 --k 2 --batch 500 --pool-mib 1";
    sandbox.run(&format!("{train} --out run")).error_with(&[shard, "CRC-32"]);
    let skipped = sandbox.run("verify acts --damaged skip");
    assert!(skipped.stderr.contains(&format!("left out: {shard}")), "{}", skipped.stderr);
    assert!(skipped.stderr.contains("1 damaged file with 5"), "{}", skipped.stderr);
    assert!(skipped.ok().contains("are sound"));
    sandbox.ok(&format!("{train} --damaged skip --out run2"));
    std::fs::remove_file(sandbox.path("acts/shards/shard-00000.parquet")).unwrap();
    sandbox.run("inspect acts").error_with(&["shard-00000.parquet is missing"]);
    sandbox.ok("inspect acts --damaged skip");
}

#[test]
fn statistics_name_what_stands_out() {
    let sandbox = with_store(5000);
    let printed = sandbox.ok("inspect acts --stats 5000");
    for words in ["over 5,000 rows", "norms", "outlier dimensions", "rows not finite"] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
}

#[test]
fn documents_are_held_out_and_rows_counted() {
    let sandbox = Sandbox::new();
    let harvest = "harvest --device cpu --model demo --text train.parquet --rows 4000 --context 64";
    sandbox.ok(&format!("{harvest} --hook blocks.1.hook_resid_post --out acts"));
    let train = "train --device cpu --store acts --d-sae 32 --k 2 --batch 200 --held-out 0.25";
    let trained = sandbox.run(&format!("{train} --positions 1.. --max-norm 3 --out run"));
    assert!(trained.stderr.contains("of 4000 rows: "), "{}", trained.stderr);
    assert!(trained.stderr.contains("in the other part"), "{}", trained.stderr);
    trained.ok();
    let convert = "convert-store acts --held-out 0.25 --dtype f16";
    sandbox.ok(&format!("{convert} --out train"));
    sandbox.ok(&format!("{convert} --part held-out --out rest"));
    let count = |store: &str| sandbox.json(&format!("{store}/manifest.json"))["rows"].as_u64();
    assert_eq!(count("train").unwrap() + count("rest").unwrap(), 4000);
    let eval = "eval run --store acts --held-out 0.25 --force";
    let whole = sandbox.run("eval run --store acts");
    assert!(whole.stderr.contains("not held-out"), "{}", whole.stderr);
    let held_out = sandbox.run(&format!("{eval} --part held-out"));
    assert!(!held_out.stderr.contains("not held-out"), "{}", held_out.stderr);
    let on = sandbox.json("run/eval.json")["on"]["rows"].clone();
    assert!(on.as_str().unwrap().contains("in the other part"), "{on}");
    sandbox.run(&format!("{eval} --model demo")).error_with(&["whole sequences", "--text"]);
    sandbox.run(&format!("{train} --positions 5..2 --out b")).error_with(&["such as 1..128"]);
    sandbox
        .run("train --store acts --d-sae 32 --k 2 --part held-out --out c")
        .error_with(&["`--held-out`"]);
}

#[test]
fn a_place_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    sandbox.run("verify nowhere").error_with(&["nowhere does not exist"]);
    sandbox.run("verify *.npy").error_with(&["no file matches *.npy"]);
    sandbox.run("verify ftp://host/acts").error_with(&["ftp"]);
    sandbox.write("notes.npy", b"not an array");
    sandbox.run("verify notes.npy").error_with(&["notes.npy"]);
}

/// Rows dealt to shards for one conversion are not those of another.
#[test]
fn another_conversion_does_not_take_over_the_rows_of_a_stopped_one() {
    let sandbox = with_store(20_000);
    let convert = "convert-store acts --dtype f32 --shuffle --shard-mib 1";
    sandbox.ok(&format!("{convert} --seed 2 --out expected"));
    let mut running = sandbox.start(&format!("{convert} --seed 1 --out acts-2"));
    let dealt = || sandbox.path("acts-2/.saekit-convert/done").exists();
    assert!(running.wait_until(dealt), "it ended early");
    running.kill();
    let again = sandbox.run(&format!("{convert} --seed 2 --out acts-2"));
    if !again.status.success() {
        // It had written a shard before it was killed.
        again.error_with(&["acts-2", "seed", "--force"]);
        sandbox.ok(&format!("{convert} --seed 2 --out acts-2 --force"));
    }
    assert_eq!(rows(&sandbox, "acts-2"), rows(&sandbox, "expected"));
    assert!(!sandbox.path("acts-2/.saekit-convert").exists());
}

#[test]
fn a_store_is_not_written_over_itself() {
    let sandbox = with_store(500);
    let before = rows(&sandbox, "acts");
    for source in ["acts", "acts/manifest.json", "acts/shards/*.parquet", "./acts/"] {
        let refused = sandbox.run(&format!("convert-store {source} --out acts --force"));
        refused.error_with(&["acts", "--out"]);
        assert_eq!(rows(&sandbox, "acts"), before, "{source}");
    }
}

#[test]
fn files_are_found_whatever_lies_beside_them() {
    let sandbox = with_store(500);
    std::fs::create_dir(sandbox.path("mine")).unwrap();
    write_zeros(&sandbox.path("mine/a.npy"), 3, 2);
    write_zeros(&sandbox.path("mine/b.npy"), 4, 2);
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", sandbox.path("mine/dangling.npy")).unwrap();
    for (store, count) in
        [("mine/a.npy", "3"), ("./mine/b.npy", "4"), ("./mine/[ab].npy", "7"), ("mine/?.npy", "7")]
    {
        let text = sandbox.ok(&format!("inspect {store}"));
        assert!(text.contains(&format!(" {store}\n")), "{store}: {text}");
        let rows = text.lines().find(|line| line.starts_with("rows ")).unwrap();
        assert!(rows.ends_with(&format!(" {count}")), "{store}: {rows}");
    }
}
