use std::time::Instant;

use saekit_core::Interrupt;
use saekit_store::TokenizedSequence;

use crate::corpus::Kind;
use crate::error::Result;
use crate::harvest::Harvest;
use crate::tokens::Batch;

/// Tokens that are looked at to estimate the rest.
const SAMPLE_TOKENS: u64 = 1 << 17;

/// Bytes a row's sequence and position take beside its values, compressed (measured).
const BYTES_PLACE: f64 = 3.0;
/// Bytes a token takes in the tokens table, compressed (measured).
const BYTES_TOKEN: f64 = 2.5;

/// What a harvest will come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quote {
    /// Documents in the input, counted.
    pub documents: u64,
    /// Sequences that will go through the model.
    pub sequences: u64,
    /// Tokens in them.
    pub tokens: u64,
    /// Rows that will be stored.
    pub rows: u64,
    /// Whether sequences, tokens and rows were counted; otherwise they are extrapolated from a
    /// random sample of the documents, by bytes of text.
    pub exact: bool,
    /// Size on disk, estimated.
    pub bytes: u64,
    /// Time it will take, estimated: the slower of tokenising and the forward pass, which overlap,
    /// both timed on this machine; without writing to disk.
    pub seconds: f64,
}

/// Counts, whole or of a sample.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    sequences: f64,
    tokens: f64,
    rows: f64,
}

impl Counts {
    fn scaled(self, by: f64) -> Self {
        Self { sequences: self.sequences * by, tokens: self.tokens * by, rows: self.rows * by }
    }
}

/// What a look at the first documents told.
struct Sample {
    counts: Counts,
    exact: bool,
    seconds_per_token: f64,
    /// As many sequences as a batch holds.
    probe: Vec<TokenizedSequence>,
}

impl Harvest<'_> {
    /// What [`run`](Harvest::run) will come to. Tokenises a sample and runs the model twice over
    /// one batch.
    pub fn quote(&self, interrupt: &Interrupt) -> Result<Quote> {
        let sample = self.sample(interrupt)?;
        let (mut counts, exact) = match self.corpus.kind() {
            Kind::Text => (sample.counts, sample.exact),
            Kind::Ids => {
                let ids = self.corpus.id_counts();
                let (sequences, tokens) = (ids.sequences as f64, ids.tokens as f64);
                (Counts { sequences, tokens, rows: tokens - ids.special as f64 }, true)
            }
        };
        if let Some(max) = self.config.max_rows.filter(|max| (*max as f64) < counts.rows) {
            counts = counts.scaled(max as f64 / counts.rows);
        }
        let forward = self.probe(sample.probe, interrupt)?;
        let dtype = self.config.dtype;
        let columns = self.columns.iter().map(|column| dtype.row_bytes(column.width));
        let row = columns.sum::<usize>() as f64 + BYTES_PLACE;
        Ok(Quote {
            documents: self.corpus.documents(),
            sequences: counts.sequences.round() as u64,
            tokens: counts.tokens.round() as u64,
            rows: counts.rows.round() as u64,
            exact,
            bytes: (counts.rows * row + counts.tokens * BYTES_TOKEN).round() as u64,
            seconds: counts.tokens * forward.max(sample.seconds_per_token),
        })
    }

    /// Tokenises documents in the order of the harvest: a random sample.
    fn sample(&self, interrupt: &Interrupt) -> Result<Sample> {
        let capture = self.capture();
        let mut batches = self.batches(interrupt);
        let (mut counts, mut exact, mut probe) = (Counts::default(), true, Vec::new());
        let mut width = 0;
        let started = Instant::now();
        while let Some((sequence, last)) = batches.sequence()? {
            counts.sequences += 1.0;
            counts.tokens += sequence.ids.len() as f64;
            counts.rows += sequence.ids.iter().filter(|id| capture.keeps(**id)).count() as f64;
            width = width.max(sequence.ids.len());
            if probe.is_empty() || (probe.len() + 1) * width <= self.config.batch_tokens {
                probe.push(sequence);
            }
            let enough = counts.tokens >= SAMPLE_TOKENS as f64;
            if last && enough && batches.consumed() < self.corpus.bytes() {
                exact = false;
                break;
            }
        }
        let seconds_per_token = started.elapsed().as_secs_f64() / counts.tokens.max(1.0);
        let scale = self.corpus.bytes() as f64 / batches.consumed().max(1) as f64;
        let counts = if exact { counts } else { counts.scaled(scale) };
        Ok(Sample { counts, exact, seconds_per_token, probe })
    }

    /// Seconds a token in the forward pass, after one that warms up.
    fn probe(&self, sequences: Vec<TokenizedSequence>, interrupt: &Interrupt) -> Result<f64> {
        let tokens: usize = sequences.iter().map(|sequence| sequence.ids.len()).sum();
        let batch = Batch { sequences, consumed: 0 };
        if batch.sequences.is_empty() {
            return Ok(0.0);
        }
        self.capture().forward(&batch)?;
        interrupt.check()?;
        let started = Instant::now();
        self.capture().forward(&batch)?;
        Ok(started.elapsed().as_secs_f64() / tokens as f64)
    }
}
