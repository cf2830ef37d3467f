//! `saekit verify` finds each fault of a store, though every hash agrees.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use saekit_core::files::sha256_file;
use saekit_core::{HookPoint, MatrixView};
use saekit_store::{
    ColumnSpec, DType, Positions, RowBlock, StoreSpec, StoreWriter, TokenizedSequence,
};
use saekit_tests::Sandbox;
use serde_json::{Value, json};

const HOOK: &str = "blocks.0.hook_resid_post";
const SHARD: [&str; 2] = ["shards/shard-00000.parquet", "shards/shard-00001.parquet"];
const WIDTH: usize = 4;
/// Tokens per sequence, of which the first is excluded.
const LENGTH: u32 = 5;
const SEQUENCES: u32 = 8;

/// Places that have a row in a whole store.
fn all() -> Vec<(u32, u32)> {
    (0..SEQUENCES).flat_map(|sequence| (1..LENGTH).map(move |at| (sequence, at))).collect()
}

/// A store in two shards with a row at each of `places`; `shift` is added to all values.
fn write(dir: &Path, positions: Option<Positions>, shift: f32, places: &[(u32, u32)]) {
    let mut spec = StoreSpec {
        columns: vec![ColumnSpec { name: HookPoint::new(HOOK), width: WIDTH }],
        dtype: DType::F32,
        excluded_tokens: vec![0],
        positions,
        ..StoreSpec::default()
    };
    spec.shard_bytes = spec.row_bytes() * places.len().div_ceil(2) as u64;
    let mut writer = StoreWriter::create(dir, spec).unwrap();
    for sequence in 0..SEQUENCES {
        let ids: Vec<u32> = (0..LENGTH).map(|at| at * (sequence + 1)).collect();
        let zeros = vec![0; ids.len()];
        let (byte_starts, byte_ends) = (zeros.clone(), zeros.clone());
        let sequence = TokenizedSequence { ids, documents: zeros, byte_starts, byte_ends };
        writer.push_sequence(&sequence).unwrap();
    }
    let (sequences, at): (Vec<_>, Vec<_>) = places.iter().copied().unzip();
    let values = (0..places.len() * WIDTH).map(|i| shift + (i % 7) as f32).collect::<Vec<_>>();
    let columns = [MatrixView::new(places.len(), WIDTH, &values)];
    let block = RowBlock { sequences: &sequences, positions: &at, columns: &columns };
    writer.push_rows(&block).unwrap();
    writer.finish().unwrap();
}

/// A sandbox with a store `acts` of these places.
fn store_of(positions: Positions, places: &[(u32, u32)]) -> Sandbox {
    let sandbox = Sandbox::new();
    write(&sandbox.path("acts"), Some(positions), 0.0, places);
    sandbox
}

fn change(sandbox: &Sandbox, change: impl FnOnce(&mut Value)) {
    let mut manifest = sandbox.json("acts/manifest.json");
    change(&mut manifest);
    sandbox.write("acts/manifest.json", manifest.to_string());
}

/// Gives the manifest's entry of shard `index` size and hash of the file that is there.
fn refresh(sandbox: &Sandbox, index: usize) {
    let path = sandbox.path(&format!("acts/{}", SHARD[index]));
    let (bytes, sha256) = (fs::metadata(&path).unwrap().len(), sha256_file(&path).unwrap());
    change(sandbox, |manifest| {
        manifest["shards"][index]["bytes"] = json!(bytes);
        manifest["shards"][index]["sha256"] = json!(sha256);
    });
}

#[test]
fn a_sound_store_is_checked_as_a_whole() {
    let sandbox = store_of(Positions::All, &all());
    let text = sandbox.ok("verify acts");
    assert!(text.contains("32 rows in 3 files") && text.contains("3 hashes agree"), "{text}");
    assert!(!text.contains("not checked"), "{text}");
}

#[test]
fn what_is_not_checked_is_said() {
    let sandbox = Sandbox::new();
    write(&sandbox.path("acts"), None, 0.0, &all()[3..20]);
    let text = sandbox.ok("verify acts");
    assert!(text.contains("not checked: whether every token has a row"), "{text}");
    fs::write(sandbox.path("rows.npy"), npy()).unwrap();
    let text = sandbox.ok("verify rows.npy");
    assert!(text.contains("not checked: hashes and statistics"), "{text}");
}

/// Two rows of two singles.
fn npy() -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").into_bytes());
    bytes.extend([1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[test]
fn scale_wrong() {
    let sandbox = store_of(Positions::All, &all());
    let norm = sandbox.json("acts/manifest.json")["columns"][0]["mean_norm"].as_f64().unwrap();
    change(&sandbox, |manifest| manifest["columns"][0]["scale"] = json!(1.0));
    for verb in ["verify acts", "train --store acts --out run --d-sae 8 --k 2"] {
        sandbox.run(verb).error_with(&["manifest.json", "has scale 1, but its mean norm is"]);
    }
    change(&sandbox, |manifest| {
        manifest["columns"][0]["mean_norm"] = json!(2.0 * norm);
        manifest["columns"][0]["scale"] = json!((WIDTH as f64).sqrt() / (2.0 * norm));
    });
    sandbox.run("verify acts").error_with(&["`mean_norm` of column", "that of its rows is"]);
}

#[test]
fn mean_wrong() {
    let sandbox = store_of(Positions::All, &all());
    change(&sandbox, |manifest| {
        let mean = &mut manifest["columns"][0]["mean"][2];
        *mean = json!(mean.as_f64().unwrap() + 0.01);
    });
    sandbox.run("verify acts").error_with(&[
        "manifest.json",
        "element 2 of `mean`",
        "convert-store",
    ]);
}

#[test]
fn a_sequence_missing() {
    let places: Vec<_> = all().into_iter().filter(|(sequence, _)| *sequence != 3).collect();
    for positions in [Positions::All, Positions::First] {
        let sandbox = store_of(positions, &places);
        sandbox.run("verify acts").error_with(&["position 1 of sequence 3 has no row", "harvest"]);
    }
}

#[test]
fn the_last_sequences_missing() {
    let places = &all()[..22];
    let sandbox = store_of(Positions::All, places);
    sandbox.run("verify acts").error_with(&["position 3 of sequence 5 has no row"]);
    // As a harvest that was to stop after so many rows leaves them.
    let sandbox = store_of(Positions::First, places);
    assert!(sandbox.ok("verify acts").contains("22 rows"));
}

#[test]
fn positions_past_the_end() {
    let mut places = all();
    places[7].1 = LENGTH;
    let sandbox = store_of(Positions::All, &places);
    let found = ["position 5 of sequence 1 has a row, but the sequence ends before", "shard-00000"];
    sandbox.run("verify acts").error_with(&found);
}

#[test]
fn a_row_twice() {
    let mut places = all();
    places[9] = places[8];
    let sandbox = store_of(Positions::All, &places);
    sandbox.run("verify acts").error_with(&["position 1 of sequence 2 has two rows"]);
}

#[test]
fn a_row_of_an_excluded_token() {
    let mut places = all();
    places[4].1 = 0;
    let sandbox = store_of(Positions::All, &places);
    sandbox.run("verify acts").error_with(&["position 0 of sequence 1", "`excluded_tokens`"]);
}

#[test]
fn the_same_shard_twice() {
    let sandbox = store_of(Positions::All, &all());
    change(&sandbox, |manifest| manifest["shards"][1] = manifest["shards"][0].clone());
    let listed = ["are the same shard, listed twice", "manifest.json"];
    for verb in ["verify acts", "train --store acts --out run --d-sae 8 --k 2"] {
        sandbox.run(verb).error_with(&listed);
    }
    fs::copy(sandbox.path("acts").join(SHARD[0]), sandbox.path("acts/shards/copy.parquet"))
        .unwrap();
    change(&sandbox, |manifest| manifest["shards"][1]["file"] = json!("shards/copy.parquet"));
    sandbox.run("verify acts").error_with(&listed);
}

#[test]
fn a_shard_of_another_store() {
    let sandbox = store_of(Positions::All, &all());
    write(&sandbox.path("other"), Some(Positions::All), 1.0, &all());
    fs::copy(sandbox.path("other").join(SHARD[1]), sandbox.path("acts").join(SHARD[1])).unwrap();
    sandbox.run("verify acts").error_with(&["shard-00001", "SHA-256"]);
    refresh(&sandbox, 1);
    sandbox.run("verify acts").error_with(&["`mean_norm` of column", "the rows were changed"]);
    // One with the same values, but of other sequences.
    let places: Vec<_> = all().into_iter().rev().collect();
    write(&sandbox.path("third"), Some(Positions::All), 0.0, &places);
    fs::copy(sandbox.path("third").join(SHARD[1]), sandbox.path("acts").join(SHARD[1])).unwrap();
    refresh(&sandbox, 1);
    sandbox.run("verify acts").error_with(&["has two rows", "of another store"]);
}

#[test]
fn a_hash_empty() {
    let sandbox = store_of(Positions::All, &all());
    change(&sandbox, |manifest| manifest["shards"][1]["sha256"] = json!(""));
    let message = "`sha256` of `shards/shard-00001.parquet` is ``, which is no SHA-256";
    sandbox.run("verify acts").error_with(&[message]);
    let said = sandbox.run("inspect acts").stderr;
    assert!(said.contains("1 of 2 shards have no hash in the manifest"), "{said}");
}
