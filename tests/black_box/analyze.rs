//! `saekit analyze` and `saekit features`: what is written and printed, and what is refused.

use std::fs;

use saekit_tests::{Sandbox, SyntheticStore};
use serde_json::Value;

const ANALYZE: &str = "analyze run --store acts --model demo";

fn features(sandbox: &Sandbox, dir: &str) -> Vec<Value> {
    (0..96).map(|latent| sandbox.json(&format!("{dir}/features/{latent}.json"))).collect()
}

#[test]
fn of_a_run() {
    let sandbox = Sandbox::with_run();
    sandbox.ok("eval run --store acts --model demo --device cpu --sequences 4");
    let printed = sandbox.ok(ANALYZE);
    assert!(printed.contains("rows analysed            2,000"), "{printed}");
    assert!(printed.contains("run/analysis/index.html"), "{printed}");
    let files = sandbox.files("run/analysis");
    let there = |name: &str| files.iter().any(|file| file == name);
    for name in
        ["index.html", "report.html", "features.parquet", "examples.parquet", "assets/main.js"]
    {
        assert!(there(name), "{name} is missing: {files:?}");
    }
    assert!(there("charts/density.svg") && there("data/features/95.js"), "{files:?}");
    assert!(!files.iter().any(|file| file.contains(".partial")), "{files:?}");
    let summary = sandbox.json("run/analysis/analysis.json");
    assert_eq!(
        (&summary["rows"], &summary["column"]),
        (&2000.into(), &"blocks.1.hook_resid_post".into())
    );
    assert_eq!(summary["missing"], Value::Array(vec![]));
    let features = features(&sandbox, "run/analysis");
    let fires =
        features.iter().map(|feature| feature["density"]["fires"].as_u64().expect("a number"));
    assert_eq!(fires.sum::<u64>(), 8000, "four latents fire in each row");
    let promoted = features[0]["logits"]["promoted"].as_array().expect("a list");
    assert_eq!(promoted.len(), 10);
    let report = String::from_utf8(sandbox.read("run/analysis/report.html")).expect("UTF-8");
    assert!(report.contains("CE recovered, zero ablation") && report.contains("run.batch"));
}

#[test]
fn in_the_terminal() {
    let sandbox = Sandbox::with_run();
    sandbox.ok(ANALYZE);
    let list = sandbox.ok("features run --limit 5");
    assert_eq!(list.lines().count(), 6, "{list}");
    assert!(!list.contains('\u{1b}'), "no colours where nobody sees them: {list:?}");
    let all = features(&sandbox, "run/analysis");
    let legibility = |feature: &Value| feature["legibility"].as_f64().expect("a number");
    let best =
        all.iter().max_by(|a, b| legibility(a).total_cmp(&legibility(b))).expect("96 of them");
    let id = best["latent"].as_u64().expect("a number");
    let shown = sandbox.ok(&format!("features run --id {id}"));
    assert!(shown.starts_with(&format!("latent {id}")) && shown.contains('«'), "{shown}");
    let json: Value =
        serde_json::from_str(&sandbox.ok(&format!("features run --id {id} --json"))).expect("JSON");
    assert_eq!(json, *best);
    let token = best["tokens"]["top"][0]["text"].as_str().expect("a text").trim().to_owned();
    let found: Value = serde_json::from_str(
        &sandbox.ok(&format!("features run/analysis --token {token} --json --limit 96")),
    )
    .expect("JSON");
    let found = found.as_array().expect("a list");
    assert!(found.iter().any(|feature| feature["latent"] == id), "{token}");
    let sample =
        |seed: u64| sandbox.ok(&format!("features run --id {id} --sample 5 --seed {seed}"));
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    assert_eq!(sample(1).lines().count(), 5, "{}", sample(1));
}

#[test]
fn mistakes_in_the_terminal() {
    let sandbox = Sandbox::with_run();
    let message = sandbox.run("features run").error();
    assert!(
        message.contains("no finished analysis") && message.contains("saekit analyze"),
        "{message}"
    );
    sandbox.ok(ANALYZE);
    let message = sandbox.run("features run --id 96").error();
    assert!(message.contains("no latent 96: they are numbered 0 to 95"), "{message}");
    let message = sandbox.run("features run --token zebra-crossing").error();
    assert!(message.contains("another spelling"), "{message}");
    let message = sandbox.run("features nowhere").error();
    assert!(message.contains("nowhere does not exist"), "{message}");
}

#[test]
fn without_a_model_there_are_pages_without_logits() {
    let sandbox = Sandbox::with_run();
    let printed = sandbox.ok("analyze run --store acts");
    assert!(printed.contains("no logits") && printed.contains("--model"), "{printed}");
    let summary = sandbox.json("run/analysis/analysis.json");
    let missing = summary["missing"].as_array().expect("a list");
    let sections: Vec<&str> = missing.iter().filter_map(|part| part["section"].as_str()).collect();
    assert_eq!(sections, ["texts", "logits"]);
    let features = features(&sandbox, "run/analysis");
    assert!(features.iter().all(|feature| feature["logits"].is_null()));
    let example = |feature: &Value| feature["examples"]["top"][0]["texts"][0].clone();
    let text = features.iter().map(example).find(|text| !text.is_null()).expect("an example");
    assert!(text.as_str().expect("a text").starts_with('⟨'), "{text}");
}

#[test]
fn of_a_dictionary_by_itself() {
    let sandbox = Sandbox::with_run();
    sandbox.ok("export run --format saelens --out sae");
    let message = sandbox.run("analyze sae --store acts").error();
    assert!(message.contains("--out"), "{message}");
    let printed = sandbox.ok("analyze sae --store acts --model demo --out pages");
    assert!(!printed.contains("report.html"), "{printed}");
    assert!(!sandbox.path("pages/report.html").exists());
    sandbox.ok(ANALYZE);
    let strip = |mut features: Vec<Value>| {
        for feature in &mut features {
            feature["legibility"] = Value::Null;
        }
        features
    };
    assert_eq!(strip(features(&sandbox, "pages")), strip(features(&sandbox, "run/analysis")));
}

#[test]
fn of_another_width() {
    let sandbox = Sandbox::with_run();
    SyntheticStore::new(100, 24).write(&sandbox.path("narrow"));
    let message = sandbox.run("analyze run --store narrow --hook blocks.0.hook_resid_post").error();
    assert!(message.contains("width 192") && message.contains("24 wide"), "{message}");
    let message = sandbox.run("analyze run --store narrow").error();
    assert!(message.contains("blocks.1.hook_resid_post"), "{message}");
}

#[test]
fn of_another_model() {
    let sandbox = Sandbox::with_run();
    let message = sandbox.run("analyze run --store acts --model tiny").error();
    assert!(message.contains("was harvested from demo"), "{message}");
    assert!(!sandbox.path("run/analysis").exists(), "nothing was begun");
}

#[test]
fn twice() {
    let sandbox = Sandbox::with_run();
    sandbox.ok(ANALYZE);
    let before = sandbox.read("run/analysis/features.parquet");
    let message = sandbox.run(ANALYZE).error();
    assert!(
        message.contains("holds an analysis already") && message.contains("--force"),
        "{message}"
    );
    sandbox.write("run/analysis/notes.txt", "mine");
    sandbox.ok(&format!("{ANALYZE} --force"));
    assert_eq!(sandbox.read("run/analysis/notes.txt"), b"mine");
    assert!(before == sandbox.read("run/analysis/features.parquet"), "the same again");
    fs::create_dir(sandbox.path("thesis")).expect("a folder");
    sandbox.write("thesis/chapter.tex", "mine");
    for force in ["", "--force"] {
        let message = sandbox.run(&format!("{ANALYZE} --out thesis {force}")).error();
        assert!(message.contains("no analysis"), "{message}");
    }
    assert_eq!(sandbox.files("thesis"), ["chapter.tex"]);
}

#[test]
fn training_again_removes_what_was_said_of_what_is_gone() {
    let sandbox = Sandbox::with_run();
    sandbox.ok("eval run --store acts");
    sandbox.ok(ANALYZE);
    sandbox.ok(
        "train --device cpu --store acts --out run --d-sae 96 --k 4 --batch 500 --seed 1 --force",
    );
    assert!(!sandbox.path("run/analysis").exists() && !sandbox.path("run/eval.json").exists());
}

#[test]
fn a_feature_that_never_fired() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(300, 16).write(&sandbox.path("acts"));
    SyntheticStore::new(2, 16).write(&sandbox.path("few"));
    sandbox.ok("train --device cpu --store acts --out run --d-sae 128 --k 2 --batch 100");
    sandbox.ok("analyze run --store few");
    let dead = (0..128).find(|latent| {
        let feature = sandbox.json(&format!("run/analysis/features/{latent}.json"));
        feature["flags"].as_array().is_some_and(|flags| flags.contains(&"dead".into()))
    });
    let dead = dead.expect("two rows cannot fire 128 latents");
    let shown = sandbox.ok(&format!("features run --id {dead}"));
    assert!(shown.contains("never fired in 2 rows"), "{shown}");
}

#[test]
fn stopped_by_ctrl_c_it_goes_on_and_ends_the_same() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(60_000, 192).write(&sandbox.path("acts"));
    sandbox
        .ok("train --device cpu --store acts --out run --d-sae 1024 --k 8 --rows 500 --batch 50");
    let analyze = "analyze run --store acts --memory 4";
    let mut running = sandbox.start(analyze);
    let progress = sandbox.path("run/analysis/index/progress.json");
    assert!(running.wait_until(|| progress.exists()));
    let stopped = running.interrupt();
    assert_eq!(stopped.status.code(), Some(130), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("the same command resumes it"), "{}", stopped.stderr);
    let message = sandbox.run("features run").error();
    assert!(message.contains("no finished analysis"), "{message}");
    sandbox.ok(analyze);
    sandbox.ok(&format!("{analyze} --out whole"));
    for name in ["features.parquet", "examples.parquet", "index/firings.bin", "data/index.js"] {
        let of = |dir: &str| sandbox.read(&format!("{dir}/{name}"));
        assert!(of("run/analysis") == of("whole"), "{name} differs");
    }
}
