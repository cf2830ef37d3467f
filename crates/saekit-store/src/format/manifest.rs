use std::collections::BTreeMap;
use std::path::{Component, Path};

use saekit_core::{ColumnSpec, HookPoint, ModelInfo};
use serde::{Deserialize, Serialize};

use crate::error::{OpenError, Result};
use crate::format::dtype::DType;
use crate::format::names::{POSITION, SEQUENCE};
use crate::format::scale::scale as scale_of;
use crate::format::spec::{Dataset, Positions};

/// How far a scale may be from that of the mean norm, relative to it: a hundred times the rounding of
/// single precision.
const SCALE_TOLERANCE: f32 = 1e-5;

/// `manifest.json`: what a store holds, and the hash of each of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`Manifest::FORMAT`].
    pub format: String,
    /// Always [`Manifest::VERSION`].
    pub version: u32,
    /// The model that computed the rows, if one did.
    pub model: Option<ModelInfo>,
    /// SHA-256 of the tokenizer's file, hex.
    pub tokenizer_sha256: Option<String>,
    /// The data it was made from.
    pub dataset: Option<Dataset>,
    /// Tokens per sequence, if all have as many (the last may be shorter).
    pub context_size: Option<usize>,
    /// Whether each sequence begins with BOS.
    pub prepend_bos: Option<bool>,
    /// Token ids whose rows were excluded, ascending.
    #[serde(default)]
    pub excluded_tokens: Vec<u32>,
    /// Decided the order of the rows within each shard, where saekit wrote it.
    #[serde(default)]
    pub seed: u64,
    /// Rows in all shards.
    pub rows: u64,
    /// Sequences in the tokens table; 0 where there is none.
    #[serde(default)]
    pub sequences: u64,
    /// Which tokens have a row; `None` where the writer did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Positions>,
    /// The columns of activations, in the order of the shards.
    pub columns: Vec<ColumnInfo>,
    /// The tokens table, where there is one.
    pub tokens: Option<FileInfo>,
    /// The shards, in order.
    pub shards: Vec<ShardInfo>,
}

/// A column of activations and its statistics over all rows, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// The hook point, which is also the column's name.
    pub name: HookPoint,
    /// Values per row.
    pub width: usize,
    /// The type of a stored value.
    pub dtype: DType,
    /// Mean Euclidean norm of the rows.
    pub mean_norm: f64,
    /// `sqrt(width) / mean_norm`: rows multiplied with it have mean norm `sqrt(width)`; 1 where
    /// `mean_norm` is 0.
    pub scale: f32,
    /// Mean row, `[width]`, unscaled.
    pub mean: Vec<f32>,
    /// Relative rounding error: the sum over all values of the squared error of storing them, divided
    /// by the sum of their squares before. `None` where the writer did not measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_error: Option<f64>,
}

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Path relative to the store's folder, with `/`.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

/// A shard of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    /// Path relative to the store's folder, with `/`.
    pub file: String,
    /// Rows it holds.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

impl Manifest {
    /// The value of `format`.
    pub const FORMAT: &str = "saekit-store";
    /// The version of the format this crate writes and reads.
    pub const VERSION: u32 = 1;

    /// Reads and checks the manifest `bytes`, which lie at `path`.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let version = check_format(bytes, path)?;
        if version != u64::from(Self::VERSION) {
            let (path, supported) = (path.to_owned(), Self::VERSION);
            return Err(OpenError::OtherVersion { path, found: version, supported }.into());
        }
        let manifest: Self = saekit_core::files::parse_json(bytes, path, "store manifest")?;
        match manifest.problem() {
            Some(problem) => Err(OpenError::Manifest { path: path.to_owned(), problem }.into()),
            None => Ok(manifest),
        }
    }

    /// Whether rows carry a sequence and a position.
    pub fn has_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// The first contradiction, in words.
    fn problem(&self) -> Option<String> {
        let columns = self.columns.iter().enumerate();
        self.count_problem()
            .or_else(|| self.shard_problem())
            .or_else(|| columns.into_iter().find_map(|(i, _)| self.column_problem(i)))
            .or_else(|| {
                let shards = self.shards.iter().map(|shard| &shard.file);
                let mut files = shards.chain(self.tokens.iter().map(|tokens| &tokens.file));
                let bad = files.find(|file| !stays_inside(file))?;
                Some(format!("file `{bad}` is not a relative path inside the store"))
            })
    }

    fn count_problem(&self) -> Option<String> {
        let rows = self.shards.iter().try_fold(0_u64, |sum, shard| sum.checked_add(shard.rows));
        if rows != Some(self.rows) {
            let rows = rows.map_or_else(|| "too many".to_owned(), |rows| rows.to_string());
            return Some(format!("`rows` is {}, but its shards hold {rows}", self.rows));
        }
        if self.sequences > u64::from(u32::MAX) || self.sequences > 0 && !self.has_tokens() {
            return Some(format!(
                "`sequences` is {}, which its tokens table cannot hold",
                self.sequences
            ));
        }
        self.columns.is_empty().then(|| "it lists no columns".to_owned())
    }

    /// Whether a file is listed as two shards.
    fn shard_problem(&self) -> Option<String> {
        self.listed_twice(|shard| Some(&shard.file))
    }

    /// Whether two shards with rows have the same bytes, in words. Only verifying asks: rows that are all
    /// alike make such shards too.
    pub(crate) fn same_shards(&self) -> Option<String> {
        let is_known = |shard: &ShardInfo| shard.rows > 0 && !shard.sha256.is_empty();
        self.listed_twice(|shard| is_known(shard).then_some(&shard.sha256))
    }

    fn listed_twice(&self, key: impl Fn(&ShardInfo) -> Option<&String>) -> Option<String> {
        let mut found = BTreeMap::new();
        self.shards.iter().find_map(|shard| {
            let (earlier, file) = (found.insert(key(shard)?, &shard.file)?, &shard.file);
            Some(format!("`{file}` and `{earlier}` are the same shard, listed twice"))
        })
    }

    fn column_problem(&self, index: usize) -> Option<String> {
        let ColumnInfo { name, width, dtype, mean_norm, scale, mean, .. } = &self.columns[index];
        if [SEQUENCE, POSITION, ""].contains(&name.as_str()) {
            return Some(format!("a column of activations is called `{name}`"));
        }
        if self.columns[..index].iter().any(|earlier| earlier.name == *name) {
            return Some(format!("column `{name}` is listed twice"));
        }
        if dtype.parquet_bytes(*width).is_none() {
            return Some(format!("column `{name}` has width {width}"));
        }
        if mean.len() != *width {
            return Some(format!("column `{name}` has width {width}, but {} means", mean.len()));
        }
        if !(*mean_norm >= 0.0 && mean_norm.is_finite() && *scale > 0.0 && scale.is_finite()) {
            return Some(format!("column `{name}` has mean norm {mean_norm} and scale {scale}"));
        }
        let expected = scale_of(*width, *mean_norm);
        if (scale / expected - 1.0).abs() > SCALE_TOLERANCE {
            return Some(format!(
                "column `{name}` has scale {scale}, but its mean norm is {mean_norm}, which makes it \
                 {expected}"
            ));
        }
        None
    }

    /// The columns' names, for messages.
    pub(crate) fn available(&self) -> String {
        in_words(self.columns.iter().map(|column| column.name.as_str()))
    }
}

impl ColumnInfo {
    /// Name and width.
    pub fn spec(&self) -> ColumnSpec {
        ColumnSpec { name: self.name.clone(), width: self.width }
    }

    /// Bytes per row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.dtype.row_bytes(self.width)
    }
}

/// The entries that every version of a manifest has.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

/// The version of the manifest `bytes`, which lie at `path`; fails where it is not a store's.
pub(crate) fn check_format(bytes: &[u8], path: &Path) -> Result<u64> {
    let header: Header = saekit_core::files::parse_json(bytes, path, "store manifest")?;
    if header.format != Manifest::FORMAT {
        return Err(OpenError::OtherFormat { path: path.to_owned(), found: header.format }.into());
    }
    Ok(header.version)
}

/// Names that a message lists; it says how many more there are.
const LISTED: usize = 8;

/// Names in backticks, with commas: the first few, and how many more.
pub(crate) fn in_words<'a>(names: impl Iterator<Item = &'a str>) -> String {
    first_few(names.map(|name| format!("`{name}`")))
}

/// The first few of `things`, with commas, and how many more there are.
pub(crate) fn first_few(things: impl Iterator<Item = String>) -> String {
    let mut things = things.fuse();
    let few: Vec<_> = things.by_ref().take(LISTED).collect();
    match things.count() {
        0 if few.is_empty() => "none".to_owned(),
        0 => few.join(", "),
        more => format!("{} and {more} more", few.join(", ")),
    }
}

fn stays_inside(file: &str) -> bool {
    let mut components = Path::new(file).components().peekable();
    components.peek().is_some() && components.all(|part| matches!(part, Component::Normal(_)))
}
