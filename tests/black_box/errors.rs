//! Bad input to the binary, one test a kind: a message on one screen that names the file and the
//! remedy, an exit code that is not 0, and nothing half-written.

use std::fs;

use saekit_tests::{Finished, Sandbox, SyntheticStore};
use serde_json::json;

const HARVEST: &str = "harvest --device cpu --hook blocks.1.hook_resid_post --out acts";
const TRAIN: &str = "train --device cpu --store acts --out run --d-sae 16 --k 2 --batch 64";

/// Harvests with `arguments`, which fails with a message that has `parts`; leaves no store.
fn harvest_fails(sandbox: &Sandbox, arguments: &str, parts: &[&str]) {
    sandbox.run(&format!("{HARVEST} {arguments}")).error_with(parts);
    assert_eq!(sandbox.files("acts"), [""; 0], "a failed harvest leaves nothing");
}

/// Token ids for the tiny model, as `ids.jsonl`.
fn write_ids(sandbox: &Sandbox) {
    let line = |i: usize| format!("{{\"input_ids\": {:?}}}\n", [i % 60, 7, 8, 9]);
    sandbox.write("ids.jsonl", (0..200).map(line).collect::<String>());
}

/// A sandbox with a small store `acts` of width 16.
fn with_store() -> Sandbox {
    let sandbox = Sandbox::new();
    SyntheticStore::new(1000, 16).write(&sandbox.path("acts"));
    sandbox
}

/// A sandbox with that store and a run `run` on it.
fn with_run() -> Sandbox {
    let sandbox = with_store();
    sandbox.ok(TRAIN);
    sandbox
}

// Models and tokenizers.

#[test]
fn no_model() {
    let parts = ["nowhere"];
    harvest_fails(&Sandbox::new(), "--model nowhere --text train.parquet", &parts);
}

#[test]
fn a_model_without_weights() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.path("demo/model.safetensors")).unwrap();
    harvest_fails(&sandbox, "--model demo --text train.parquet", &["model.safetensors", "demo"]);
}

#[test]
fn a_truncated_model_file() {
    let sandbox = Sandbox::new();
    sandbox.edit("demo/model.safetensors", |bytes| bytes.truncate(bytes.len() / 2));
    let parts = ["demo/model.safetensors", "not a whole safetensors file", "download it again"];
    harvest_fails(&sandbox, "--model demo --text train.parquet", &parts);
}

#[test]
fn a_tensor_of_the_wrong_shape() {
    let sandbox = Sandbox::new();
    write_ids(&sandbox);
    let config = String::from_utf8(sandbox.read("tiny/config.json")).unwrap();
    sandbox.write("tiny/config.json", config.replace("\"vocab_size\": 61", "\"vocab_size\": 62"));
    let parts = ["wte.weight`", "[61, 24]", "[62, 24]", "tiny/model.safetensors"];
    harvest_fails(&sandbox, "--model tiny --text ids.jsonl", &parts);
}

#[test]
fn a_model_of_an_unknown_family() {
    let sandbox = Sandbox::new();
    let config = String::from_utf8(sandbox.read("demo/config.json")).unwrap();
    sandbox.write("demo/config.json", config.replace("\"gpt2\"", "\"perceiver\""));
    let parts = ["\"perceiver\"", "`gpt2`", "demo/config.json"];
    harvest_fails(&sandbox, "--model demo --text train.parquet", &parts);
}

#[test]
fn a_tokenizer_that_does_not_fit_the_model() {
    let sandbox = Sandbox::new();
    fs::copy(sandbox.path("demo/tokenizer.json"), sandbox.path("tiny/tokenizer.json")).unwrap();
    harvest_fails(&sandbox, "--model tiny --text train.parquet", &["tokenizer", "4096", "61"]);
}

#[test]
fn a_damaged_tokenizer() {
    let sandbox = Sandbox::new();
    sandbox.edit("demo/tokenizer.json", |bytes| bytes.truncate(1000));
    harvest_fails(&sandbox, "--model demo --text train.parquet", &["demo/tokenizer.json"]);
}

#[test]
fn activations_that_are_not_numbers() {
    let sandbox = Sandbox::new();
    write_ids(&sandbox);
    // The last tensors of the file are of the last block: NaN in all of them is not only there.
    sandbox.edit("tiny/model.safetensors", |bytes| {
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize + 8;
        for value in bytes[header..].as_chunks_mut::<4>().0 {
            *value = f32::NAN.to_le_bytes();
        }
    });
    let message = sandbox.run(&format!("{HARVEST} --model tiny --text ids.jsonl")).error();
    assert!(message.contains("NaN"), "{message}");
    assert!(!sandbox.files("acts").contains(&"manifest.json".to_owned()));
}

// Text.

#[test]
fn empty_text() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.txt", "");
    harvest_fails(&sandbox, "--model demo --text empty.txt", &["empty.txt"]);
}

#[test]
fn text_that_is_not_utf8() {
    let sandbox = Sandbox::new();
    sandbox.write("latin1.txt", b"caf\xe9 au lait");
    let parts = ["latin1.txt", "byte 3", "iconv"];
    harvest_fails(&sandbox, "--model demo --text latin1.txt", &parts);
}

#[test]
fn text_for_a_model_without_tokenizer() {
    let parts = ["train.parquet", "tokenizer.json"];
    harvest_fails(&Sandbox::new(), "--model tiny --text train.parquet", &parts);
}

#[test]
fn a_token_id_the_model_does_not_have() {
    let sandbox = Sandbox::new();
    sandbox.write("ids.jsonl", "{\"input_ids\": [1, 2, 61]}\n");
    harvest_fails(&sandbox, "--model tiny --text ids.jsonl", &["ids.jsonl", "61", "60"]);
}

#[test]
fn a_hook_point_that_does_not_exist() {
    let sandbox = Sandbox::new();
    write_ids(&sandbox);
    let wrong = "harvest --model tiny --text ids.jsonl --out acts --hook blocks.3.hook_resid_post";
    let parts = ["`blocks.3.hook_resid_post`", "{0..2}", "hook_resid_pre", "hook_mlp_out"];
    sandbox.run(wrong).error_with(&parts);
    assert_eq!(sandbox.files("acts"), [""; 0]);
}

// Output folders.

#[test]
fn a_store_is_only_replaced_by_force() {
    let sandbox = Sandbox::new();
    write_ids(&sandbox);
    let harvest = format!("{HARVEST} --model tiny --text ids.jsonl");
    sandbox.ok(&harvest);
    let before = sandbox.read("acts/manifest.json");
    sandbox.run(&format!("{harvest} --seed 1")).error_with(&["acts", "--force"]);
    assert_eq!(sandbox.read("acts/manifest.json"), before);
    sandbox.ok(&format!("{harvest} --seed 1 --force"));
    assert_ne!(sandbox.read("acts/manifest.json"), before);
}

#[test]
fn a_finished_run_is_only_replaced_by_force() {
    let sandbox = with_run();
    let before = sandbox.read("run/dictionary/dictionary.safetensors");
    // The advice holds: another folder is trained into, this one is replaced.
    let parts = ["run", "finished", "another output folder (`--out`)", "`--force`"];
    sandbox.run(&format!("{TRAIN} --epochs 2")).error_with(&parts);
    sandbox.ok(&format!("{TRAIN} --epochs 2").replace("--out run", "--out longer"));
    assert_eq!(sandbox.read("run/dictionary/dictionary.safetensors"), before);
    sandbox.ok(&format!("{TRAIN} --seed 1 --force"));
    assert_ne!(sandbox.read("run/dictionary/dictionary.safetensors"), before);
}

#[test]
fn an_unfinished_run_of_another_plan_is_shown_with_its_differences() {
    let sandbox = with_store();
    let long = format!("{TRAIN} --epochs 2000 --checkpoint-every 1");
    let mut running = sandbox.start(&long);
    // A run without a whole checkpoint does not claim its folder.
    let metrics = sandbox.path("run/metrics.jsonl");
    let lines = || fs::read_to_string(&metrics).unwrap_or_default().lines().count();
    assert!(running.wait_until(|| lines() > 2));
    running.kill();
    let other = format!("{long} --seed 5");
    sandbox.run(&other).error_with(&["run", "seed: 0 in the folder, 5 asked for", "--force"]);
    assert!(sandbox.path("run/checkpoints").exists());
}

#[test]
fn a_folder_of_other_things_is_never_written_to() {
    let sandbox = with_run();
    fs::create_dir(sandbox.path("thesis")).unwrap();
    sandbox.write("thesis/chapter.tex", "words");
    let into = TRAIN.replace("--out run", "--out thesis");
    for command in [
        format!("{into} --force"),
        "export run --format saelens --out thesis --force".to_owned(),
        "demo --small --device cpu --out thesis --force".to_owned(),
    ] {
        sandbox.run(&command).error_with(&["thesis"]);
        assert_eq!(sandbox.files("thesis"), ["chapter.tex"], "{command}");
    }
}

#[test]
fn an_export_is_only_replaced_by_force() {
    let sandbox = with_run();
    let export = "export run --format saelens --out sae";
    sandbox.ok(export);
    sandbox.run(export).error_with(&["sae", "--force"]);
    sandbox.ok(&format!("{export} --force"));
}

// Stores, runs and configurations.

#[test]
fn a_store_of_another_width() {
    let sandbox = with_run();
    SyntheticStore::new(1000, 24).write(&sandbox.path("wider"));
    let message = sandbox.run("eval run --store wider --device cpu").error();
    assert!(message.contains("16") && message.contains("24"), "{message}");
    assert!(message.contains("wider"), "{message}");
}

#[test]
fn a_store_that_is_none() {
    let sandbox = Sandbox::new();
    sandbox.run(TRAIN).error_with(&["acts"]);
    fs::create_dir(sandbox.path("acts")).unwrap();
    sandbox.run(TRAIN).error_with(&["acts", "manifest.json"]);
    assert!(!sandbox.path("run").exists());
}

#[test]
fn a_column_the_store_does_not_have() {
    let sandbox = with_store();
    let train = format!("{TRAIN} --hook blocks.7.hook_mlp_out");
    sandbox.run(&train).error_with(&["`blocks.7.hook_mlp_out`", "`blocks.0.hook_resid_post`"]);
}

#[test]
fn a_truncated_shard() {
    let sandbox = with_store();
    sandbox.edit("acts/shards/shard-00000.parquet", |bytes| bytes.truncate(bytes.len() - 9));
    sandbox.run(TRAIN).error_with(&["shard-00000.parquet", "truncated"]);
}

#[test]
fn stored_values_that_are_not_numbers() {
    let sandbox = with_store();
    sandbox.edit("acts/shards/shard-00000.parquet", |bytes| {
        // Past the head of the file lie values, four bytes each.
        bytes[4000..8000].fill(0xff);
    });
    sandbox.run(TRAIN).error_with(&["shard-00000.parquet"]);
    assert!(!sandbox.path("run/dictionary").exists());
}

#[test]
fn a_run_without_a_step_does_not_claim_its_folder() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.npy", rows_with_a_nan());
    let train = TRAIN.replace("--store acts", "--store rows.npy");
    sandbox.run(&train).error_with(&["NaN", "--drop-non-finite"]);
    sandbox.ok(&format!("{train} --drop-non-finite"));
}

/// 1000 rows of 16 values as a file of `NumPy`, one of which is NaN.
fn rows_with_a_nan() -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000, 16), }";
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").into_bytes());
    for i in 0..16_000_u32 {
        let value = if i == 805 { f32::NAN } else { (i % 97) as f32 / 97.0 - 0.5 };
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

#[test]
fn a_run_that_is_not_finished() {
    let sandbox = with_run();
    fs::remove_file(sandbox.path("run/summary.json")).unwrap();
    sandbox.run("eval run --store acts --device cpu").error_with(&["run", "not finished"]);
    sandbox.run("export run --format saelens --out sae").error_with(&["run", "not finished"]);
    assert!(!sandbox.path("sae").exists());
}

#[test]
fn a_damaged_checkpoint() {
    let sandbox = with_store();
    let long = format!("{TRAIN} --epochs 2000 --checkpoint-every 1");
    let mut running = sandbox.start(&long);
    assert!(running.wait_until(|| sandbox.path("run/checkpoints").exists()));
    assert_eq!(running.interrupt().status.code(), Some(130));
    let files = sandbox.files("run/checkpoints");
    let tensors = files.iter().find(|file| file.ends_with(".safetensors")).unwrap();
    sandbox.edit(&format!("run/checkpoints/{tensors}"), |bytes| bytes.truncate(100));
    sandbox.run(&long).error_with(&["run/checkpoints", "damaged", "--force"]);
}

#[test]
fn a_damaged_dictionary() {
    let sandbox = with_run();
    let tensors = "run/dictionary/dictionary.safetensors";
    sandbox.edit(tensors, |bytes| *bytes.last_mut().unwrap() ^= 1);
    sandbox.run("export run --format saelens --out sae").error_with(&[tensors, "SHA-256"]);
    assert!(!sandbox.path("sae").exists());
}

#[test]
fn a_setting_that_does_not_exist() {
    let sandbox = with_store();
    sandbox.write("train.toml", "[run]\nbtach = 64\n");
    let train = format!("{TRAIN} --config train.toml");
    sandbox.run(&train).error_with(&["train.toml, line 2", "`btach`", "nearest is `batch`"]);
    sandbox.write("train.toml", "[run]\nbatch_rows = 64\n");
    sandbox.run(&train).error_with(&["train.toml, line 2", "`batch_rows` is called `batch` now"]);
}

#[test]
fn a_setting_out_of_its_range() {
    let sandbox = with_store();
    let train = TRAIN.replace("--k 2", "--k 17");
    sandbox.run(&train).error_with(&["`k`", "17", "16"]);
    assert!(!sandbox.path("run").exists());
}

#[test]
fn an_unknown_format() {
    let sandbox = with_run();
    sandbox.run("export run --format onnx --out sae").error_with(&["`onnx`", "`saelens`"]);
}

#[test]
fn a_command_that_makes_no_sense() {
    let sandbox = Sandbox::new();
    for arguments in ["", "paint", "train --out run", "harvest --model demo"] {
        assert_eq!(sandbox.run(arguments).status.code(), Some(2), "{arguments}");
    }
}

/// A title for the terminal, its bell, and an override of the direction of text.
const COMMANDS: &str = "\u{1b}]0;owned\u{7}\u{202e}x";

fn assert_shown(text: &str) {
    assert!(text.contains("⟨U+001B⟩]0;owned⟨U+0007⟩⟨U+202E⟩x"), "{text:?}");
    assert_harmless(text);
}

fn assert_harmless(text: &str) {
    let commands = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || c == '\u{202e}';
    assert!(!text.contains(commands), "{text:?}");
}

#[test]
fn text_from_outside_commands_no_terminal() {
    let sandbox = Sandbox::new();
    let run = |arguments: &[&str]| {
        let mut command = sandbox.command("");
        command.args(arguments);
        Finished::of(command)
    };
    // Of clap, which leaves out a part, of an error, of a column's name in a result, and of JSON.
    assert_harmless(&run(&[COMMANDS]).stderr);
    assert_shown(&run(&["inspect", COMMANDS]).stderr);
    let header = json!({ COMMANDS: { "dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16] } });
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.into_bytes());
    bytes.extend([0; 16]);
    sandbox.write("rows.safetensors", bytes);
    assert_shown(&run(&["inspect", "rows.safetensors"]).stdout);
    std::fs::create_dir(sandbox.path("acts")).expect("a folder");
    sandbox.write("acts/manifest.json", json!({ "format": COMMANDS, "version": 1 }).to_string());
    assert_shown(&run(&["inspect", "acts"]).stderr);
}
