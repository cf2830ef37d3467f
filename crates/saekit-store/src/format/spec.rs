use saekit_core::files::sha256;
use saekit_core::rng::Rng;
use saekit_core::{ColumnSpec, ModelInfo};
use serde::{Deserialize, Serialize};

use crate::error::{Result, WriteError};
use crate::format::dtype::DType;
use crate::format::names::{POSITION, SEQUENCE};

/// Row groups a parquet file can number.
const MAX_ROW_GROUPS: usize = i16::MAX as usize;

/// The data a store was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// A name for people: a file's or a dataset's.
    pub name: String,
    /// SHA-256 of the input, hex, where it is known.
    pub sha256: Option<String>,
}

/// Which tokens of a store have a row, among those whose ids are not excluded. Each of them has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// Every token.
    All,
    /// The first ones, in the order of the tokens table: as many as there are rows.
    First,
}

/// The specification of a new store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreSpec {
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
    pub excluded_tokens: Vec<u32>,
    /// Decides the order of the rows within each shard.
    pub seed: u64,
    /// The columns, at least one.
    pub columns: Vec<ColumnSpec>,
    /// The type of the stored values, in every column.
    pub dtype: DType,
    /// Payload of a full shard, bytes; the writer holds one shard in memory.
    pub shard_bytes: u64,
    /// Payload of a row group, bytes; the smallest unit the shuffle moves.
    pub row_group_bytes: u64,
    /// Whether rows carry a sequence and a position in a tokens table.
    pub has_tokens: bool,
    /// Which tokens will have a row, where that is known.
    pub positions: Option<Positions>,
}

impl StoreSpec {
    /// Default of [`shard_bytes`](Self::shard_bytes): 512 MiB.
    pub const SHARD_BYTES: u64 = 512 << 20;
    /// Default of [`row_group_bytes`](Self::row_group_bytes): 16 MiB, at which a pool of a few
    /// hundred MiB mixes rows from many places.
    pub const ROW_GROUP_BYTES: u64 = 16 << 20;

    /// Bytes a row takes in a shard, before encoding: its activations, sequence and position.
    pub fn row_bytes(&self) -> u64 {
        let columns = self.columns.iter().map(|column| self.dtype.row_bytes(column.width));
        (columns.sum::<usize>() + if self.has_tokens { 8 } else { 0 }) as u64
    }

    /// SHA-256, hex, of everything in the spec that decides the rows, and of what is named in `more`
    /// besides.
    pub fn sha256(&self, more: &[(&str, String)]) -> String {
        let settings = settings(self, more).into_iter();
        let lines: Vec<_> = settings.map(|(name, value)| format!("{name}: {value}\n")).collect();
        sha256(lines.concat().as_bytes())
    }

    /// Rows a full shard holds.
    pub(crate) fn shard_rows(&self) -> usize {
        // Rows of a shard are numbered by u32 while they are shuffled.
        (self.shard_bytes / self.row_bytes()).clamp(1, u64::from(u32::MAX)) as usize
    }

    /// Rows a full row group holds: a pool needs four more bytes per row, its place in the order.
    pub(crate) fn row_group_rows(&self) -> usize {
        let rows = (self.row_group_bytes / (self.row_bytes() + 4)) as usize;
        rows.clamp(self.shard_rows().div_ceil(MAX_ROW_GROUPS), self.shard_rows())
    }

    /// The order in which the `rows` rows of shard number `shard` come: row `order[i]` is row `i`.
    pub(crate) fn shard_order(&self, shard: u64, rows: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..rows as u32).collect();
        Rng::new(self.seed, "store.shard").child(shard).shuffle(&mut order);
        order
    }

    /// Fails where the columns cannot be those of a shard.
    pub(crate) fn check(&self) -> Result<()> {
        let fail = |problem: String| Err(WriteError::Spec { problem }.into());
        if self.columns.is_empty() {
            return fail("it has no columns; name at least one hook point".to_owned());
        }
        for (i, column) in self.columns.iter().enumerate() {
            let name = column.name.as_str();
            if [SEQUENCE, POSITION, ""].contains(&name) {
                return fail(format!("a hook point cannot be called `{name}`"));
            }
            if self.columns[..i].iter().any(|earlier| earlier.name == column.name) {
                return fail(format!("hook point `{name}` is named twice"));
            }
            if self.dtype.parquet_bytes(column.width).is_none() {
                return fail(format!("rows of `{name}` cannot be {} values wide", column.width));
            }
        }
        Ok(())
    }
}

impl Default for StoreSpec {
    fn default() -> Self {
        Self {
            model: None,
            tokenizer_sha256: None,
            dataset: None,
            context_size: None,
            prepend_bos: None,
            excluded_tokens: Vec::new(),
            seed: 0,
            columns: Vec::new(),
            dtype: DType::F16,
            shard_bytes: Self::SHARD_BYTES,
            row_group_bytes: Self::ROW_GROUP_BYTES,
            has_tokens: true,
            positions: None,
        }
    }
}

/// Everything in `spec` that decides the bytes of a store, by names that people know, and `more`.
pub(crate) fn settings(spec: &StoreSpec, more: &[(&str, String)]) -> Vec<(String, String)> {
    let StoreSpec { model, tokenizer_sha256, dataset, context_size, prepend_bos, .. } = spec;
    let columns = spec.columns.iter().map(|column| format!("{} x {}", column.name, column.width));
    let own = [
        ("version of saekit", env!("CARGO_PKG_VERSION").to_owned()),
        ("model", json(model)),
        ("tokenizer", json(tokenizer_sha256)),
        ("data", json(dataset)),
        ("context size", json(context_size)),
        ("BOS", json(prepend_bos)),
        ("excluded tokens", json(&spec.excluded_tokens)),
        ("seed", json(&spec.seed)),
        ("hook points", columns.collect::<Vec<_>>().join(", ")),
        ("dtype", spec.dtype.to_string()),
        ("shard size", json(&spec.shard_bytes)),
        ("row group size", json(&spec.row_group_bytes)),
        ("tokens table", json(&spec.has_tokens)),
    ];
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(more).collect()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers, text and lists of them")
}
