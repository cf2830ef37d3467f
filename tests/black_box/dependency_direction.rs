//! Who may depend on whom. ARCHITECTURE.md says why; this says it so that a build can fail.
//!
//! Only normal dependencies count: a test may look sideways.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each library and the workspace crates it builds on. The binary may use all of them.
const ARROWS: &[(&str, &[&str])] = &[
    ("saekit-core", &[]),
    ("saekit-kernels", &[]),
    ("saekit-store", &["saekit-core"]),
    ("saekit-dictionary", &["saekit-core", "saekit-kernels"]),
    ("saekit-lm", &["saekit-core"]),
    ("saekit-harvest", &["saekit-core", "saekit-store"]),
    ("saekit-learners", &["saekit-core", "saekit-dictionary", "saekit-kernels"]),
    ("saekit-train", &["saekit-core"]),
    ("saekit-eval", &["saekit-core"]),
    ("saekit-analysis", &["saekit-core", "saekit-kernels", "saekit-store"]),
    ("saekit-pages", &["saekit-analysis", "saekit-core"]),
    ("saekit-remote", &["saekit-core", "saekit-store"]),
];

/// Crates that are used by no other crate of the workspace.
const ROOTS: &[&str] = &["saekit", "saekit-tests"];

/// The version of burn that everything here is written against.
const BURN: &str = "=0.22.1";

/// Normal dependencies of each workspace member: name and requirement.
type Members = BTreeMap<String, BTreeMap<String, String>>;

fn members() -> Members {
    let text = cargo(&["metadata", "--format-version=1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&text).expect("JSON from cargo");
    let packages = list(&metadata["packages"]).iter();
    packages.map(|package| (string(&package["name"]), normal(package))).collect()
}

/// Names of everything that the library called `name` is built from by itself, with the features
/// that it alone asks for.
fn closure(name: &str) -> BTreeSet<String> {
    let arguments = ["tree", "--edges=normal", "--prefix=none", "--format={p}", "--package", name];
    let names = |line: &str| line.split(' ').next().map(str::to_owned);
    cargo(&arguments).lines().filter_map(names).collect()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new("cargo")
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8 from cargo")
}

/// Name and requirement of the normal dependencies of a package.
fn normal(package: &Value) -> BTreeMap<String, String> {
    list(&package["dependencies"])
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| (string(&dependency["name"]), string(&dependency["req"])))
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn string(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

#[test]
fn arrows_between_crates_are_exactly_the_documented_ones() {
    let members = members();
    let ours = |name: &&String| members.contains_key(*name);
    let found: BTreeMap<&str, BTreeSet<&str>> = members
        .iter()
        .filter(|(name, _)| !ROOTS.contains(&name.as_str()))
        .map(|(name, deps)| (name.as_str(), deps.keys().filter(ours).map(String::as_str).collect()))
        .collect();
    let expected: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(name, deps)| (*name, deps.iter().copied().collect())).collect();
    assert_eq!(found, expected);
}

#[test]
fn nothing_depends_on_the_binary_or_on_the_tests() {
    for (name, deps) in members() {
        let root = deps.keys().find(|dep| ROOTS.contains(&dep.as_str()));
        assert_eq!(root, None, "{name}");
    }
}

#[test]
fn burn_stays_in_the_model_and_the_learners() {
    for (name, _) in ARROWS {
        let reached = closure(name);
        let uses_burn = ["burn", "burn-tensor", "cubecl"].iter().any(|dep| reached.contains(*dep));
        let may_use_burn = ["saekit-lm", "saekit-learners"].contains(name);
        assert_eq!(uses_burn, may_use_burn, "{name} reaches {reached:?}");
    }
}

#[test]
fn training_and_evaluation_know_no_file_of_rows() {
    for name in ["saekit-core", "saekit-train", "saekit-eval"] {
        let reached = closure(name);
        for stranger in ["arrow", "parquet"] {
            assert!(!reached.contains(stranger), "{name} reaches {stranger}");
        }
    }
}

#[test]
fn kernels_know_slices_only() {
    let reached = closure("saekit-kernels");
    for stranger in ["serde", "serde_json", "arrow", "parquet", "burn", "saekit-core"] {
        assert!(!reached.contains(stranger), "saekit-kernels reaches {stranger}");
    }
}

#[test]
fn burn_is_pinned() {
    let mut pinned = BTreeSet::new();
    for (name, deps) in members() {
        for (dep, requirement) in deps.iter().filter(|(dep, _)| dep.starts_with("burn")) {
            assert_eq!(requirement, BURN, "{dep} of {name}");
            pinned.insert(dep.clone());
        }
    }
    let expected = ["burn", "burn-wgpu"].map(str::to_owned);
    assert_eq!(pinned, BTreeSet::from(expected), "direct dependencies on burn");
}
