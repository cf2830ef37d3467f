//! `saekit inspect`, help and completions: what people look at first.

use saekit_tests::{Sandbox, SyntheticStore};

#[test]
fn tells_what_a_folder_holds() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(1000, 16).write(&sandbox.path("acts"));
    sandbox.ok("train --device cpu --store acts --out run --d-sae 32 --k 2 --batch 100");
    sandbox.ok("export run --format saelens --out sae");
    sandbox.ok("analyze run --store acts");
    for (folder, parts) in [
        ("acts", ["rows", "1,000", "blocks.0.hook_resid_post"]),
        ("run", ["finished", "batch = 100", "d_sae"]),
        ("run/dictionary", ["saekit", "topk, k 2", "32"]),
        ("run/analysis", ["rows analysed", "1,000", "32 of width 16"]),
        ("sae", ["saelens", "topk, k 2", "32"]),
    ] {
        let printed = sandbox.ok(&format!("inspect {folder}"));
        for part in parts {
            assert!(printed.contains(part), "`{part}` is missing in: {printed}");
        }
    }
    sandbox.run("inspect nowhere").error_with(&["nowhere"]);
    sandbox.run("inspect demo").error_with(&["demo/model.safetensors holds weights"]);
}

#[test]
fn excluded_tokens_are_counted_and_grouped() {
    let sandbox = Sandbox::with_run();
    let mut manifest = sandbox.json("acts/manifest.json");
    let ids: Vec<u32> = (0..3).chain([7]).chain((100..6338).step_by(2)).collect();
    manifest["excluded_tokens"] = ids.into();
    sandbox.write("acts/manifest.json", manifest.to_string());
    let printed = sandbox.ok("inspect acts");
    let line = printed.lines().find(|line| line.starts_with("excluded tokens")).expect("a line");
    assert!(line.contains("3,123: 0 to 2, 7, 100, 102") && line.contains("more"), "{line}");
    assert!(line.len() < 120, "{line}");
}

#[test]
fn every_verb_has_help_with_examples() {
    let sandbox = Sandbox::new();
    let verbs =
        ["", "demo", "harvest", "inspect", "train", "eval", "analyze", "features", "export"];
    for verb in verbs.into_iter().chain(["completions", "verify", "convert-store"]) {
        let help = sandbox.ok(&format!("{verb} --help"));
        assert!(help.contains("Examples:"), "{verb}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{verb}: {help}");
    }
}

#[test]
fn completions_know_every_verb() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.ok(&format!("completions {shell}"));
        for verb in ["demo", "harvest", "inspect", "train", "eval", "analyze", "features", "export"]
        {
            assert!(script.contains(verb), "{shell} lacks {verb}");
        }
    }
}
