//! `saekit train` on synthetic rows: it learns, and the same settings give the same bytes however
//! they were given.

use saekit_tests::{Sandbox, SyntheticStore};

fn with_store() -> Sandbox {
    let sandbox = Sandbox::new();
    SyntheticStore::new(20_000, 32).write(&sandbox.path("acts"));
    sandbox
}

fn weights(sandbox: &Sandbox, run: &str) -> Vec<u8> {
    sandbox.read(&format!("{run}/dictionary/dictionary.safetensors"))
}

#[test]
fn learns_a_synthetic_store() {
    let sandbox = with_store();
    sandbox
        .ok("train --device cpu --store acts --out run --d-sae 256 --k 4 --batch 500 --epochs 5 \
                --lr 3e-3 --log-every 20");
    let lines = sandbox.json_lines("run/metrics.jsonl");
    let fvu = |line: &serde_json::Value| line["fvu"].as_f64().expect("a number");
    let (first, last) = (fvu(&lines[0]), fvu(&lines[lines.len() - 1]));
    assert!(last < 0.5 * first, "FVU {first} at first, {last} at last");
    assert_eq!(lines.len(), 10);
    let summary = sandbox.json("run/summary.json");
    assert_eq!((&summary["steps"], &summary["rows"]), (&200.into(), &100_000.into()));
    assert!(summary["last"]["l0"].as_f64().expect("a number") <= 4.0);
}

#[test]
fn other_precisions_and_the_reference_learn_the_same() {
    let sandbox = with_store();
    sandbox.write("reference.toml", "[learner]\nreference = true\n");
    let fvu = |name: &str, more: &str| {
        sandbox.ok(&format!(
            "train --device cpu --store acts --out {name} --d-sae 300 --k 4 --batch 500 --lr 3e-3 {more}"
        ));
        let summary = sandbox.json(&format!("{name}/summary.json"));
        summary["last"]["fvu"].as_f64().expect("a number")
    };
    let f32 = fvu("f32", "--precision f32");
    let slow = fvu("slow", "--config reference.toml");
    assert!((slow - f32).abs() < 1e-3 * f32, "FVU {slow}, in f32 {f32}");
    for (name, flag) in [("mixed", "--precision mixed"), ("auto", "")] {
        fvu(name, flag);
        let dictionary =
            |name: &str| sandbox.read(&format!("{name}/dictionary/dictionary.safetensors"));
        assert!(dictionary(name) == dictionary("f32"), "{name} is f32 to the last bit");
    }
    let rescored = |name: &str| {
        sandbox.json(&format!("{name}/summary.json"))["last"]["counts"]["rescored"].as_f64()
    };
    assert!(
        rescored("mixed").is_some_and(|n| (1.0..128.0).contains(&n)),
        "{:?}",
        rescored("mixed")
    );
    assert_eq!(rescored("f32"), None);
    let plan = String::from_utf8(sandbox.read("mixed/plan.toml")).expect("text");
    assert!(plan.contains("precision = \"mixed\""), "{plan}");
    let message = sandbox
        .run("train --store acts --out no --d-sae 64 --k 4 --device cpu --precision bf16")
        .error();
    assert!(message.contains("auto, f32, mixed"), "{message}");
    let both = "train --store acts --out no --d-sae 64 --k 4 --device cpu --precision mixed";
    let message = sandbox.run(&format!("{both} --config reference.toml")).error();
    assert!(message.contains("`precision` is mixed, expected auto or f32"), "{message}");
    assert!(!sandbox.path("no").exists(), "a run that cannot be leaves no folder");
}

#[test]
fn flags_and_a_file_say_the_same() {
    let sandbox = with_store();
    sandbox
        .ok("train --device cpu --store acts --out flags --d-sae 64 --k 4 --batch 500 --seed 9 \
                --lr 1e-3 --clip-norm 1");
    sandbox.write(
        "train.toml",
        "store = 'acts'\nhook = 'blocks.0.hook_resid_post'\n[run]\nbatch = 500\nseed = 8\n\
         [learner]\narchitecture = 'topk'\nd_sae = 64\nk = 4\nclip_norm = 1\nadam = { lr = 1e-3 }\n",
    );
    sandbox.ok("train --device cpu --config train.toml --seed 9 --out file");
    assert_eq!(sandbox.read("file/plan.toml"), sandbox.read("flags/plan.toml"));
    assert!(weights(&sandbox, "file") == weights(&sandbox, "flags"), "other bytes");
    sandbox.ok("train --device cpu --config train.toml --out other-seed");
    assert!(weights(&sandbox, "other-seed") != weights(&sandbox, "flags"), "a seed without effect");
}

#[test]
fn the_scale_is_folded_away() {
    let sandbox = with_store();
    sandbox
        .ok("train --device cpu --store acts --out run --d-sae 256 --k 4 --batch 500 --epochs 5 \
                --lr 3e-3");
    // The run saw scaled rows, the dictionary reads raw ones: both reconstruct as well.
    sandbox.ok("eval run --store acts --device cpu --json eval.json");
    let trained = sandbox.json("run/summary.json")["last"]["fvu"].as_f64().expect("a number");
    let measured = sandbox.json("eval.json");
    let measured = measured["reconstruction"]["metrics"]["fvu"].as_f64().expect("a number");
    assert!((measured - trained).abs() < 0.15 * trained, "{measured} against {trained}");
}

#[test]
fn an_expansion_in_the_file_is_the_flag() {
    let sandbox = with_store();
    let train = "train --device cpu --store acts --k 2 --batch 500";
    sandbox.ok(&format!("{train} --expansion 3 --out flag"));
    sandbox.write("train.toml", "[learner]\nexpansion = 3\n");
    sandbox.ok(&format!("{train} --config train.toml --out file"));
    sandbox.ok(&format!("{train} --d-sae 96 --out width"));
    for run in ["file", "width"] {
        assert_eq!(sandbox.read(&format!("{run}/plan.toml")), sandbox.read("flag/plan.toml"));
    }
}

#[test]
fn a_warmup_longer_than_the_run_is_warned_of_and_ends_within_it() {
    let sandbox = with_store();
    let train = "train --device cpu --store acts --out run --d-sae 64 --k 4 --batch 500 \
                 --log-every 1 --warmup 1000";
    let finished = sandbox.run(train);
    let warning = "`warmup` is 1,000 steps, but the run has 40 steps";
    assert!(finished.stderr.contains(warning), "{}", finished.stderr);
    finished.ok();
    let plan = String::from_utf8(sandbox.read("run/plan.toml")).expect("text");
    assert!(plan.contains("warmup = 32\n"), "{plan}");
    let lines = sandbox.json_lines("run/metrics.jsonl");
    assert!(lines.iter().any(|line| line["lr_scale"] == 1.0), "the rate is reached");
}

#[test]
fn a_run_that_means_nothing_says_so_at_its_end() {
    let sandbox = with_store();
    let train = "train --device cpu --store acts --d-sae 64 --k 4 --batch 500";
    let finished = sandbox.run(&format!("{train} --lr 10 --out run"));
    assert!(finished.stderr.contains("warning: the run diverged"), "{}", finished.stderr);
    let printed = finished.ok();
    assert!(!printed.contains("rescored"), "internals are in metrics.jsonl: {printed}");
    let summary = sandbox.json("run/summary.json");
    let problem = summary["problems"][0].as_str().expect("a sentence");
    assert!(problem.contains("FVU is"), "{problem}");
    assert!(sandbox.ok("inspect run").contains(problem));
    sandbox.ok("analyze run --store acts");
    let report = String::from_utf8(sandbox.read("run/analysis/report.html")).expect("text");
    assert!(report.contains("the run diverged or did not learn"), "the report says nothing");
    sandbox.ok(&format!("{train} --out good"));
    assert_eq!(sandbox.json("good/summary.json").get("problems"), None);
}
