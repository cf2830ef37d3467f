//! `saekit eval`: figures that torch and SAELens gave too, and that hang together.

use saekit_tests::Sandbox;
use serde_json::Value;

fn with_run() -> Sandbox {
    let sandbox = Sandbox::new();
    let harvest = "harvest --device cpu --model demo --context 64 --hook blocks.1.hook_resid_post";
    sandbox.ok(&format!("{harvest} --text train.parquet --rows 4000 --out acts"));
    sandbox.ok(&format!("{harvest} --text heldout.parquet --rows 2000 --out heldout"));
    sandbox
        .ok("train --device cpu --store acts --out run --d-sae 256 --k 16 --batch 125 --lr 2e-3");
    sandbox
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// f32 sums in another order, here and there.
const TOLERANCE: f64 = 1e-4;

/// Dictionary, token ids and figures were made by `tests/golden/eval/generate.sh`.
#[test]
fn figures_are_those_of_torch_and_saelens() {
    let sandbox = Sandbox::new();
    sandbox.copy("tests/golden/eval", "golden");
    sandbox.ok("harvest --device cpu --model demo --text golden/ids.jsonl --dtype f32 --out acts \
                --hook blocks.1.hook_resid_post");
    sandbox.ok("eval golden/sae --store acts --model demo --device cpu --json eval.json");
    let ours = sandbox.json("eval.json");
    let parts = ["reconstruction/metrics", "reconstruction/codes", "cross_entropy"];
    let figure = |name: &str| {
        let found = parts.iter().find_map(|part| ours.pointer(&format!("/{part}/{name}")));
        number(found.unwrap_or_else(|| panic!("no `{name}` in {ours}")))
    };
    for (whose, figures) in sandbox.json("golden/figures.json").as_object().expect("an object") {
        for (name, theirs) in figures.as_object().expect("an object") {
            let (ours, theirs) = (figure(name), number(theirs));
            let close = (ours - theirs).abs() <= TOLERANCE * theirs.abs();
            assert!(close, "`{name}` is {ours} here and {theirs} by {whose}");
        }
    }
}

#[test]
fn figures_hang_together() {
    let sandbox = with_run();
    let printed = sandbox.ok("eval run --store heldout --model demo --device cpu --sequences 20");
    assert!(printed.contains("FVU"), "{printed}");
    let evaluation = sandbox.json("run/eval.json");
    let rows = &evaluation["reconstruction"]["metrics"];
    assert_eq!(rows["rows"], 2000);
    let (fvu, explained) = (number(&rows["fvu"]), number(&rows["explained_variance"]));
    assert!(fvu > 0.0 && fvu < 1.0 && explained > 0.0, "FVU {fvu}");
    let l0 = number(&evaluation["reconstruction"]["codes"]["l0"]);
    assert!(l0 > 8.0 && l0 <= 16.0, "L0 {l0}");
    let losses = &evaluation["cross_entropy"];
    assert_eq!(losses["sequences"], 20);
    let [clean, sae, zero, mean] = ["ce_clean", "ce_sae", "ce_zero_ablated", "ce_mean_ablated"]
        .map(|key| number(&losses[key]));
    assert!(clean < sae && sae < mean && mean < zero, "{losses}");
    let recovered = (zero - sae) / (zero - clean);
    assert!((number(&losses["ce_recovered_zero"]) - recovered).abs() < 1e-9, "{losses}");
}

#[test]
fn text_gives_what_a_store_of_it_gives() {
    let sandbox = with_run();
    sandbox.write("few.jsonl", "{\"text\": \"In the beginning was the Word.\"}\n".repeat(40));
    sandbox.ok("harvest --device cpu --model demo --text few.jsonl --out few --context 64 \
                --hook blocks.1.hook_resid_post");
    sandbox.ok("eval run --store few --model demo --device cpu --json a.json");
    sandbox.ok("eval run --text few.jsonl --model demo --device cpu --json b.json");
    let (a, b) = (sandbox.json("a.json"), sandbox.json("b.json"));
    assert_eq!(a["cross_entropy"], b["cross_entropy"]);
    assert_eq!(a["reconstruction"]["metrics"]["rows"], b["reconstruction"]["metrics"]["rows"]);
}

#[test]
fn a_dump_holds_what_was_measured() {
    let sandbox = with_run();
    sandbox.ok("eval run --store heldout --device cpu --dump rows.safetensors --json eval.json");
    let bytes = sandbox.read("rows.safetensors");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a header of JSON");
    for (name, width) in [("x", 192), ("codes_dense", 256), ("x_hat", 192)] {
        assert_eq!(header[name]["shape"], serde_json::json!([1000, width]), "{name}");
    }
}

#[test]
fn figures_are_not_overwritten() {
    let sandbox = with_run();
    let eval = "eval run --store heldout --device cpu --json figures.json";
    sandbox.ok(eval);
    sandbox.run(eval).error_with(&["figures.json", "--force"]);
    sandbox.ok(&format!("{eval} --force"));
}
