//! Codecs, rows and a language model small enough to check by hand.

use std::path::Path;

use saekit_core::{
    Codec, CodecShape, Codes, ColumnSpec, Cursor, Edit, Error, HookPoint, LanguageModel, Matrix,
    MatrixView, ModelInfo, Provenance, Result, RowBatch, RowSource, SparseCodes, TokenBatch,
};

/// Writes back what it reads times a factor.
pub(crate) struct Scaling {
    pub(crate) d: usize,
    pub(crate) factor: f32,
    pub(crate) sparse: bool,
}

impl Codec for Scaling {
    fn shape(&self) -> CodecShape {
        CodecShape { d_in: self.d, d_out: self.d, d_code: self.d }
    }

    fn encode(&self, x: MatrixView<'_>) -> Result<Codes> {
        if !self.sparse {
            return Ok(Codes::Dense(x.to_matrix()));
        }
        let mut codes = SparseCodes::new(self.d);
        for row in x.iter() {
            let active = row.iter().enumerate().filter(|(_, value)| **value != 0.0);
            let (ids, values): (Vec<u32>, Vec<f32>) = active.map(|(id, v)| (id as u32, *v)).unzip();
            codes.push_row(&ids, &values);
        }
        Ok(Codes::Sparse(codes))
    }

    fn decode(&self, codes: &Codes, _x: MatrixView<'_>) -> Result<Matrix> {
        let mut rows = Matrix::zeros(codes.rows(), self.d);
        codes.for_each_active(|row, id, value| rows.row_mut(row)[id] = self.factor * value);
        Ok(rows)
    }

    fn save(&self, _dir: &Path, _provenance: &Provenance) -> Result<()> {
        Ok(())
    }
}

/// Rows in memory, once over, with the row's number halved as its sequence and the rest as its
/// position.
pub(crate) struct Rows {
    columns: Vec<ColumnSpec>,
    values: Vec<Matrix>,
    at: usize,
    pub(crate) has_tokens: bool,
}

impl Rows {
    pub(crate) fn new(columns: Vec<(&str, Matrix)>) -> Self {
        let spec = |name: &str, width| ColumnSpec { name: HookPoint::new(name), width };
        Self {
            columns: columns.iter().map(|(name, values)| spec(name, values.cols())).collect(),
            values: columns.into_iter().map(|(_, values)| values).collect(),
            at: 0,
            has_tokens: true,
        }
    }

    fn count(&self) -> usize {
        self.values[0].rows()
    }
}

impl RowSource for Rows {
    fn columns(&self) -> &[ColumnSpec] {
        &self.columns
    }

    fn rows_per_epoch(&self) -> u64 {
        self.count() as u64
    }

    fn next_batch(&mut self, rows: usize) -> Result<Option<RowBatch>> {
        let (start, end) = (self.at, (self.at + rows).min(self.count()));
        if start == end {
            return Ok(None);
        }
        self.at = end;
        let labels = |part: fn(usize) -> usize| {
            let rows = if self.has_tokens { start..end } else { 0..0 };
            rows.map(|row| part(row) as u32).collect()
        };
        Ok(Some(RowBatch {
            columns: self.values.iter().map(|m| m.view().slice(start, end).to_matrix()).collect(),
            sequences: labels(|row| row / 2),
            positions: labels(|row| row % 2),
        }))
    }

    fn cursor(&self) -> Cursor {
        let (store_sha256, order_sha256) = (String::new(), String::new());
        Cursor { store_sha256, order_sha256, epoch: 0, row: self.at as u64, parts: vec![] }
    }

    fn seek(&mut self, cursor: &Cursor) -> Result<()> {
        self.at = cursor.row as usize;
        Ok(())
    }
}

/// A model of three tokens and one hook, `middle`, one wide: token `v` has activation
/// `[2, 1, -1][v]`, position `t` sees its own activation plus that of position 0, and the logits are
/// `[0, 1, -1]` times the sum.
pub(crate) struct Toy {
    pub(crate) info: ModelInfo,
    /// Added to every logit of token 2 at position 1.
    pub(crate) poison: f32,
}

impl Toy {
    pub(crate) const HOOK: &str = "middle";

    pub(crate) fn new() -> Self {
        let info = ModelInfo {
            name: "toy".to_owned(),
            family: "toy".to_owned(),
            d_model: 1,
            n_layers: 1,
            n_ctx: 5,
            d_vocab: 3,
            sha256: String::new(),
        };
        Self { info, poison: 0.0 }
    }

    /// `-log p(next)` where the logits are `[0, sum, -sum]`.
    pub(crate) fn loss(sum: f64, next: usize) -> f64 {
        let logits = [0.0, sum, -sum];
        logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[next]
    }
}

impl LanguageModel for Toy {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn hook_points(&self) -> Vec<(HookPoint, usize)> {
        vec![(HookPoint::new(Self::HOOK), 1)]
    }

    fn capture(&self, tokens: &TokenBatch, _hooks: &[HookPoint]) -> Result<Vec<Matrix>> {
        let values = tokens.ids().iter().map(|id| [2.0, 1.0, -1.0][*id as usize]).collect();
        Ok(vec![Matrix::new(tokens.ids().len(), 1, values)])
    }

    fn nll(&self, tokens: &TokenBatch, edit: Option<Edit<'_>>) -> Result<Matrix> {
        let mut x = self.capture(tokens, &[])?.remove(0);
        if let Some(edit) = edit {
            (edit.replace)(tokens, &mut x)?;
        }
        let mut losses = Matrix::zeros(tokens.rows(), tokens.width() - 1);
        for row in 0..tokens.rows() {
            let x = &x.as_slice()[row * tokens.width()..][..tokens.width()];
            for t in 0..tokens.width() - 1 {
                let next = tokens.ids()[row * tokens.width() + t + 1] as usize;
                let loss = Self::loss(f64::from(x[0]) + f64::from(x[t]), next);
                losses.row_mut(row)[t] = loss as f32 + if t == 1 { self.poison } else { 0.0 };
            }
        }
        Ok(losses)
    }

    fn unembedding(&self) -> Result<Matrix> {
        Err(Error::from_source("the toy has none"))
    }
}
