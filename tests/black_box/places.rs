//! Which files of a folder or a pattern are read: nothing mixed, nothing left out without a word.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use saekit_tests::{Sandbox, SyntheticStore, write_zeros};

const HARVEST: &str =
    "harvest --device cpu --model demo --hook blocks.1.hook_resid_post --context 32 --rows 300";

fn array(sandbox: &Sandbox, path: &str, rows: u64) {
    let path = sandbox.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_zeros(&path, rows, 2);
}

fn text(sandbox: &Sandbox, path: &str, documents: usize) {
    let line = "{\"text\": \"In the beginning God created the heaven and the earth.\"}\n";
    fs::create_dir_all(sandbox.path(path).parent().unwrap()).unwrap();
    sandbox.write(path, line.repeat(documents));
}

/// The rows that `inspect` finds.
fn rows(sandbox: &Sandbox, arguments: &str) -> String {
    let printed = sandbox.ok(&format!("inspect {arguments}"));
    let line = printed.lines().find(|line| line.starts_with("rows ")).unwrap().to_owned();
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn splits_are_told_apart_and_one_is_chosen() {
    let sandbox = Sandbox::new();
    array(&sandbox, "hub/data/train-00000-of-00001.npy", 20);
    array(&sandbox, "hub/data/test-00000-of-00001.npy", 5);
    sandbox.run("inspect hub").error_with(&[
        "2 splits",
        "test (1 file)",
        "train (1 file)",
        "--split test",
    ]);
    assert_eq!(rows(&sandbox, "hub --split train"), "20");
    assert_eq!(rows(&sandbox, "hub --split test"), "5");
    assert_eq!(rows(&sandbox, "hub --split all"), "25");
    assert_eq!(rows(&sandbox, "hub/data/train-*.npy"), "20");
    sandbox.run("inspect hub --split dev").error_with(&["split dev", "test (1 file)"]);
}

#[test]
fn folders_of_saved_splits_are_told_apart() {
    let sandbox = Sandbox::new();
    array(&sandbox, "acts/mine/data-0.npy", 20);
    array(&sandbox, "acts/yours/data-0.npy", 5);
    sandbox.write("acts/dataset_dict.json", r#"{"splits": ["mine", "yours"]}"#);
    sandbox.run("inspect acts").error_with(&["2 splits", "mine (1 file)", "--split mine"]);
    assert_eq!(rows(&sandbox, "acts --split mine"), "20");
    assert_eq!(rows(&sandbox, "acts/yours"), "5");
}

#[test]
fn configurations_and_hook_points_in_folders_are_told_apart() {
    let sandbox = Sandbox::new();
    array(&sandbox, "cache/blocks.0.hook_resid_post/chunk-0.npy", 20);
    array(&sandbox, "cache/blocks.11.hook_resid_post/chunk-0.npy", 5);
    let told = ["2 folders", "blocks.0.hook_resid_post (1 file)", "--files"];
    sandbox.run("inspect cache").error_with(&told);
    sandbox.run("train --device cpu --store cache --out run --d-sae 4 --k 1").error_with(&told);
    assert!(!sandbox.path("run").exists());
    assert_eq!(rows(&sandbox, "cache/blocks.0.hook_resid_post"), "20");
    assert_eq!(rows(&sandbox, "cache --files blocks.11*/**"), "5");
    assert_eq!(rows(&sandbox, "cache --files **/*"), "25");
}

#[test]
fn partitions_are_columns_to_choose_by() {
    let sandbox = Sandbox::new();
    array(&sandbox, "acts/layer=6/part=0/a.npy", 20);
    array(&sandbox, "acts/layer=12/part=0/a.npy", 5);
    let told = ["2 values of `layer`", "6 (1 file), 12 (1 file)", "--where layer=6"];
    sandbox.run("inspect acts").error_with(&told);
    assert_eq!(rows(&sandbox, "acts --where layer=12"), "5");
    assert_eq!(rows(&sandbox, "acts --where layer=*"), "25");
    assert_eq!(rows(&sandbox, "acts/layer=6"), "20");
    sandbox.run("inspect acts --where layer=7").error_with(&["layer=7", "12 (1 file)"]);
    sandbox.run("inspect acts --where layer").error_with(&["--where", "KEY=VALUE"]);
}

#[test]
fn layers_in_names_of_files_are_told_apart() {
    let sandbox = Sandbox::new();
    array(&sandbox, "acts/layer_6.npy", 20);
    array(&sandbox, "acts/layer_12.npy", 5);
    sandbox.run("inspect acts").error_with(&["2 values of `layer`", "--where layer=6"]);
    assert_eq!(rows(&sandbox, "acts --where layer=12"), "5");
}

#[test]
fn stores_in_sub_folders_are_listed() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(300, 16).write(&sandbox.path("acts/a"));
    SyntheticStore::new(200, 16).write(&sandbox.path("acts/b"));
    let told = ["2 stores", "a (300 rows), b (200 rows)", "--store A --store B"];
    sandbox.run("inspect acts").error_with(&told);
    assert_eq!(rows(&sandbox, "acts/a"), "300");
    sandbox.run("inspect acts/a --split train").error_with(&["acts/a", "leave out `--split`"]);
    sandbox.run(&format!("{HARVEST} --text acts --out x")).error_with(&["2 stores"]);
}

#[test]
fn weights_are_never_rows() {
    let sandbox = Sandbox::new();
    array(&sandbox, "sae/W_dec.npy", 20);
    sandbox.run("inspect sae/W_dec.npy").error_with(&["sae/W_dec.npy holds weights"]);
    let header = r#"{"acts":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
    let file = |name: &str| {
        let header = header.replace("acts", name);
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 16]].concat()
    };
    fs::create_dir_all(sandbox.path("other")).unwrap();
    sandbox.write("other/x.safetensors", file("encoder.weight"));
    let train = "train --device cpu --store other --hook encoder.weight --out run --d-sae 4 --k 1";
    sandbox.run(train).error_with(&["other/x.safetensors holds weights", "encoder.weight"]);
    sandbox.write("other/x.safetensors", file("acts"));
    assert_eq!(rows(&sandbox, "other"), "2");
    sandbox.write("other/cfg.json", r#"{"num_latents": 4}"#);
    sandbox.run("verify other").error_with(&["holds weights", "cfg.json", "num_latents"]);
}

#[test]
fn what_is_read_and_what_is_not_is_said() {
    let sandbox = Sandbox::new();
    array(&sandbox, "acts/a.npy", 20);
    array(&sandbox, "acts/more/b.NPY", 5);
    sandbox.write("acts/README.md", "");
    sandbox.write("acts/notes.csv", "");
    sandbox.write("acts/LICENSE", "");
    sandbox.write("acts/.hidden.npy", "");
    let found = sandbox.run("inspect acts");
    let line = found.stderr.lines().find(|line| line.contains("reading")).unwrap();
    for words in [
        "acts: reading 2 npy files",
        "1 .csv (notes.csv)",
        "1 .md",
        "1 without an ending",
        "1 hidden",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    assert!(!sandbox.run("inspect acts --quiet").stderr.contains("reading"));
    assert_eq!(rows(&sandbox, "acts"), "25");
    fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox.write("empty/weights.pt", "");
    sandbox.run("inspect empty").error_with(&["empty/weights.pt: this is a pickle of PyTorch"]);
}

#[test]
fn the_rule_for_texts_is_the_rule_for_stores() {
    let sandbox = Sandbox::new();
    text(&sandbox, "corpus/a.jsonl", 10);
    text(&sandbox, "corpus/more/b.jsonl", 10);
    text(&sandbox, "corpus/c.JSONL", 10);
    sandbox.write("corpus/README.txt", "not a text of this corpus");
    let harvested = sandbox.run(&format!("{HARVEST} --text corpus --out acts"));
    let line = harvested.stderr.lines().find(|line| line.contains("reading")).unwrap();
    assert!(line.contains("reading 3 jsonl files; not read: 1 .txt (README.txt)"), "{line}");
    assert!(harvested.stderr.contains("30 documents"), "{}", harvested.stderr);
    harvested.ok();
    text(&sandbox, "hub/data/train-00000-of-00001.jsonl", 10);
    text(&sandbox, "hub/data/test-00000-of-00001.jsonl", 10);
    let hub = format!("{HARVEST} --text hub --out hub-acts");
    sandbox.run(&hub).error_with(&["2 splits", "--split test"]);
    let harvested = sandbox.run(&format!("{hub} --split test"));
    assert!(harvested.stderr.contains("10 documents"), "{}", harvested.stderr);
    harvested.ok();
    let manifest = sandbox.json("hub-acts/manifest.json");
    assert_eq!(manifest["dataset"]["name"], "hub (split test)");
    sandbox
        .run(&format!(
            "{HARVEST} --text hub corpus/README.txt corpus/README.txt --split all --out x"
        ))
        .error_with(&["README.txt"]);
}

#[test]
fn several_files_are_one_store() {
    let sandbox = Sandbox::new();
    for i in 0..3 {
        array(&sandbox, &format!("p/part-{i}.npy"), 200);
    }
    assert_eq!(rows(&sandbox, "p/part-0.npy p/part-1.npy"), "400");
    let train = "train --device cpu --d-sae 4 --k 1 --batch 50 --store p/part-0.npy p/part-1.npy";
    sandbox.ok(&format!("{train} --out run"));
    let plan = String::from_utf8(sandbox.read("run/plan.toml")).unwrap();
    assert!(plan.contains("p/part-0.npy and 1 more") && !plan.contains("[[mixed]]"), "{plan}");
    sandbox
        .run(&format!("{train} p --out run2"))
        .error_with(&["p is a folder", "--store A --store B"]);
}

#[test]
fn a_choice_is_in_the_plan_and_in_the_configuration() {
    let sandbox = Sandbox::new();
    array(&sandbox, "acts/train/a.npy", 200);
    array(&sandbox, "acts/test/a.npy", 100);
    let train = "train --device cpu --store acts --d-sae 4 --k 1 --batch 50";
    sandbox.ok(&format!("{train} --split train --out run"));
    let plan = String::from_utf8(sandbox.read("run/plan.toml")).unwrap();
    assert!(plan.contains("[store.choose]\nsplit = \"train\""), "{plan}");
    sandbox.write("train.toml", "store = \"acts\"\n[choose]\nsplit = \"test\"\n");
    sandbox.ok("train --device cpu --config train.toml --d-sae 4 --k 1 --batch 50 --out run2");
    for verb in ["verify acts", "convert-store acts --out native", "eval run --store acts"] {
        sandbox.run(verb).error_with(&["2 splits"]);
        sandbox.ok(&format!("{verb} --split test"));
    }
}

#[test]
fn one_file_in_two_forms_is_refused() {
    let sandbox = Sandbox::new();
    text(&sandbox, "corpus/a.jsonl", 10);
    sandbox.write("corpus/a.txt", "the same");
    let harvest = format!("{HARVEST} --text corpus --out acts");
    sandbox.run(&harvest).error_with(&["two forms", "a.jsonl", "a.txt", "--files"]);
    sandbox.ok(&format!("{harvest} --files *.jsonl"));
}

#[test]
#[cfg(unix)]
fn links_and_files_of_other_kinds_are_called_by_their_names() {
    let sandbox = Sandbox::new();
    array(&sandbox, "acts/a.npy", 20);
    std::os::unix::fs::symlink("nowhere", sandbox.path("acts/b.npy")).unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.path("gone")).unwrap();
    sandbox.run("inspect acts").error_with(&["acts/b.npy is a link to nowhere"]);
    sandbox.run("inspect gone").error_with(&["gone is a link to nowhere"]);
    sandbox.write("table.csv", "");
    sandbox
        .run("inspect table.csv")
        .error_with(&["table.csv: this is a table of text", "numpy.save"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_not_utf_8_is_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::new();
    array(&sandbox, "acts/a.npy", 20);
    let name = OsStr::from_bytes(b"caf\xe9.npy");
    fs::copy(sandbox.path("acts/a.npy"), sandbox.path("acts").join(name)).unwrap();
    let found = sandbox.run("inspect acts");
    assert!(found.stderr.contains("warning: acts: 1 file not read"), "{}", found.stderr);
    assert!(found.stderr.contains("caf\u{fffd}.npy"), "{}", found.stderr);
}
