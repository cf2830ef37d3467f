//! Any store written again as saekit's own, its rows in their order or in one over the whole store.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use saekit_core::files::{read_sealed, write_sealed};
use saekit_core::rng::{Permutation, Rng};
use saekit_core::{
    ColumnSpec, Cursor, Error as CoreError, HookPoint, Interrupt, MatrixView, Observer, RowBatch,
    RowBlock, RowSink as _, RowSource as _,
};
use serde::{Deserialize, Serialize};

use crate::error::{DamageError, Error, Result};
use crate::format::dtype::DType;
use crate::format::manifest::Manifest;
use crate::format::names::BUCKETS;
use crate::format::spec::StoreSpec;
use crate::select::row_selection::RowSelection;
use crate::store::Store;
use crate::stream::scanned::ScannedRows;
use crate::write::store_writer::StoreWriter;

/// Rows handled at a time.
const ROWS: usize = 1024;
/// Memory for rows on their way to their buckets.
const BUCKETS_BYTES: usize = 64 << 20;

/// How to write a store again.
#[derive(Clone, Debug)]
pub struct ConvertConfig {
    /// Columns to keep; all where there are none.
    pub columns: Vec<HookPoint>,
    /// Rows to keep, chosen from the store; all unless given.
    pub rows: Option<RowSelection>,
    /// The dtype of the new store.
    pub dtype: DType,
    /// Whether rows are put in a random order over the whole store: each shard is then a sample of
    /// all rows. Takes four bytes per value on the disk, beside the new store, while it works.
    pub shuffle: bool,
    /// Decides the order.
    pub seed: u64,
    /// Payload of a full shard, bytes; one is held in memory.
    pub shard_bytes: u64,
}

impl Default for ConvertConfig {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            rows: None,
            dtype: DType::F16,
            shuffle: false,
            seed: 0,
            shard_bytes: StoreSpec::SHARD_BYTES,
        }
    }
}

impl Store {
    /// Writes the store again into the folder `out`; see [`ConvertConfig`].
    ///
    /// A conversion that was stopped resumes after its last whole shard. Fails where `out` holds a
    /// store, or the beginning of another one; where a value is not finite, or too large for the
    /// dtype.
    pub fn convert(
        &self,
        out: &Path,
        config: &ConvertConfig,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<Manifest> {
        let conversion = Conversion::new(self, out, config)?;
        let more = conversion.more();
        let mut writer = StoreWriter::resume(out, conversion.spec.clone(), &more, "convert-store")?;
        conversion.copy_sequences(&mut writer, interrupt)?;
        if config.shuffle {
            let buckets = conversion.scatter(observer, interrupt)?;
            conversion.gather(&buckets, &mut writer, (observer, interrupt))?;
        } else {
            conversion.copy(&mut writer, (observer, interrupt))?;
        }
        writer.finish()
    }
}

struct Conversion<'a> {
    store: &'a Store,
    out: &'a Path,
    config: &'a ConvertConfig,
    spec: StoreSpec,
    columns: Vec<(HookPoint, f32)>,
    rows: u64,
}

impl<'a> Conversion<'a> {
    fn new(store: &'a Store, out: &'a Path, config: &'a ConvertConfig) -> Result<Self> {
        let manifest = store.manifest();
        let mut specs: Vec<ColumnSpec> = Vec::new();
        for name in &config.columns {
            specs.push(store.column(name)?.spec());
        }
        if specs.is_empty() {
            specs =
                manifest.columns.iter().map(crate::format::manifest::ColumnInfo::spec).collect();
        }
        let columns = specs.iter().map(|spec| (spec.name.clone(), 1.0)).collect();
        let spec = StoreSpec {
            model: manifest.model.clone(),
            tokenizer_sha256: manifest.tokenizer_sha256.clone(),
            dataset: manifest.dataset.clone(),
            context_size: manifest.context_size,
            prepend_bos: manifest.prepend_bos,
            excluded_tokens: manifest.excluded_tokens.clone(),
            seed: config.seed,
            columns: specs,
            dtype: config.dtype,
            shard_bytes: config.shard_bytes,
            row_group_bytes: StoreSpec::ROW_GROUP_BYTES.min(config.shard_bytes),
            has_tokens: store.tokens().is_some(),
            positions: manifest.positions.filter(|_| config.rows.is_none()),
        };
        let rows = config.rows.as_ref().map_or(manifest.rows, |rows| rows.counts().kept);
        Ok(Self { store, out, config, spec, columns, rows })
    }

    /// The settings beside the spec that decide the new store.
    fn more(&self) -> [(&'static str, String); 3] {
        let filter = self.config.rows.as_ref().map_or_else(String::new, RowSelection::sha256);
        [
            ("source", self.store.sha256().to_owned()),
            ("shuffle", self.config.shuffle.to_string()),
            ("filter", filter),
        ]
    }

    fn scan(&self) -> Result<ScannedRows> {
        match &self.config.rows {
            None => self.store.scan(&self.columns),
            Some(rows) => self.store.scan_selection(&self.columns, rows),
        }
    }

    fn copy_sequences(&self, writer: &mut StoreWriter, interrupt: &Interrupt) -> Result<()> {
        let Some(tokens) = self.store.tokens() else { return Ok(()) };
        for group in tokens.groups() {
            interrupt.check()?;
            for sequence in tokens.read(group)? {
                writer.push_sequence(&sequence)?;
            }
        }
        Ok(())
    }

    /// Copies rows in their order.
    fn copy(
        &self,
        writer: &mut StoreWriter,
        (observer, interrupt): (&mut dyn Observer, &Interrupt),
    ) -> Result<()> {
        let mut scan = self.scan()?;
        let first = writer.first_row();
        writer.skip_rows(first)?;
        scan.seek(&Cursor { row: first, ..scan.cursor() }).map_err(Error::from_core)?;
        observer.begin("writing", Some(self.rows), "rows");
        while let Some(batch) = scan.next_batch(ROWS).map_err(Error::from_core)? {
            interrupt.check()?;
            push(writer, &batch, self.spec.has_tokens)?;
            observer.advance(writer.rows(), "");
        }
        observer.end();
        Ok(())
    }

    /// Appends every row to the bucket of its shard, unless that was done before.
    fn scatter(&self, observer: &mut dyn Observer, interrupt: &Interrupt) -> Result<ShardBuckets> {
        let mut buckets = ShardBuckets::new(self.out.join(BUCKETS), &self.spec, self.rows);
        let identity = self.spec.sha256(&self.more());
        if buckets.are_done(&identity) {
            return Ok(buckets);
        }
        buckets.begin()?;
        let place = Permutation::new(Rng::new(self.config.seed, "store.convert"), self.rows);
        let (mut scan, mut row) = (self.scan()?, 0);
        observer.begin("dealing rows to shards", Some(self.rows), "rows");
        while let Some(batch) = scan.next_batch(ROWS).map_err(Error::from_core)? {
            interrupt.check()?;
            for i in 0..batch.rows() {
                buckets.put(place.get(row) / self.spec.shard_rows() as u64, &batch, i)?;
                row += 1;
            }
            observer.advance(row, "");
        }
        observer.end();
        buckets.finish(&identity)?;
        Ok(buckets)
    }

    /// Writes each bucket as a shard.
    fn gather(
        &self,
        buckets: &ShardBuckets,
        writer: &mut StoreWriter,
        (observer, interrupt): (&mut dyn Observer, &Interrupt),
    ) -> Result<()> {
        observer.begin("writing", Some(self.rows), "rows");
        let mut left = writer.first_row();
        for bucket in 0..buckets.count() {
            let rows = buckets.rows(bucket);
            if left >= rows {
                writer.skip_rows(rows)?;
                left -= rows;
                continue;
            }
            let has_tokens = self.spec.has_tokens;
            buckets.read(bucket, interrupt, |batch| push(writer, batch, has_tokens))?;
            observer.advance(writer.rows(), "");
        }
        observer.end();
        Ok(())
    }
}

/// Writes rows. Those of a store without a tokens table lose their numbers, which would point to
/// nothing.
fn push(writer: &mut StoreWriter, batch: &RowBatch, has_tokens: bool) -> Result<()> {
    let numbers = if has_tokens { batch.rows() } else { 0 };
    let columns: Vec<MatrixView<'_>> = batch.columns.iter().map(|column| column.view()).collect();
    writer.push_rows(&RowBlock {
        sequences: &batch.sequences[..numbers],
        positions: &batch.positions[..numbers],
        columns: &columns,
    })
}

/// Files of rows, one per shard of the new store, so that each shard can be read at once.
struct ShardBuckets {
    dir: PathBuf,
    widths: Vec<usize>,
    has_tokens: bool,
    shard_rows: u64,
    total: u64,
    /// Bytes that wait to be written, for each bucket.
    buffers: Vec<Vec<u8>>,
    /// CRC-32 of each bucket's file.
    checksums: Vec<u32>,
}

/// What is written once all rows are dealt.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dealt {
    /// Hash of everything that decides the rows.
    identity: String,
    /// CRC-32 of each bucket's file.
    checksums: Vec<u32>,
}

impl ShardBuckets {
    fn new(dir: PathBuf, spec: &StoreSpec, total: u64) -> Self {
        let shard_rows = spec.shard_rows() as u64;
        Self {
            dir,
            widths: spec.columns.iter().map(|column| column.width).collect(),
            has_tokens: spec.has_tokens,
            shard_rows,
            total,
            buffers: vec![Vec::new(); total.div_ceil(shard_rows) as usize],
            checksums: vec![0; total.div_ceil(shard_rows) as usize],
        }
    }

    fn count(&self) -> usize {
        self.buffers.len()
    }

    /// Rows of a bucket.
    fn rows(&self, bucket: usize) -> u64 {
        self.shard_rows.min(self.total - bucket as u64 * self.shard_rows)
    }

    /// Bytes of a row: its values as singles, then sequence and position.
    fn row_bytes(&self) -> usize {
        4 * self.widths.iter().sum::<usize>() + if self.has_tokens { 8 } else { 0 }
    }

    fn path(&self, bucket: usize) -> PathBuf {
        self.dir.join(format!("rows-{bucket:05}"))
    }

    /// Written once all rows are dealt.
    fn mark(&self) -> PathBuf {
        self.dir.join("done")
    }

    /// Whether the rows that `identity` decides are dealt. Buckets of others, or with a mark that was
    /// changed, are dealt again.
    fn are_done(&mut self, identity: &str) -> bool {
        let Ok(dealt) = read_sealed::<Dealt>(&self.mark(), "mark of a conversion") else {
            return false;
        };
        let is_own = dealt.identity == identity && dealt.checksums.len() == self.count();
        if is_own {
            self.checksums = dealt.checksums;
        }
        is_own
    }

    /// Starts with empty buckets.
    fn begin(&self) -> Result<()> {
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir).map_err(CoreError::io("remove", &self.dir))?;
        }
        Ok(fs::create_dir_all(&self.dir).map_err(CoreError::io("create folder", &self.dir))?)
    }

    fn put(&mut self, bucket: u64, batch: &RowBatch, row: usize) -> Result<()> {
        let bucket = bucket as usize;
        let largest = (BUCKETS_BYTES / self.count()).max(self.row_bytes());
        let buffer = &mut self.buffers[bucket];
        for column in &batch.columns {
            buffer.extend_from_slice(bytemuck::cast_slice(column.row(row)));
        }
        if self.has_tokens {
            buffer.extend(batch.sequences[row].to_le_bytes());
            buffer.extend(batch.positions[row].to_le_bytes());
        }
        if buffer.len() >= largest { self.flush(bucket) } else { Ok(()) }
    }

    fn flush(&mut self, bucket: usize) -> Result<()> {
        let path = self.path(bucket);
        let buffer = &mut self.buffers[bucket];
        let append = || {
            OpenOptions::new().create(true).append(true).open(&path)?.write_all(buffer)?;
            Ok(())
        };
        append().map_err(CoreError::io("write", &path))?;
        self.checksums[bucket] = checksum(self.checksums[bucket], buffer);
        buffer.clear();
        Ok(())
    }

    fn finish(&mut self, identity: &str) -> Result<()> {
        for bucket in 0..self.count() {
            self.flush(bucket)?;
            self.buffers[bucket] = Vec::new();
        }
        let (identity, checksums) = (identity.to_owned(), self.checksums.clone());
        Ok(write_sealed(&self.mark(), &Dealt { identity, checksums })?)
    }

    /// Calls `take` with the rows of a bucket, a batch at a time.
    fn read(
        &self,
        bucket: usize,
        interrupt: &Interrupt,
        mut take: impl FnMut(&RowBatch) -> Result<()>,
    ) -> Result<()> {
        let path = self.path(bucket);
        let mut file = File::open(&path).map_err(CoreError::io("read", &path))?;
        let mut left = self.rows(bucket);
        let found = file.metadata().map_err(CoreError::io("read", &path))?.len();
        let expected = left * self.row_bytes() as u64;
        if found != expected {
            return Err(DamageError::Size { path, expected, found }.into());
        }
        let (mut words, mut crc) = (Vec::new(), 0);
        while left > 0 {
            interrupt.check()?;
            let rows = left.min(ROWS as u64) as usize;
            words.resize(rows * self.row_bytes() / 4, 0_u32);
            file.read_exact(bytemuck::cast_slice_mut(&mut words))
                .map_err(CoreError::io("read", &path))?;
            crc = checksum(crc, bytemuck::cast_slice(&words));
            left -= rows as u64;
            // Before the last rows are handed over, which make the shard whole.
            if left == 0 && crc != self.checksums[bucket] {
                return Err(CoreError::Changed { path }.into());
            }
            take(&self.batch(&words, rows))?;
        }
        Ok(())
    }

    fn batch(&self, words: &[u32], rows: usize) -> RowBatch {
        let zeros = |width: &usize| saekit_core::Matrix::zeros(rows, *width);
        let mut batch = RowBatch {
            columns: self.widths.iter().map(zeros).collect(),
            sequences: Vec::new(),
            positions: Vec::new(),
        };
        for (row, mut words) in words.chunks_exact(self.row_bytes() / 4).enumerate() {
            for (column, width) in batch.columns.iter_mut().zip(&self.widths) {
                let (values, rest) = words.split_at(*width);
                column.row_mut(row).copy_from_slice(bytemuck::cast_slice(values));
                words = rest;
            }
            if let [sequence, position] = words {
                batch.sequences.push(*sequence);
                batch.positions.push(*position);
            }
        }
        batch
    }
}

/// CRC-32 of `bytes` after those of which it was `before`.
fn checksum(before: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(bytes);
    hasher.finalize()
}
