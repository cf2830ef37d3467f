use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use saekit_core::files::HashingWriter;
use saekit_core::{Error as CoreError, Interrupt, LanguageModel, Observer, Tokenizer};
use saekit_store::{
    ColumnSpec, Dataset, LiveConfig, Manifest, Positions, RowSink, StoreSpec, StoreWriter,
    StreamConfig,
};

use crate::capture::{Block, Capture};
use crate::config::HarvestConfig;
use crate::corpus::{Corpus, Kind, Limits};
use crate::error::Result;
use crate::inputs;
use crate::settings;
use crate::source::{self, Fields};
use crate::tokens::{Batch, Batches, Recipe};

/// Batches tokenised ahead of the forward pass.
const AHEAD: usize = 4;

/// A harvest that is ready to begin: settings checked, every document read and checked.
///
/// The documents lie in an unnamed file beside the output folder, in whose place nothing is
/// written before [`run`](Self::run).
pub struct Harvest<'a> {
    pub(crate) config: HarvestConfig,
    pub(crate) model: &'a dyn LanguageModel,
    pub(crate) tokenizer: Option<&'a dyn Tokenizer>,
    pub(crate) out: PathBuf,
    pub(crate) columns: Vec<ColumnSpec>,
    pub(crate) special: Vec<u32>,
    pub(crate) context_size: usize,
    pub(crate) dataset: Dataset,
    pub(crate) corpus: Corpus,
}

/// What came out of a harvest.
#[derive(Clone, Debug, PartialEq)]
pub struct HarvestReport {
    /// Documents in the input.
    pub documents: u64,
    /// Those among them without a byte of text.
    pub empty_documents: u64,
    /// Sequences that went through the model.
    pub sequences: u64,
    /// Tokens in them.
    pub tokens: u64,
    /// Rows stored.
    pub rows: u64,
    /// Those among them that an earlier harvest had stored before it was stopped.
    pub resumed_rows: u64,
    /// Rows of special tokens, which were left out.
    pub excluded: u64,
    /// Size of shards and tokens table.
    pub bytes: u64,
    /// From the first forward pass to the finished store.
    pub seconds: f64,
    /// The store's manifest.
    pub manifest: Manifest,
}

impl HarvestReport {
    /// Rows computed and stored a second.
    pub fn rows_per_second(&self) -> f64 {
        (self.rows - self.resumed_rows) as f64 / self.seconds.max(1e-9)
    }
}

impl<'a> Harvest<'a> {
    /// Checks the settings against the model and reads all documents. Nothing stays on disk.
    ///
    /// `out` is the folder of the coming store. `tokenizer` is needed where the input is text.
    pub fn prepare(
        config: HarvestConfig,
        model: &'a dyn LanguageModel,
        tokenizer: Option<&'a dyn Tokenizer>,
        out: &Path,
        interrupt: &Interrupt,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        let info = model.info();
        let columns = settings::columns(&config, model)?;
        let context_size = settings::context_size(&config, info.n_ctx)?;
        let special = settings::special(&config, tokenizer, info.d_vocab)?;
        let files = inputs::files(&config.inputs, &config.choice, observer)?;
        let limits = Limits {
            d_vocab: info.d_vocab,
            n_ctx: info.n_ctx,
            text: tokenizer.is_some(),
            special: &special,
        };
        let fields = Fields::new(config.text_field.as_deref());
        let scratch = existing_ancestor(out);
        let corpus = source::read(&files, &fields, limits, scratch, interrupt, observer)?;
        let dataset = Dataset {
            name: settings::dataset_name(&config),
            sha256: Some(hash_of(&files, interrupt)?),
        };
        let out = out.to_owned();
        Ok(Self { config, model, tokenizer, out, columns, special, context_size, dataset, corpus })
    }

    /// Runs the model over all documents and writes the store.
    ///
    /// Tokenising runs ahead in a thread of its own. Where it fails or is interrupted no manifest
    /// is left, so no store; the same harvest, prepared and run again, goes on after the last whole
    /// shard and leaves the same bytes. One of other settings, model or documents fails there.
    pub fn run(&self, interrupt: &Interrupt, observer: &mut dyn Observer) -> Result<HarvestReport> {
        self.warn(observer);
        let mut writer = StoreWriter::resume(&self.out, self.spec(), &self.more(), "harvest")?;
        let resumed_rows = writer.first_row();
        if resumed_rows > 0 {
            observer
                .warn(&format!("going on after the {resumed_rows} rows that are stored already"));
        }
        let mut done = Done::default();
        let (total, unit) = self.total();
        observer.begin("harvesting", Some(total), unit);
        let started = Instant::now();
        self.for_each_block(&mut writer, interrupt, |block| {
            done.add(block);
            let rows = done.rows.saturating_sub(resumed_rows);
            let rate = rows as f64 / started.elapsed().as_secs_f64().max(1e-9);
            if unit == "rows" {
                observer.advance(done.rows, &format!("{rate:.0} rows/s"));
            } else {
                let note = format!("{} rows, {rate:.0} rows/s", done.rows);
                observer.advance(block.batch.consumed, &note);
            }
        })?;
        observer.end();
        let manifest = writer.finish()?;
        let sizes = manifest.shards.iter().map(|shard| shard.bytes);
        Ok(HarvestReport {
            documents: self.corpus.documents(),
            empty_documents: self.corpus.empty_documents(),
            sequences: done.sequences,
            tokens: done.tokens,
            rows: done.rows,
            resumed_rows,
            excluded: done.excluded,
            bytes: sizes.sum::<u64>() + manifest.tokens.as_ref().map_or(0, |file| file.bytes),
            seconds: started.elapsed().as_secs_f64(),
            manifest,
        })
    }

    /// Runs the model over all documents and hands over sequences and rows, in the order of the
    /// store, without writing anything. A batch all of whose rows come before
    /// [`RowSink::first_row`] is not computed.
    ///
    /// One call at a time: the documents are read from one place in one file.
    pub fn produce(&self, sink: &mut dyn RowSink, interrupt: &Interrupt) -> Result<()> {
        self.for_each_block(sink, interrupt, |_| ())
    }

    /// What [`LiveRows::scope`](saekit_store::LiveRows::scope) needs to give the rows of
    /// [`produce`](Self::produce) as `stream` says. Tokenises all documents to count them.
    pub fn live(&self, stream: StreamConfig, interrupt: &Interrupt) -> Result<LiveConfig> {
        let (spec, rows) = (self.spec(), self.count(interrupt)?);
        let (sha256, interrupt) = (spec.sha256(&self.more()), interrupt.clone());
        Ok(LiveConfig { spec, rows, sha256, stream, interrupt })
    }

    /// Rows of the harvest.
    fn count(&self, interrupt: &Interrupt) -> Result<u64> {
        let (capture, max_rows) = (self.capture(), self.config.max_rows.unwrap_or(u64::MAX));
        let mut rows = 0;
        for batch in self.batches(interrupt) {
            let ids = batch?.sequences.into_iter().flat_map(|sequence| sequence.ids);
            rows += ids.filter(|id| capture.keeps(*id)).count() as u64;
            if rows >= max_rows {
                return Ok(max_rows);
            }
        }
        Ok(rows)
    }

    /// The sequences, in batches.
    pub(crate) fn batches<'b>(&'b self, interrupt: &'b Interrupt) -> Batches<'b> {
        Batches::new(Recipe {
            corpus: &self.corpus,
            tokenizer: self.tokenizer,
            d_vocab: self.model.info().d_vocab,
            context_size: self.context_size,
            batch_tokens: self.config.batch_tokens,
            seed: self.config.seed,
            interrupt,
        })
    }

    /// Runs the model.
    pub(crate) fn capture(&self) -> Capture<'_> {
        Capture { model: self.model, columns: &self.columns, special: &self.special }
    }

    /// Hands the rows of each batch to `sink`, in order, until `max_rows`, and then to `after`.
    fn for_each_block(
        &self,
        sink: &mut dyn RowSink,
        interrupt: &Interrupt,
        mut after: impl FnMut(&Block),
    ) -> Result<()> {
        let capture = self.capture();
        let max_rows = self.config.max_rows.unwrap_or(u64::MAX);
        let mut rows = 0;
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel::<Result<Batch>>(AHEAD);
            let batches = self.batches(interrupt);
            scope.spawn(move || {
                for batch in batches {
                    if sender.send(batch).is_err() {
                        break; // the other side has failed, or has rows enough
                    }
                }
            });
            for batch in receiver {
                interrupt.check()?;
                let skip = sink.first_row().saturating_sub(rows);
                let block = capture.block(batch?, max_rows - rows, skip)?;
                rows += block.rows() as u64;
                block.write(sink)?;
                after(&block);
                if rows == max_rows {
                    break;
                }
            }
            Ok(())
        })
    }

    fn warn(&self, observer: &mut dyn Observer) {
        let (empty, all) = (self.corpus.empty_documents(), self.corpus.documents());
        if empty > 0 {
            observer.warn(&format!("{empty} of {all} documents are empty"));
        }
        let nulls = self.corpus.null_records();
        if nulls > 0 {
            let records = nulls + all;
            observer.warn(&format!("{nulls} of {records} records are null and were left out"));
        }
        if self.tokenizer.is_none() && !self.config.keep_special {
            observer.warn(
                "the model has no tokenizer, so which ids are special is not known: every row is kept",
            );
        }
    }

    /// What progress is measured in.
    fn total(&self) -> (u64, &'static str) {
        match self.config.max_rows {
            Some(rows) => (rows, "rows"),
            None => (self.corpus.bytes(), "bytes"),
        }
    }

    /// What decides the rows beside the spec, by names that people know.
    fn more(&self) -> [(&'static str, String); 3] {
        let HarvestConfig { batch_tokens, max_rows, text_field, .. } = &self.config;
        let or = |value: Option<String>, otherwise: &str| value.unwrap_or(otherwise.to_owned());
        [
            ("tokens a batch", batch_tokens.to_string()),
            ("rows", or(max_rows.map(|rows| rows.to_string()), "all")),
            ("text field", or(text_field.clone(), "by default")),
        ]
    }

    fn spec(&self) -> StoreSpec {
        let text = self.corpus.kind() == Kind::Text;
        let bos = self.tokenizer.and_then(Tokenizer::bos);
        StoreSpec {
            model: Some(self.model.info().clone()),
            tokenizer_sha256: self.tokenizer.map(|tokenizer| tokenizer.sha256().to_owned()),
            dataset: Some(self.dataset.clone()),
            context_size: if text { Some(self.context_size) } else { self.corpus.record_size() },
            prepend_bos: text.then_some(bos.is_some()),
            excluded_tokens: self.special.clone(),
            seed: self.config.seed,
            columns: self.columns.clone(),
            dtype: self.config.dtype,
            shard_bytes: self.config.shard_bytes,
            row_group_bytes: StoreSpec::ROW_GROUP_BYTES.min(self.config.shard_bytes),
            has_tokens: true,
            positions: Some(match self.config.max_rows {
                None => Positions::All,
                Some(_) => Positions::First,
            }),
        }
    }
}

/// How far a harvest is.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    sequences: u64,
    tokens: u64,
    rows: u64,
    excluded: u64,
}

impl Done {
    fn add(&mut self, block: &Block) {
        self.sequences += block.batch.sequences.len() as u64;
        self.tokens += block.batch.sequences.iter().map(|s| s.ids.len() as u64).sum::<u64>();
        self.rows += block.rows() as u64;
        self.excluded += block.excluded;
    }
}

/// The nearest folder above `out`, or `out` itself, that is there: the disk the store goes to.
fn existing_ancestor(out: &Path) -> &Path {
    out.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("."))
}

/// SHA-256 of the files one after another, hex: what `cat files | sha256sum` says.
fn hash_of(files: &[PathBuf], interrupt: &Interrupt) -> Result<String> {
    const BLOCK: u64 = 64 << 20;
    let mut hasher = HashingWriter::new(io::sink());
    for path in files {
        let mut file = File::open(path).map_err(CoreError::io("read", path))?;
        while io::copy(&mut file.by_ref().take(BLOCK), &mut hasher)
            .map_err(CoreError::io("read", path))?
            > 0
        {
            interrupt.check()?;
        }
    }
    Ok(hasher.finish().1)
}
