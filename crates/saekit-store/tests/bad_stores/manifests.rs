//! Faults of manifests.

use std::path::Path;
use std::sync::Arc;

use saekit_core::{Interrupt, Silent};
use saekit_store::{Blob, Listed, OpenConfig, Storage, Store};
use serde_json::json;

use super::*;

#[test]
fn no_manifest() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        refusal(&dir),
        "STORE is not a store: it has no `manifest.json` and no .parquet, .arrow, .safetensors or .npy files; if a harvest into it did not finish, run it again"
    );
}

#[test]
fn manifest_not_json() {
    let dir = store();
    fs::write(dir.path().join("manifest.json"), "format = 1").unwrap();
    let message = refusal(&dir);
    assert!(
        message.starts_with("STORE/manifest.json is not a valid store manifest: "),
        "{message}"
    );
}

#[test]
fn manifest_with_a_field_missing() {
    let dir = store();
    edit(dir.path(), |manifest| drop(manifest["columns"][0]["scale"].take()));
    let message = refusal(&dir);
    assert!(
        message.starts_with("STORE/manifest.json is not a valid store manifest: "),
        "{message}"
    );
}

#[test]
fn manifest_of_something_else() {
    let dir = store();
    edit(dir.path(), |manifest| manifest["format"] = "saekit-dictionary".into());
    assert_eq!(
        refusal(&dir),
        "STORE/manifest.json has format `saekit-dictionary`, expected `saekit-store`; point to a store's folder"
    );
}

#[test]
fn manifest_of_a_newer_version() {
    let dir = store();
    edit(dir.path(), |manifest| {
        manifest["version"] = 2.into();
        manifest["columns"] = "elsewhere".into();
    });
    assert_eq!(
        refusal(&dir),
        "STORE/manifest.json has version 2, expected 1; use the saekit that wrote the store, or harvest it again with this one"
    );
}

type Change<'a> = &'a dyn Fn(&mut serde_json::Value);

#[test]
fn manifest_that_contradicts_itself() {
    let twice = |manifest: &mut serde_json::Value| {
        let column = manifest["columns"][0].clone();
        manifest["columns"].as_array_mut().unwrap().push(column);
    };
    let cases: [(Change<'_>, &str); 8] = [
        (&|m| m["rows"] = 4.into(), "`rows` is 4, but its shards hold 3"),
        (&|m| m["tokens"] = json!(null), "`sequences` is 1, which its tokens table cannot hold"),
        (&|m| m["columns"] = json!([]), "it lists no columns"),
        (&|m| m["columns"][0]["name"] = "sequence".into(), "a column of activations is called"),
        (&|m| m["columns"][0]["width"] = 5.into(), "column `h` has width 5, but 2 means"),
        (&|m| m["columns"][0]["scale"] = (-1).into(), "and scale -1"),
        (
            &|m| m["shards"][0]["file"] = "../x.parquet".into(),
            "file `../x.parquet` is not a relative",
        ),
        (&twice, "column `h` is listed twice"),
    ];
    for (change, expected) in cases {
        let dir = store();
        edit(dir.path(), change);
        let message = refusal(&dir);
        assert!(message.starts_with("STORE/manifest.json contradicts itself: "), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

/// Numbers that a manifest may bring: nothing is allocated by them.
#[test]
fn a_manifest_that_claims_absurd_sizes_is_an_error() {
    let claims: [&[&str]; 6] = [
        &["/rows", "/shards/0/rows"],
        &["/shards/0/bytes"],
        &["/tokens/bytes"],
        &["/sequences"],
        &["/columns/0/width"],
        &["/rows", "/shards/0/rows", "/shards/0/bytes", "/sequences", "/columns/0/width"],
    ];
    for places in claims {
        for claim in [u64::from(u32::MAX), 1 << 50, 1 << 60, u64::MAX] {
            let dir = store();
            edit(dir.path(), |manifest| {
                for place in places {
                    *manifest.pointer_mut(place).unwrap() = json!(claim);
                }
            });
            let message = refusal(&dir);
            assert!(message.starts_with("STORE/"), "{places:?}, {claim}: {message}");
        }
    }
}

/// A place that says of every file that it has 2^50 bytes, and reads none.
#[derive(Debug)]
struct Endless;

impl Storage for Endless {
    fn location(&self) -> &Path {
        Path::new("s3://bucket/acts")
    }

    fn list(&self) -> saekit_core::Result<Vec<Listed>> {
        Ok(Vec::new())
    }

    fn open(&self, _path: &str) -> saekit_core::Result<Option<Arc<dyn Blob>>> {
        Ok(Some(Arc::new(Self)))
    }
}

impl Blob for Endless {
    fn bytes(&self) -> u64 {
        1 << 50
    }

    fn version(&self) -> Option<&str> {
        None
    }

    fn read_at(&self, _offset: u64, _out: &mut [u8]) -> saekit_core::Result<()> {
        unreachable!("there is nothing to read")
    }
}

#[test]
fn a_served_manifest_of_absurd_length_is_an_error() {
    let config = OpenConfig::default();
    let opened = Store::open_in(Arc::new(Endless), &config, &mut Silent, &Interrupt::default());
    assert_eq!(
        opened.unwrap_err().to_string(),
        "s3://bucket/acts/manifest.json is longer than 1073741824 bytes; fetch it again, or check that it is the file that was meant"
    );
}
