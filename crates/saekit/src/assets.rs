//! The demo's model and text, which travel in the binary. Where they come from and under which
//! licences: `demo/PROVENANCE.md`, which travels too.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use saekit_core::files::{sha256, sha256_file, write_atomic};
use saekit_core::{Error, Result};

/// The model's folder, which gives it its name in manifests and exports.
pub(crate) const MODEL: &str = "demo-gpt2";

/// Path below the demo's folder, and content.
const FILES: [(&str, &[u8]); 6] = [
    ("PROVENANCE.md", include_bytes!("../demo/PROVENANCE.md")),
    ("demo-gpt2/config.json", include_bytes!("../demo/model/config.json")),
    ("demo-gpt2/model.safetensors", include_bytes!("../demo/model/model.safetensors")),
    ("demo-gpt2/tokenizer.json", include_bytes!("../demo/model/tokenizer.json")),
    ("text/heldout.parquet", include_bytes!("../demo/text/heldout.parquet")),
    ("text/train.parquet", include_bytes!("../demo/text/train.parquet")),
];

/// Writes the files below `dir`, except those that are there as they should be.
pub(crate) fn extract(dir: &Path) -> Result<()> {
    for (name, bytes) in FILES {
        let path = dir.join(name);
        if path.is_file() && sha256_file(&path)? == sha256(bytes) {
            continue;
        }
        let folder = path.parent().expect("every file is in a folder");
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        write_atomic(&path, |writer| writer.write_all(bytes))?;
    }
    Ok(())
}

/// The files' paths below the demo's folder.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}
