//! Several sources as one.

use saekit_core::files::sha256;
use saekit_core::rng::Rng;

use saekit_core::{ColumnSpec, Cursor, RowBatch, RowSource};

use crate::error::{Error, Result, StreamError};

/// Rows of several sources, each row from a source drawn by weight.
///
/// The seed and `n` alone decide which source row `n` comes from, so batches of any size give the same
/// rows in the same order. Each source goes through its own epochs and must be endless. Batches have
/// sequences and positions if all sources have them.
#[derive(Debug)]
pub struct Mixture<S> {
    sources: Vec<S>,
    /// Of all weights, up to and with each source's.
    cumulative: Vec<f64>,
    rng: Rng,
    seed: u64,
    /// Rows given.
    row: u64,
}

impl<S: RowSource> Mixture<S> {
    /// Mixes `sources` with the weights beside them, which need not sum to 1.
    ///
    /// Fails where there is no source, a weight is not positive, or columns differ.
    pub fn new(sources: Vec<(S, f64)>, seed: u64) -> Result<Self> {
        let fail = |problem: String| Err(StreamError::Mixture { problem }.into());
        let Some((first, _)) = sources.first() else {
            return fail("there are no sources".to_owned());
        };
        for (i, (source, weight)) in sources.iter().enumerate() {
            if !(*weight > 0.0 && weight.is_finite()) {
                return fail(format!("source {i} has weight {weight}, expected more than 0"));
            }
            if source.columns() != first.columns() {
                let [found, expected] = [source, first].map(|source| describe(source.columns()));
                return fail(format!("source {i} has {found}, but source 0 has {expected}"));
            }
        }
        let total: f64 = sources.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let mut cumulative = Vec::with_capacity(sources.len());
        for (_, weight) in &sources {
            sum += weight / total;
            cumulative.push(sum);
        }
        let sources = sources.into_iter().map(|(source, _)| source).collect();
        Ok(Self { sources, cumulative, rng: Rng::new(seed, "store.mixture"), seed, row: 0 })
    }

    /// The source of row `row`.
    fn source_of(&self, row: u64) -> usize {
        let draw = self.rng.uniform(row);
        self.cumulative.partition_point(|end| *end <= draw).min(self.sources.len() - 1)
    }

    fn order_sha256(&self) -> String {
        sha256(format!("mixture 1, seed {}, {:?}", self.seed, self.cumulative).as_bytes())
    }

    /// The next rows of each source, as many as `picks` names it.
    fn parts(&mut self, picks: &[usize]) -> saekit_core::Result<Vec<Option<RowBatch>>> {
        let mut parts = Vec::with_capacity(self.sources.len());
        for (i, source) in self.sources.iter_mut().enumerate() {
            let rows = picks.iter().filter(|pick| **pick == i).count();
            parts.push(if rows == 0 { None } else { source.next_batch(rows)? });
        }
        Ok(parts)
    }
}

fn describe(columns: &[ColumnSpec]) -> String {
    let columns = columns.iter().map(|column| format!("`{}` x {}", column.name, column.width));
    columns.collect::<Vec<_>>().join(", ")
}

/// Rows `picks` of `parts`, each part's in its order.
fn weave(
    picks: &[usize],
    parts: &[Option<RowBatch>],
    specs: &[ColumnSpec],
) -> saekit_core::Result<RowBatch> {
    let mut next = vec![0; parts.len()];
    let numbered = parts.iter().flatten().all(|part| !part.sequences.is_empty());
    let zeros = |spec: &ColumnSpec| saekit_core::Matrix::zeros(picks.len(), spec.width);
    let columns = specs.iter().map(zeros).collect();
    let mut batch = RowBatch { columns, sequences: vec![], positions: vec![] };
    for (to, pick) in picks.iter().enumerate() {
        let part = parts[*pick].as_ref().filter(|part| next[*pick] < part.rows());
        let ended = || {
            let problem = format!("source {pick} has ended");
            Error::from(StreamError::Mixture { problem })
        };
        let (part, row) = (part.ok_or_else(ended)?, next[*pick]);
        for (column, from) in batch.columns.iter_mut().zip(&part.columns) {
            column.row_mut(to).copy_from_slice(from.row(row));
        }
        if numbered {
            batch.sequences.push(part.sequences[row]);
            batch.positions.push(part.positions[row]);
        }
        next[*pick] += 1;
    }
    Ok(batch)
}

impl<S: RowSource> RowSource for Mixture<S> {
    fn columns(&self) -> &[ColumnSpec] {
        self.sources[0].columns()
    }

    fn rows_per_epoch(&self) -> u64 {
        self.sources.iter().map(RowSource::rows_per_epoch).sum()
    }

    fn next_batch(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        let before = self.cursor();
        let picks: Vec<_> = (0..rows as u64).map(|i| self.source_of(self.row + i)).collect();
        let parts = self.parts(&picks);
        let woven = parts.and_then(|parts| weave(&picks, &parts, self.columns()));
        match woven {
            Ok(batch) => {
                self.row += rows as u64;
                Ok(Some(batch))
            }
            Err(error) => {
                self.seek(&before)?;
                Err(error)
            }
        }
    }

    fn cursor(&self) -> Cursor {
        let parts: Vec<_> = self.sources.iter().map(RowSource::cursor).collect();
        let stores: Vec<_> = parts.iter().map(|part| part.store_sha256.as_str()).collect();
        Cursor {
            store_sha256: sha256(stores.join(" ").as_bytes()),
            order_sha256: self.order_sha256(),
            epoch: 0,
            row: self.row,
            parts,
        }
    }

    fn seek(&mut self, cursor: &Cursor) -> saekit_core::Result<()> {
        let is_own = cursor.order_sha256 == self.order_sha256();
        if !is_own || cursor.parts.len() != self.sources.len() {
            let problem = "the position to go on from belongs to other sources or weights";
            return Err(Error::from(StreamError::Mixture { problem: problem.to_owned() }).into());
        }
        for (source, part) in self.sources.iter_mut().zip(&cursor.parts) {
            source.seek(part)?;
        }
        self.row = cursor.row;
        Ok(())
    }
}
