use std::path::{Path, PathBuf};

use saekit_core::files::{FolderLock, write_json};

use saekit_core::{RowBlock, RowSink, TokenizedSequence};

use crate::error::{OpenError, Result, WriteError};
use crate::format::manifest::Manifest;
use crate::format::names::{MANIFEST, shard_file};
use crate::format::spec::StoreSpec;
use crate::tokens::TokensWriter;
use crate::write::folder;
use crate::write::resume_state::State;
use crate::write::row_collector::RowCollector;
use crate::write::shard_file::ShardFormat;

/// Writes a store, shard by shard.
///
/// Shards are written when full, their rows in a random order; the manifest comes last. A writer
/// that fails or is dropped leaves no manifest: [`resume`](Self::resume) continues after its last
/// shard, [`create`](Self::create) clears what is left. In memory are the rows of one shard
/// ([`StoreSpec::shard_bytes`]), a row group and a few MiB.
#[derive(Debug)]
pub struct StoreWriter {
    dir: PathBuf,
    format: ShardFormat,
    collector: RowCollector,
    state: State,
    tokens: Option<TokensWriter>,
    failed: bool,
    /// Keeps other processes out of the folder.
    _lock: FolderLock,
}

impl StoreWriter {
    /// Begins a store in `dir`, which is created where it is missing.
    ///
    /// Refuses a folder that holds a finished store, or files named like a store's that no
    /// unfinished store accounts for, or that another process writes to; leftovers of an unfinished
    /// store are removed.
    pub fn create(dir: impl AsRef<Path>, spec: StoreSpec) -> Result<Self> {
        spec.check()?;
        let (dir, state) = (dir.as_ref(), State::new(&spec, &[]));
        let lock = folder::lock(dir, "writer")?;
        Self::begin(dir, spec, state, lock)
    }

    /// Resumes the unfinished store in `dir` after its last whole shard; begins one, as
    /// [`create`](Self::create) does, if no shard was finished.
    ///
    /// The caller gives the same sequences and rows again, from the first on; rows before
    /// [`first_row`](RowSink::first_row) may be [skipped](RowSink::skip_rows) instead. The store is
    /// then, to the byte, what the first writer would have written. `more` names the settings
    /// beside the spec that decide the rows, and `verb` tells other processes what is being done.
    /// Fails where one of the settings is not what the store was begun with, or another process writes
    /// to the folder.
    pub fn resume(
        dir: impl AsRef<Path>,
        spec: StoreSpec,
        more: &[(&str, String)],
        verb: &str,
    ) -> Result<Self> {
        spec.check()?;
        let (dir, new) = (dir.as_ref(), State::new(&spec, more));
        let lock = folder::lock(dir, verb)?;
        let begun = if folder::is_unfinished(dir) { State::read(dir)? } else { None };
        if let Some(state) = &begun {
            state.check(&new, dir)?;
        }
        Self::begin(dir, spec, begun.unwrap_or(new), lock)
    }

    /// Clears `dir` of everything but the shards in `state`.
    fn begin(dir: &Path, spec: StoreSpec, state: State, lock: FolderLock) -> Result<Self> {
        folder::begin(dir, &state.files(dir))?;
        let tokens = spec.has_tokens.then(|| TokensWriter::create(dir)).transpose()?;
        let (dir, format) = (dir.to_owned(), ShardFormat::new(&spec));
        let collector = RowCollector::new(spec, state.rows());
        Ok(Self { dir, format, collector, state, tokens, failed: false, _lock: lock })
    }

    /// Appends a sequence to the tokens table and returns its number.
    pub fn push_sequence(&mut self, sequence: &TokenizedSequence) -> Result<u32> {
        self.guarded(|writer| {
            let Some(tokens) = &mut writer.tokens else {
                let problem = "its spec says it has no tokens, but it was given a sequence";
                return Err(WriteError::Spec { problem: problem.to_owned() }.into());
            };
            let number = writer.collector.push_sequence()?;
            tokens.push(sequence)?;
            Ok(number)
        })
    }

    /// Appends rows; fails at the first value that is not finite or that the dtype cannot hold.
    pub fn push_rows(&mut self, block: &RowBlock<'_>) -> Result<()> {
        self.guarded(|writer| {
            writer.collector.check(block)?;
            let mut next = writer.collector.skip(block.rows() as u64) as usize;
            while next < block.rows() {
                let columns = &mut writer.state.columns;
                next += writer.collector.take(block, next, usize::MAX, |column, row, stored| {
                    columns[column].push(row, stored);
                });
                if writer.collector.is_full() {
                    writer.write_shard()?;
                }
            }
            Ok(())
        })
    }

    /// Rows taken so far, skipped ones included.
    pub fn rows(&self) -> u64 {
        self.collector.rows
    }

    /// Writes what is left and then the manifest; fails where no row was pushed.
    pub fn finish(mut self) -> Result<Manifest> {
        self.guarded(Self::write_rest)
    }

    /// Does `work` unless something failed before, and remembers whether it failed.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(WriteError::WriterFailed { dir: self.dir.clone() }.into());
        }
        let done = work(self);
        self.failed = done.is_err();
        done
    }

    fn write_shard(&mut self) -> Result<()> {
        let RowCollector { spec, shard, .. } = &mut self.collector;
        let index = self.state.shards.len();
        let order = spec.shard_order(index as u64, shard.rows());
        let file = shard_file(index);
        self.state.shards.push(self.format.write(&self.dir, file, shard, &order)?);
        shard.clear();
        self.state.write(&self.dir)
    }

    fn write_rest(&mut self) -> Result<Manifest> {
        if self.collector.rows == 0 {
            return Err(OpenError::NoRows { dir: self.dir.clone() }.into());
        }
        if self.collector.rows < self.collector.first_row {
            let (rows, before) = (self.collector.rows, self.collector.first_row);
            let problem = format!("its shards hold {before} rows, but only {rows} came again");
            return Err(WriteError::CannotGoOn { dir: self.dir.clone(), problem }.into());
        }
        if self.collector.shard.rows() > 0 {
            self.write_shard()?;
        }
        let tokens = self.tokens.take().map(TokensWriter::finish).transpose()?;
        let RowCollector { spec, rows, sequences, .. } = &self.collector;
        let columns = spec.columns.iter().zip(&self.state.columns);
        let manifest = Manifest {
            format: Manifest::FORMAT.to_owned(),
            version: Manifest::VERSION,
            model: spec.model.clone(),
            tokenizer_sha256: spec.tokenizer_sha256.clone(),
            dataset: spec.dataset.clone(),
            context_size: spec.context_size,
            prepend_bos: spec.prepend_bos,
            excluded_tokens: spec.excluded_tokens.clone(),
            seed: spec.seed,
            rows: *rows,
            sequences: u64::from(*sequences),
            positions: spec.positions,
            columns: columns.map(|(column, stats)| stats.finish(column, spec.dtype)).collect(),
            tokens,
            shards: self.state.shards.clone(),
        };
        write_json(&self.dir.join(MANIFEST), &manifest)?;
        folder::end(&self.dir)?;
        Ok(manifest)
    }
}

impl RowSink for StoreWriter {
    fn push_sequence(&mut self, sequence: &TokenizedSequence) -> saekit_core::Result<u32> {
        Ok(Self::push_sequence(self, sequence)?)
    }

    fn push_rows(&mut self, block: &RowBlock<'_>) -> saekit_core::Result<()> {
        Ok(Self::push_rows(self, block)?)
    }

    /// Rows in whole shards of the store that is resumed.
    fn first_row(&self) -> u64 {
        self.collector.first_row
    }

    fn skip_rows(&mut self, rows: u64) -> saekit_core::Result<()> {
        Ok(self.guarded(|writer| writer.collector.skip_all(rows))?)
    }
}
