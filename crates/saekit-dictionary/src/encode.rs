//! Encoding and decoding in blocks of rows, so that pre-activations stay small.

use rayon::prelude::*;
use saekit_core::{Codes, Matrix, MatrixView, SparseCodes};
use saekit_kernels::{Encoder, Isa, Precision, Screener, Sparsity, decode_row, matmul_nt, top_k};

use crate::{Activation, Dictionary, Normalisation};

/// Rows per block where all pre-activations are stored.
const BLOCK_ROWS: usize = 256;

/// Rows per kernel call.
const SELECTED_ROWS: usize = 4096;

/// Rows of the first kernel call: it seeds the screener's thresholds. Below this, screening does not pay.
const FIRST_ROWS: usize = 256;

/// Guards the standard deviation of [`Normalisation::LayerNorm`] against division by zero.
const LAYER_NORM_EPS: f32 = 1e-5;

/// The code of a row: active latents, ascending, and their values.
type Active = (Vec<u32>, Vec<f32>);

/// The normalisation of a row: `ν(x) = (x - mean) * forward`, `ν⁻¹(y) = y * inverse + mean`.
#[derive(Clone, Copy)]
struct RowScale {
    mean: f32,
    forward: f32,
    inverse: f32,
}

impl Dictionary {
    /// Returns the codes of `x`, `[rows, d_in]`. Width and values have to be checked before.
    pub(crate) fn encode_rows(&self, x: MatrixView<'_>) -> SparseCodes {
        match self.sparsity() {
            Some(sparsity) => self.encode_selected(x, sparsity),
            None => self.encode_densely(x),
        }
    }

    /// The activation as a rule of the encoder's kernel; `None` where the kernel does not know it.
    fn sparsity(&self) -> Option<Sparsity<'_>> {
        match &self.activation {
            Activation::Relu => Some(Sparsity::Positive),
            Activation::TopK { k, signed: false, rescale: false } => Some(Sparsity::TopK { k: *k }),
            Activation::JumpRelu { threshold } if threshold.iter().all(|t| *t >= 0.0) => {
                Some(Sparsity::Threshold { thresholds: threshold, window: 0.0 })
            }
            _ => None,
        }
    }

    /// Encoder and selection in one pass.
    fn encode_selected(&self, x: MatrixView<'_>, sparsity: Sparsity<'_>) -> SparseCodes {
        let mut codes = SparseCodes::new(self.d_sae());
        let encoder = Encoder { w_enc: self.w_enc.as_slice(), b_enc: &self.b_enc };
        let is_short = x.rows() < FIRST_ROWS;
        let precision = if is_short { Precision::F32(Isa::best()) } else { Precision::best() };
        let mut screener = Screener::new(precision, encoder.w_enc, self.d_in());
        let mut end = 0;
        while end < x.rows() {
            let size = if end == 0 { FIRST_ROWS } else { SELECTED_ROWS };
            let block = x.slice(end, (end + size).min(x.rows()));
            end += block.rows();
            let (found, _) = screener.encode(&self.centred(block), encoder, sparsity);
            codes.push_rows(&found.offsets, &found.ids, &found.values);
        }
        codes
    }

    /// Stores all pre-activations of a block of rows, then applies the activation.
    fn encode_densely(&self, x: MatrixView<'_>) -> SparseCodes {
        let mut codes = SparseCodes::new(self.d_sae());
        let norms = self.selection_norms();
        let mut h = vec![0.0; BLOCK_ROWS.min(x.rows()) * self.d_sae()];
        for start in (0..x.rows()).step_by(BLOCK_ROWS) {
            let block = x.slice(start, (start + BLOCK_ROWS).min(x.rows()));
            let h = &mut h[..block.rows() * self.d_sae()];
            matmul_nt(&self.centred(block), self.w_enc.as_slice(), self.d_in(), h);
            let rows: Vec<Active> = h
                .par_chunks_mut(self.d_sae().max(1))
                .map_init(Vec::new, |scratch, h| self.activate(h, norms.as_deref(), scratch))
                .collect();
            for (ids, values) in rows {
                codes.push_row(&ids, &values);
            }
        }
        codes
    }

    /// Decodes `codes` to `[rows, d_out]`; `x` are the rows that were encoded.
    pub(crate) fn decode_rows(&self, codes: &Codes, x: MatrixView<'_>) -> Matrix {
        let norms = self.selection_norms();
        let mut out = Matrix::zeros(codes.rows(), self.d_out());
        let width = self.d_out().max(1);
        out.as_mut_slice().par_chunks_mut(width).enumerate().for_each(|(i, y)| {
            y.copy_from_slice(&self.b_dec);
            let (ids, mut values) = active(codes, i);
            if let Some(norms) = &norms {
                for (value, id) in values.iter_mut().zip(&ids) {
                    *value /= norms[*id as usize];
                }
            }
            decode_row(&ids, &values, self.w_dec.as_slice(), y);
            if !self.transcoder {
                let RowScale { mean, inverse, .. } = self.row_scale(x.row(i));
                for y in y.iter_mut() {
                    *y = *y * inverse + mean;
                }
            }
        });
        if let Some(skip) = &self.w_skip {
            let mut skipped = vec![0.0; out.as_slice().len()];
            matmul_nt(x.as_slice(), skip.as_slice(), self.d_in(), &mut skipped);
            out.as_mut_slice().iter_mut().zip(skipped).for_each(|(y, s)| *y += s);
        }
        out
    }

    /// Decoder norms, `[d_sae]`, where latents are ranked and reported by `h · ‖w_dec‖`; else `None`.
    fn selection_norms(&self) -> Option<Vec<f32>> {
        matches!(self.activation, Activation::TopK { rescale: true, .. })
            .then(|| self.decoder_norms())
    }

    /// The rows normalised, minus `b_dec` where the dictionary subtracts it.
    fn centred(&self, x: MatrixView<'_>) -> Vec<f32> {
        let mut u = x.as_slice().to_vec();
        for row in u.chunks_mut(self.d_in().max(1)) {
            let RowScale { mean, forward, .. } = self.row_scale(row);
            if self.normalisation != Normalisation::None {
                for v in row.iter_mut() {
                    *v = (*v - mean) * forward;
                }
            }
            if self.subtract_b_dec {
                row.iter_mut().zip(&self.b_dec).for_each(|(v, b)| *v -= b);
            }
        }
        u
    }

    fn row_scale(&self, row: &[f32]) -> RowScale {
        let d = row.len() as f32;
        match self.normalisation {
            Normalisation::None => RowScale { mean: 0.0, forward: 1.0, inverse: 1.0 },
            Normalisation::ConstantNormRescale => {
                let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
                RowScale { mean: 0.0, forward: d.sqrt() / norm, inverse: norm / d.sqrt() }
            }
            Normalisation::LayerNorm => {
                let mean = row.iter().sum::<f32>() / d;
                let squares = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>();
                let std = (squares / (d - 1.0)).sqrt();
                RowScale { mean, forward: 1.0 / (std + LAYER_NORM_EPS), inverse: std }
            }
        }
    }

    /// The code of a row from its products `u w_encᵀ`, `[d_sae]`, which are overwritten.
    fn activate(&self, h: &mut [f32], norms: Option<&[f32]>, scratch: &mut Vec<u64>) -> Active {
        match &self.activation {
            Activation::Gated { b_gate, b_mag, r_mag } => collect(h.len(), |i| {
                let magnitude = (h[i] * r_mag[i].exp() + b_mag[i]).max(0.0);
                if h[i] + b_gate[i] > 0.0 { magnitude } else { 0.0 }
            }),
            activation => {
                h.iter_mut().zip(&self.b_enc).for_each(|(h, b)| *h += b);
                match activation {
                    Activation::JumpRelu { threshold } => {
                        collect(h.len(), |i| if h[i] > threshold[i] { h[i].max(0.0) } else { 0.0 })
                    }
                    Activation::TopK { k, signed, .. } => {
                        if let Some(norms) = norms {
                            h.iter_mut().zip(norms).for_each(|(h, n)| *h *= n);
                        }
                        largest(h, *k, *signed, scratch)
                    }
                    Activation::GroupMax { k } => group_max(h, *k),
                    Activation::Relu | Activation::Gated { .. } => {
                        collect(h.len(), |i| h[i].max(0.0))
                    }
                }
            }
        }
    }
}

/// The latents whose value is not zero, with their values.
fn collect(d_sae: usize, value: impl Fn(usize) -> f32) -> Active {
    (0..d_sae).map(|i| (i as u32, value(i))).filter(|(_, v)| *v != 0.0).unzip()
}

/// TopK: selects first and applies `relu` after, so that fewer than `k` latents may remain.
fn largest(h: &[f32], k: usize, signed: bool, scratch: &mut Vec<u64>) -> Active {
    let mut ids = Vec::with_capacity(k);
    if signed {
        let magnitudes: Vec<f32> = h.iter().map(|v| v.abs()).collect();
        top_k(&magnitudes, k, scratch, &mut ids);
    } else {
        top_k(h, k, scratch, &mut ids);
    }
    ids.retain(|id| if signed { h[*id as usize] != 0.0 } else { h[*id as usize] > 0.0 });
    let values = ids.iter().map(|id| h[*id as usize]).collect();
    (ids, values)
}

/// The largest value of each of `k` groups, if positive; among equal ones the first latent.
fn group_max(h: &[f32], k: usize) -> Active {
    let size = h.len() / k;
    let winner = |(group, values): (usize, &[f32])| {
        let start = (0_usize, f32::NEG_INFINITY);
        let best = values
            .iter()
            .enumerate()
            .fold(start, |best, (i, v)| if *v > best.1 { (i, *v) } else { best });
        ((group * size + best.0) as u32, best.1)
    };
    h.chunks(size).enumerate().map(winner).filter(|(_, value)| *value > 0.0).unzip()
}

/// The active latents of row `i` of `codes`, and their values.
fn active(codes: &Codes, i: usize) -> Active {
    match codes {
        Codes::Sparse(codes) => {
            let (ids, values) = codes.row(i);
            (ids.to_vec(), values.to_vec())
        }
        Codes::Dense(codes) => collect(codes.cols(), |id| codes.row(i)[id]),
    }
}
