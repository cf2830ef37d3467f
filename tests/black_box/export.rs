//! `saekit export`: the files that other tools read.

use std::collections::BTreeMap;

use saekit_tests::{Sandbox, SyntheticStore};
use serde_json::{Value, json};

/// Name, dtype and shape of each tensor in a safetensors file.
fn tensors(bytes: &[u8]) -> BTreeMap<String, (String, Vec<u64>)> {
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let header: BTreeMap<String, Value> =
        serde_json::from_slice(&bytes[8..8 + length]).expect("a header of JSON");
    let sizes = |value: &Value| {
        value.as_array().expect("a list").iter().map(|n| n.as_u64().expect("a size")).collect()
    };
    header
        .into_iter()
        .filter(|(name, _)| name != "__metadata__")
        .map(|(name, info)| {
            (name, (info["dtype"].as_str().expect("a dtype").to_owned(), sizes(&info["shape"])))
        })
        .collect()
}

fn expected(list: &[(&str, &[u64])]) -> BTreeMap<String, (String, Vec<u64>)> {
    list.iter()
        .map(|(name, shape)| ((*name).to_owned(), ("F32".to_owned(), shape.to_vec())))
        .collect()
}

#[test]
fn to_saelens() {
    let sandbox = Sandbox::with_run();
    let printed = sandbox.ok("export run --format saelens --out sae");
    assert!(printed.contains("SAE.load_from_disk"), "{printed}");
    assert_eq!(sandbox.files("sae"), ["cfg.json", "sae_weights.safetensors"]);
    let found = tensors(&sandbox.read("sae/sae_weights.safetensors"));
    let shapes: &[(&str, &[u64])] =
        &[("W_enc", &[192, 96]), ("W_dec", &[96, 192]), ("b_enc", &[96]), ("b_dec", &[192])];
    assert_eq!(found, expected(shapes));
    let cfg = sandbox.json("sae/cfg.json");
    for (key, value) in [
        ("architecture", json!("topk")),
        ("d_in", json!(192)),
        ("d_sae", json!(96)),
        ("k", json!(4)),
        ("dtype", json!("float32")),
        ("device", json!("cpu")),
        ("apply_b_dec_to_input", json!(true)),
        ("normalize_activations", json!("none")),
        ("reshape_activations", json!("none")),
        ("rescale_acts_by_decoder_norm", json!(false)),
    ] {
        assert_eq!(cfg[key], value, "{key}");
    }
    let metadata = &cfg["metadata"];
    assert_eq!(metadata["hook_name"], "blocks.1.hook_resid_post");
    assert_eq!((&metadata["context_size"], &metadata["prepend_bos"]), (&json!(64), &json!(true)));
    assert_eq!(metadata["dataset_path"], "bible");
}

#[test]
fn provenance_travels() {
    let sandbox = Sandbox::with_run();
    sandbox.ok("export run --format saelens --out sae");
    let provenance = &sandbox.json("sae/cfg.json")["metadata"]["saekit_provenance"];
    let manifest = sandbox.json("acts/manifest.json");
    assert_eq!(provenance["model_sha256"], manifest["model"]["sha256"]);
    assert_eq!(provenance["tokenizer_sha256"], manifest["tokenizer_sha256"]);
    for (key, file) in [("store_sha256", "acts/manifest.json"), ("plan_sha256", "run/plan.toml")] {
        assert_eq!(provenance[key], saekit_core::files::sha256(&sandbox.read(file)), "{key}");
    }
    assert_eq!(provenance["saekit_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(provenance["rows"], 2000);
}

#[test]
fn there_and_back() {
    let sandbox = Sandbox::with_run();
    sandbox.ok("export run --format saelens --out sae");
    sandbox.ok("export sae --format saekit --out back");
    let (back, run) = ("back/dictionary.safetensors", "run/dictionary/dictionary.safetensors");
    assert!(sandbox.read(back) == sandbox.read(run), "weights changed on the way");
    assert_eq!(
        sandbox.json("back/dictionary.json"),
        sandbox.json("run/dictionary/dictionary.json")
    );
}

#[test]
fn of_a_store_without_a_model() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(1000, 16).write(&sandbox.path("acts"));
    sandbox.ok("train --device cpu --store acts --out run --d-sae 32 --k 2 --batch 100");
    let finished = sandbox.run("export run --format saelens --out sae");
    let warning = "does not record the model and the hook point it belongs to";
    assert!(finished.stderr.contains(warning), "{}", finished.stderr);
    assert!(finished.stderr.contains("`--model-name` and `--hook-name`"), "{}", finished.stderr);
    finished.ok();
    assert_eq!(sandbox.json("sae/cfg.json")["metadata"]["model_name"], Value::Null);
}

#[test]
fn model_and_hook_may_be_named() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(1000, 16).write(&sandbox.path("acts"));
    sandbox.ok("train --device cpu --store acts --out run --d-sae 32 --k 2 --batch 100");
    let names = "--model-name gpt2 --hook-name blocks.6.hook_resid_post";
    let finished = sandbox.run(&format!("export run --format saelens --out sae {names}"));
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    finished.ok();
    let metadata = &sandbox.json("sae/cfg.json")["metadata"];
    assert_eq!(metadata["model_name"], "gpt2");
    assert_eq!(metadata["hook_name"], "blocks.6.hook_resid_post");
}
