//! One forward pass, and the rows of it that are stored.

use saekit_core::{Error as CoreError, HookPoint, LanguageModel, Matrix, MatrixView, TokenBatch};
use saekit_store::{ColumnSpec, RowBlock, RowSink};

use crate::error::Result;
use crate::tokens::Batch;

/// Runs a model over batches.
#[derive(Clone, Copy)]
pub(crate) struct Capture<'a> {
    /// The model.
    pub(crate) model: &'a dyn LanguageModel,
    /// Where activations are read, and their widths.
    pub(crate) columns: &'a [ColumnSpec],
    /// Ids whose rows are left out, ascending.
    pub(crate) special: &'a [u32],
}

/// The rows of a batch.
pub(crate) struct Block {
    /// The sequences, all of which have a row here unless all of their tokens are special.
    pub(crate) batch: Batch,
    /// Sequence in the batch and position of each row.
    places: Vec<(usize, usize)>,
    /// One matrix a column, `[rows, width]`; none where the rows were not computed.
    columns: Vec<Matrix>,
    /// Rows of special tokens, left out.
    pub(crate) excluded: u64,
}

impl Capture<'_> {
    /// True where the row of token `id` is stored.
    pub(crate) fn keeps(&self, id: u32) -> bool {
        self.special.binary_search(&id).is_err()
    }

    /// The activations of whole sequences, `[rows * width, d]` a column.
    pub(crate) fn forward(&self, batch: &Batch) -> Result<(TokenBatch, Vec<Matrix>)> {
        let ids: Vec<Vec<u32>> = batch.sequences.iter().map(|s| s.ids.clone()).collect();
        let tokens = TokenBatch::new(&ids);
        let hooks: Vec<HookPoint> = self.columns.iter().map(|column| column.name.clone()).collect();
        let captured = self.model.capture(&tokens, &hooks)?;
        CoreError::check_size("number of hook points the model gave", hooks.len(), captured.len())?;
        for (column, matrix) in self.columns.iter().zip(&captured) {
            let what = |part| format!("{part} of the activations at `{}`", column.name);
            let rows = tokens.rows() * tokens.width();
            CoreError::check_size(&what("number of rows"), rows, matrix.rows())?;
            CoreError::check_size(&what("width"), column.width, matrix.cols())?;
        }
        Ok((tokens, captured))
    }

    /// The rows of `batch`, at most `room` of them. Sequences behind the last of the rows are
    /// dropped. Where no row comes after the first `skip`, none is computed.
    pub(crate) fn block(&self, mut batch: Batch, room: u64, skip: u64) -> Result<Block> {
        let (places, excluded) = self.places(&mut batch, room);
        if places.len() as u64 <= skip {
            return Ok(Block { batch, places, columns: Vec::new(), excluded });
        }
        let (tokens, captured) = self.forward(&batch)?;
        let gather = |matrix: &Matrix| {
            let mut rows = Vec::with_capacity(places.len() * matrix.cols());
            for (sequence, position) in &places {
                rows.extend_from_slice(matrix.row(sequence * tokens.width() + position));
            }
            Matrix::new(places.len(), matrix.cols(), rows)
        };
        let columns = captured.iter().map(gather).collect();
        Ok(Block { batch, places, columns, excluded })
    }

    fn places(&self, batch: &mut Batch, room: u64) -> (Vec<(usize, usize)>, u64) {
        let (mut places, mut excluded, mut used) = (Vec::new(), 0, 0);
        for (sequence, tokens) in batch.sequences.iter().enumerate() {
            for (position, id) in tokens.ids.iter().enumerate() {
                if places.len() as u64 == room {
                    break;
                }
                used = sequence + 1;
                if self.keeps(*id) {
                    places.push((sequence, position));
                } else {
                    excluded += 1;
                }
            }
        }
        batch.sequences.truncate(used);
        (places, excluded)
    }
}

impl Block {
    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.places.len()
    }

    /// Hands over sequences and rows.
    pub(crate) fn write(&self, sink: &mut dyn RowSink) -> Result<()> {
        let numbers = self.batch.sequences.iter().map(|sequence| sink.push_sequence(sequence));
        let numbers = numbers.collect::<saekit_core::Result<Vec<u32>>>()?;
        if self.columns.is_empty() {
            return Ok(sink.skip_rows(self.places.len() as u64)?);
        }
        let sequences: Vec<u32> = self.places.iter().map(|(i, _)| numbers[*i]).collect();
        let positions: Vec<u32> =
            self.places.iter().map(|(_, position)| *position as u32).collect();
        let columns: Vec<MatrixView<'_>> = self.columns.iter().map(Matrix::view).collect();
        sink.push_rows(&RowBlock {
            sequences: &sequences,
            positions: &positions,
            columns: &columns,
        })?;
        Ok(())
    }
}
