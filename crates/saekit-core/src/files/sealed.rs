//! JSON that carries its own hash: saekit's working files, whose changes nobody would notice otherwise.

use std::path::Path;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{read_json, sha256, write_json};
use crate::{Error, Result};

/// What a sealed file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<T> {
    content: T,
    /// SHA-256 of `content` as JSON without white space, hex.
    sha256: String,
}

/// [`write_json`] of `value` with its hash.
pub fn write_sealed<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write_json(path, &Sealed { content: value, sha256: hash(value) })
}

/// Reads what [`write_sealed`] wrote; `what` names it in the error.
///
/// # Errors
/// [`Error::Changed`] where the content is not what was written.
pub fn read_sealed<T: Serialize + DeserializeOwned>(path: &Path, what: &'static str) -> Result<T> {
    let Sealed { content, sha256 } = read_json::<Sealed<T>>(path, what)?;
    if sha256 == hash(&content) {
        return Ok(content);
    }
    Err(Error::Changed { path: path.to_owned() })
}

fn hash<T: Serialize>(value: &T) -> String {
    sha256(&serde_json::to_vec(value).expect("working files have no odd keys"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_digit_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let value = (0.1 + 0.2, "text".to_owned(), vec![1_u64, u64::MAX]);
        write_sealed(&path, &value).unwrap();
        assert_eq!(read_sealed::<(f64, String, Vec<u64>)>(&path, "test").unwrap(), value);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("text", "test")).unwrap();
        let message = read_sealed::<(f64, String, Vec<u64>)>(&path, "test").unwrap_err();
        assert!(message.to_string().contains("a.json was changed after it was written"));
    }
}
