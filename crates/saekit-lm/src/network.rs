use std::collections::BTreeMap;

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Int, Tensor, TensorData, activation, module};
use saekit_core::{Matrix, TokenBatch};

use crate::blueprint::{Activation, Blueprint, Norm, Residual};
use crate::hook::{Hook, Site};
use crate::weights::{Block, Linear, NormWeights, Positions, Weights};
use crate::{Error, cpu};

/// A replacement of the rows at a hook, in place.
pub(crate) type Replace<'a> =
    &'a mut dyn FnMut(&TokenBatch, &mut Matrix) -> saekit_core::Result<()>;

/// Why a forward pass ended before its end.
pub(crate) enum Halt {
    /// Everything that was asked for is known.
    Done,
    /// Something failed.
    Failed(saekit_core::Error),
}

impl<E: Into<saekit_core::Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What a forward pass does at the hooks it comes by.
#[derive(Default)]
pub(crate) struct Taps<'a> {
    /// Hooks to read, each filled when the pass comes by.
    pub(crate) reads: BTreeMap<Hook, Option<Tensor<2>>>,
    /// Hooks to replace.
    pub(crate) edits: BTreeMap<Hook, Replace<'a>>,
    /// Whether the pass ends with the last of the reads.
    pub(crate) stop_after_reads: bool,
}

impl Taps<'_> {
    fn visit(
        &mut self,
        hook: Hook,
        mut x: Tensor<2>,
        tokens: &TokenBatch,
    ) -> Result<Tensor<2>, Halt> {
        if let Some(replace) = self.edits.get_mut(&hook) {
            x = replaced(x, tokens, replace)?;
        }
        let last = self.reads.last_key_value().is_some_and(|(last, _)| *last == hook);
        if let Some(read) = self.reads.get_mut(&hook) {
            *read = Some(x.clone());
        }
        if last && self.stop_after_reads { Err(Halt::Done) } else { Ok(x) }
    }
}

/// The factor of the quick GELU (Hendrycks and Gimpel, 2016).
const QUICK_GELU: f64 = 1.702;

/// A decoder's forward pass: `Blueprint` says how, `Weights` say with what. Activations are
/// `[rows * width, d]` throughout, sequence after sequence.
pub(crate) struct Network {
    pub(crate) blueprint: Blueprint,
    pub(crate) weights: Weights,
    pub(crate) device: Device,
}

impl Network {
    /// The residual stream after the last block.
    pub(crate) fn run(&self, tokens: &TokenBatch, taps: &mut Taps<'_>) -> Result<Tensor<2>, Halt> {
        let mut x = self.embed(tokens);
        for (l, block) in self.weights.blocks.iter().enumerate() {
            x = self.block(l, block, x, tokens, taps)?;
        }
        Ok(x)
    }

    fn embed(&self, tokens: &TokenBatch) -> Tensor<2> {
        let (rows, width, d) = (tokens.rows(), tokens.width(), self.blueprint.d_model);
        let ids = Tensor::<2, Int>::from_data(signed(tokens.ids(), [rows, width]), &self.device);
        let x = module::embedding(self.weights.token_embedding.clone(), ids);
        let x = match &self.weights.positions {
            Positions::Learned(table) => x + table.clone().narrow(0, 0, width).unsqueeze(),
        };
        x.reshape([rows * width, d])
    }

    fn block(
        &self,
        l: usize,
        block: &Block,
        x: Tensor<2>,
        tokens: &TokenBatch,
        taps: &mut Taps<'_>,
    ) -> Result<Tensor<2>, Halt> {
        let mut visit = |site, x| taps.visit(Hook::Block(l, site), x, tokens);
        let x = visit(Site::ResidPre, x)?;
        match self.blueprint.residual {
            Residual::Sequential => {
                let a = self.attention(block, self.norm(&block.attn_norm, x.clone()), tokens);
                let x = visit(Site::AttnOut, a)? + x;
                let x = visit(Site::ResidMid, x)?;
                let m = self.mlp(block, self.norm(&block.mlp_norm, x.clone()))?;
                let x = visit(Site::MlpOut, m)? + x;
                visit(Site::ResidPost, x)
            }
        }
    }

    fn norm(&self, norm: &NormWeights, x: Tensor<2>) -> Tensor<2> {
        match self.blueprint.norm {
            Norm::LayerNorm { eps } => {
                module::layer_norm(x, norm.weight.clone(), norm.bias.clone(), eps)
            }
        }
    }

    fn attention(&self, block: &Block, x: Tensor<2>, tokens: &TokenBatch) -> Tensor<2> {
        let Blueprint { n_heads, d_head, attention_scale, .. } = self.blueprint;
        let (rows, width) = (tokens.rows(), tokens.width());
        let qkv = linear(&block.qkv, x).reshape([rows, width, 3 * n_heads, d_head]);
        let qkv = qkv.swap_dims(1, 2);
        let part = |i: usize| qkv.clone().narrow(1, i * n_heads, n_heads);
        let options =
            AttentionModuleOptions { scale: Some(attention_scale), softcap: None, is_causal: true };
        let z = module::attention(part(0), part(1), part(2), None, None, options);
        let z = z.swap_dims(1, 2).reshape([rows * width, n_heads * d_head]);
        linear(&block.attn_out, z)
    }

    fn mlp(&self, block: &Block, x: Tensor<2>) -> Result<Tensor<2>, Error> {
        let hidden = linear(&block.mlp_in, x);
        let hidden = match self.blueprint.activation {
            Activation::GeluTanh if cpu::is(&self.device) => cpu::gelu_tanh(hidden)?,
            Activation::GeluTanh => activation::gelu_approximate(hidden),
            Activation::GeluErf => activation::gelu(hidden),
            Activation::QuickGelu => {
                hidden.clone() * activation::sigmoid(hidden.mul_scalar(QUICK_GELU))
            }
            Activation::Silu => activation::silu(hidden),
            Activation::Relu => activation::relu(hidden),
        };
        Ok(linear(&block.mlp_out, hidden))
    }

    /// The final norm of the residual stream after the last block.
    pub(crate) fn final_norm(&self, x: Tensor<2>) -> Tensor<2> {
        self.norm(&self.weights.final_norm, x)
    }

    /// The logits of normed rows, `[rows, d_vocab]`.
    pub(crate) fn unembed(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weights.unembedding.clone().transpose())
    }

    /// The negative log-likelihood, nats, of one target id a row, from normed rows.
    pub(crate) fn cross_entropy(&self, x: Tensor<2>, targets: &[u32]) -> Result<Vec<f32>, Error> {
        let logits = self.unembed(x);
        if cpu::is(&self.device) {
            return cpu::cross_entropy(&logits.try_into_data().map_err(Error::device)?, targets);
        }
        Ok(to_matrix(cross_entropy(logits, targets))?.into_vec())
    }
}

/// The negative log-likelihood, nats, of one target id a row of `logits`, `[rows, 1]`.
fn cross_entropy(logits: Tensor<2>, targets: &[u32]) -> Tensor<2> {
    let ids = Tensor::from_data(signed(targets, [targets.len(), 1]), &logits.device());
    let target = logits.clone().gather(1, ids);
    let max = logits.clone().max_dim(1);
    let sum = (logits - max.clone()).exp().sum_dim(1);
    sum.log() + max - target
}

/// Ids as the signed integers that every device has.
fn signed(ids: &[u32], shape: [usize; 2]) -> TensorData {
    TensorData::new(ids.iter().map(|id| id.cast_signed()).collect::<Vec<i32>>(), shape)
}

fn linear(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    module::linear(x, layer.weight.clone(), layer.bias.clone())
}

/// `x` through a caller's replacement on the host.
fn replaced(
    x: Tensor<2>,
    tokens: &TokenBatch,
    replace: &mut Replace<'_>,
) -> Result<Tensor<2>, Halt> {
    let device = x.device();
    let [rows, d] = x.dims();
    let mut matrix = to_matrix(x)?;
    replace(tokens, &mut matrix)?;
    saekit_core::Error::check_size("number of rows after the edit", rows, matrix.rows())?;
    saekit_core::Error::check_size("width of the rows after the edit", d, matrix.cols())?;
    Ok(Tensor::from_data(TensorData::new(matrix.into_vec(), [rows, d]), &device))
}

/// The tensor in host memory.
pub(crate) fn to_matrix(x: Tensor<2>) -> Result<Matrix, Error> {
    let [rows, cols] = x.dims();
    Ok(Matrix::new(rows, cols, x.try_into_vec_as::<f32>().map_err(Error::device)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_the_same_on_every_device() {
        let (rows, d_vocab) = (30, 77);
        let logits: Vec<f32> = (0..rows * d_vocab).map(|i| (i as f32).sin() * 20.0).collect();
        let targets: Vec<u32> = (0..rows as u32).map(|i| i * 5 % d_vocab as u32).collect();
        let data = TensorData::new(logits, [rows, d_vocab]);
        let host = cpu::cross_entropy(&data, &targets).unwrap();
        let device = cross_entropy(Tensor::from_data(data, &Device::flex()), &targets);
        for (found, expected) in to_matrix(device).unwrap().as_slice().iter().zip(host) {
            assert!((found - expected).abs() <= 1e-5, "{found} {expected}");
        }
    }
}
