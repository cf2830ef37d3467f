use std::path::{Path, PathBuf};

use saekit_core::MatrixView;
use saekit_core::files::write_json;
use saekit_core::rng::Rng;

use crate::layout::{self, MANIFEST};
use crate::shard_writer::{ShardBuffer, ShardFormat};
use crate::stats::ColumnStats;
use crate::tokens::TokensWriter;
use crate::{DType, Error, Manifest, Result, ShardInfo, StoreSpec, TokenizedSequence};

/// Rows to be stored: row `i` of every column is the same token's.
#[derive(Clone, Copy, Debug)]
pub struct RowBlock<'a> {
    /// The sequence of each row, as [`StoreWriter::push_sequence`] numbered it; empty in a store
    /// without tokens.
    pub sequences: &'a [u32],
    /// The position of each row in its sequence; empty in a store without tokens.
    pub positions: &'a [u32],
    /// One matrix a column of the spec, in its order, `[rows, width]`, unscaled.
    pub columns: &'a [MatrixView<'a>],
}

/// Writes a store, shard by shard.
///
/// Shards are written when full, their rows in a random order; the manifest comes last. A writer
/// that fails or is dropped leaves no manifest, and the next writer in the same folder clears what
/// is left. In memory are the rows of one shard ([`StoreSpec::shard_bytes`]) and a few MiB.
#[derive(Debug)]
pub struct StoreWriter {
    dir: PathBuf,
    spec: StoreSpec,
    format: ShardFormat,
    buffer: ShardBuffer,
    stats: Vec<ColumnStats>,
    shards: Vec<ShardInfo>,
    tokens: Option<TokensWriter>,
    sequences: u32,
    rows: u64,
    failed: bool,
}

impl StoreWriter {
    /// Begins a store in `dir`, which is created where it is missing.
    ///
    /// Refuses a folder that holds a finished store, or files named like a store's that no
    /// unfinished store accounts for; leftovers of an unfinished one are removed.
    pub fn create(dir: impl AsRef<Path>, spec: StoreSpec) -> Result<Self> {
        spec.check()?;
        let dir = dir.as_ref().to_owned();
        layout::begin(&dir)?;
        let tokens = spec.has_tokens.then(|| TokensWriter::create(&dir)).transpose()?;
        Ok(Self {
            format: ShardFormat::new(&spec),
            buffer: ShardBuffer::new(&spec),
            stats: spec.columns.iter().map(|column| ColumnStats::new(column.width)).collect(),
            shards: Vec::new(),
            tokens,
            sequences: 0,
            rows: 0,
            failed: false,
            dir,
            spec,
        })
    }

    /// Appends a sequence to the tokens table and returns its number.
    pub fn push_sequence(&mut self, sequence: &TokenizedSequence) -> Result<u32> {
        self.guarded(|writer| {
            let Some(tokens) = &mut writer.tokens else {
                let problem = "its spec says it has no tokens, but it was given a sequence";
                return Err(Error::Spec { problem: problem.to_owned() });
            };
            if writer.sequences == u32::MAX {
                return Err(Error::TooManySequences { limit: u32::MAX });
            }
            tokens.push(sequence)?;
            writer.sequences += 1;
            Ok(writer.sequences - 1)
        })
    }

    /// Appends rows; fails at the first value that is not finite or that the dtype cannot hold.
    pub fn push_rows(&mut self, block: &RowBlock<'_>) -> Result<()> {
        self.guarded(|writer| {
            writer.check_shape(block)?;
            for (column, matrix) in block.columns.iter().enumerate() {
                writer.check_values(block, column, *matrix)?;
            }
            writer.append(block)
        })
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes what is left and then the manifest; fails where no row was pushed.
    pub fn finish(mut self) -> Result<Manifest> {
        self.guarded(Self::write_rest)
    }

    /// Does `work` unless something failed before, and remembers whether it failed.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(Error::WriterFailed { dir: self.dir.clone() });
        }
        let done = work(self);
        self.failed = done.is_err();
        done
    }

    fn check_shape(&self, block: &RowBlock<'_>) -> Result<()> {
        let check = saekit_core::Error::check_size;
        let columns = &self.spec.columns;
        check("number of columns of a block of rows", columns.len(), block.columns.len())?;
        let rows = block.columns[0].rows();
        for (spec, matrix) in columns.iter().zip(block.columns) {
            check(&format!("width of rows of `{}`", spec.name), spec.width, matrix.cols())?;
            check(&format!("number of rows of `{}`", spec.name), rows, matrix.rows())?;
        }
        let tokens = if self.spec.has_tokens { rows } else { 0 };
        check("number of sequences of a block of rows", tokens, block.sequences.len())?;
        check("number of positions of a block of rows", tokens, block.positions.len())?;
        match block.sequences.iter().find(|sequence| **sequence >= self.sequences) {
            None => Ok(()),
            Some(sequence) => {
                let (sequence, sequences) = (*sequence, self.sequences);
                Err(Error::UnknownSequence { sequence, sequences })
            }
        }
    }

    fn check_values(
        &self,
        block: &RowBlock<'_>,
        column: usize,
        matrix: MatrixView<'_>,
    ) -> Result<()> {
        let limit = self.spec.dtype.limit();
        let bad = |value: &f32| value.is_nan() || value.abs() >= limit;
        let Some(at) = matrix.as_slice().iter().position(bad) else { return Ok(()) };
        let (row, element) = (at / matrix.cols(), at % matrix.cols());
        let value = matrix.as_slice()[at];
        let hook = self.spec.columns[column].name.to_string();
        let place = match block.positions.get(row) {
            Some(position) => format!("sequence {}, position {position}", block.sequences[row]),
            None => format!("row {}", self.rows + row as u64),
        };
        if !value.is_finite() {
            return Err(Error::NonFinite { hook, place, element, value });
        }
        let (dtype, remedy) = (self.spec.dtype, DType::holding(value));
        Err(Error::Overflow { hook, place, element, value, dtype, remedy })
    }

    fn append(&mut self, block: &RowBlock<'_>) -> Result<()> {
        let (mut row, mut scratch) = (Vec::new(), Vec::new());
        for i in 0..block.columns[0].rows() {
            for (column, matrix) in block.columns.iter().enumerate() {
                row.clear();
                row.extend_from_slice(matrix.row(i));
                self.spec.dtype.store(&mut row, &mut scratch, self.buffer.column(column));
                self.stats[column].push(matrix.row(i), &row);
            }
            let token = block.sequences.get(i).map(|sequence| (*sequence, block.positions[i]));
            self.buffer.end_row(token);
            self.rows += 1;
            if self.buffer.rows() == self.spec.shard_rows() {
                self.write_shard()?;
            }
        }
        Ok(())
    }

    fn write_shard(&mut self) -> Result<()> {
        let index = self.shards.len();
        let mut order: Vec<u32> = (0..self.buffer.rows() as u32).collect();
        Rng::new(self.spec.seed, "store.shard").child(index as u64).shuffle(&mut order);
        let file = layout::shard_file(index);
        self.shards.push(self.format.write(&self.dir, file, &self.buffer, &order)?);
        self.buffer.clear();
        Ok(())
    }

    fn write_rest(&mut self) -> Result<Manifest> {
        if self.rows == 0 {
            return Err(Error::NoRows { dir: self.dir.clone() });
        }
        if self.buffer.rows() > 0 {
            self.write_shard()?;
        }
        let tokens = self.tokens.take().map(TokensWriter::finish).transpose()?;
        let columns = self.spec.columns.iter().zip(&self.stats);
        let manifest = Manifest {
            format: Manifest::FORMAT.to_owned(),
            version: Manifest::VERSION,
            model: self.spec.model.clone(),
            tokenizer_sha256: self.spec.tokenizer_sha256.clone(),
            dataset: self.spec.dataset.clone(),
            context_size: self.spec.context_size,
            prepend_bos: self.spec.prepend_bos,
            excluded_tokens: self.spec.excluded_tokens.clone(),
            seed: self.spec.seed,
            rows: self.rows,
            sequences: u64::from(self.sequences),
            columns: columns.map(|(spec, stats)| stats.finish(spec, self.spec.dtype)).collect(),
            tokens,
            shards: std::mem::take(&mut self.shards),
        };
        write_json(&self.dir.join(MANIFEST), &manifest)?;
        layout::end(&self.dir)?;
        Ok(manifest)
    }
}
