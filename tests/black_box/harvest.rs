//! `saekit harvest` on the demo model: a store that says what it holds.

use saekit_tests::Sandbox;

const HARVEST: &str = "harvest --device cpu --model demo --rows 3000 --context 32";

#[test]
fn several_hook_points_in_one_store() {
    let sandbox = Sandbox::new();
    let hooks = "--hook blocks.0.hook_mlp_out blocks.3.hook_resid_post";
    let harvested = sandbox.run(&format!("{HARVEST} --text train.parquet {hooks} --out acts"));
    // The quote comes before, what was left out is said after.
    assert!(harvested.stderr.contains("to harvest: "), "{}", harvested.stderr);
    let printed = harvested.ok();
    assert!(printed.contains("special tokens excluded: <|endoftext|>"), "{printed}");
    let manifest = sandbox.json("acts/manifest.json");
    assert_eq!((&manifest["rows"], &manifest["context_size"]), (&3000.into(), &32.into()));
    assert_eq!(manifest["model"]["d_model"], 192);
    let names: Vec<_> =
        manifest["columns"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["blocks.0.hook_mlp_out", "blocks.3.hook_resid_post"]);
    assert!(sandbox.ok("inspect acts --verify").contains("verified"));
}

#[test]
fn the_same_command_gives_the_same_bytes() {
    let sandbox = Sandbox::new();
    let harvest = format!("{HARVEST} --text train.parquet --hook blocks.1.hook_resid_post");
    sandbox.ok(&format!("{harvest} --out a"));
    sandbox.ok(&format!("{harvest} --out b"));
    assert_eq!(sandbox.files("a"), sandbox.files("b"));
    for file in sandbox.files("a") {
        let (a, b) = (sandbox.read(&format!("a/{file}")), sandbox.read(&format!("b/{file}")));
        assert!(a == b, "{file} differs");
    }
}

#[test]
fn a_dead_byte_is_found_by_verify() {
    let sandbox = Sandbox::new();
    let harvest = format!("{HARVEST} --text train.parquet --hook blocks.1.hook_resid_post");
    sandbox.ok(&format!("{harvest} --out acts"));
    sandbox.edit("acts/tokens.parquet", |bytes| bytes[100] ^= 1);
    sandbox.run("inspect acts --verify").error_with(&["acts/tokens.parquet", "SHA-256"]);
}
