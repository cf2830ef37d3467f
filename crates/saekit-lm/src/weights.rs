use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor, TensorData};

use crate::Error;
use crate::checkpoint::Checkpoint;

/// The weights of a decoder, on its device, in the layout the forward pass wants.
pub(crate) struct Weights {
    /// `[d_vocab, d_model]`.
    pub(crate) token_embedding: Tensor<2>,
    /// What is known of positions.
    pub(crate) positions: Positions,
    /// First to last.
    pub(crate) blocks: Vec<Block>,
    /// Before the unembedding.
    pub(crate) final_norm: NormWeights,
    /// `[d_vocab, d_model]`.
    pub(crate) unembedding: Tensor<2>,
}

/// How positions enter.
pub(crate) enum Positions {
    /// A vector a position, `[n_ctx, d_model]`, added to the token's.
    Learned(Tensor<2>),
}

/// The weights of a block.
pub(crate) struct Block {
    /// Before attention.
    pub(crate) attn_norm: NormWeights,
    /// Query, key and value, one after the other: `[d_model, 3 * n_heads * d_head]`.
    pub(crate) qkv: Linear,
    /// `[n_heads * d_head, d_model]`.
    pub(crate) attn_out: Linear,
    /// Before the MLP.
    pub(crate) mlp_norm: NormWeights,
    /// `[d_model, d_mlp]`.
    pub(crate) mlp_in: Linear,
    /// `[d_mlp, d_model]`.
    pub(crate) mlp_out: Linear,
}

/// `y = x w + b`.
pub(crate) struct Linear {
    /// `[d_in, d_out]`.
    pub(crate) weight: Tensor<2>,
    /// `[d_out]`.
    pub(crate) bias: Option<Tensor<1>>,
}

/// A norm's factors and shifts, `[d_model]` each.
pub(crate) struct NormWeights {
    /// Factors.
    pub(crate) weight: Tensor<1>,
    /// Shifts.
    pub(crate) bias: Option<Tensor<1>>,
}

/// Hands a checkpoint's tensors to a family's mapping, and remembers which were taken.
pub(crate) struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    device: &'a Device,
    prefix: &'static str,
    used: BTreeSet<String>,
}

impl<'a> Loader<'a> {
    /// Names given to the methods follow `prefix`.
    pub(crate) fn new(
        checkpoint: &'a Checkpoint,
        device: &'a Device,
        prefix: &'static str,
    ) -> Self {
        Self { checkpoint, device, prefix, used: BTreeSet::new() }
    }

    /// The matrix `name` as it lies in the file.
    pub(crate) fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, Error> {
        self.tensor(format!("{}{name}", self.prefix), shape)
    }

    /// The matrix `name`, which never has the prefix.
    pub(crate) fn unprefixed(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, Error> {
        self.tensor(name.to_owned(), shape)
    }

    /// The linear layer `name`, kept as `[d_in, d_out]` (`Conv1D`), with its bias.
    pub(crate) fn linear(&mut self, name: &str, shape: [usize; 2]) -> Result<Linear, Error> {
        let weight = self.matrix(&format!("{name}.weight"), shape)?;
        let bias = Some(self.vector(&format!("{name}.bias"), shape[1])?);
        Ok(Linear { weight, bias })
    }

    /// The layer norm `name` over `d` values.
    pub(crate) fn norm(&mut self, name: &str, d: usize) -> Result<NormWeights, Error> {
        let weight = self.vector(&format!("{name}.weight"), d)?;
        let bias = Some(self.vector(&format!("{name}.bias"), d)?);
        Ok(NormWeights { weight, bias })
    }

    fn vector(&mut self, name: &str, d: usize) -> Result<Tensor<1>, Error> {
        self.tensor(format!("{}{name}", self.prefix), [d])
    }

    fn tensor<const D: usize>(
        &mut self,
        name: String,
        shape: [usize; D],
    ) -> Result<Tensor<D>, Error> {
        let values = self.checkpoint.read(&name, &shape)?;
        self.used.insert(name);
        Ok(Tensor::from_data(TensorData::new(values, shape), self.device))
    }

    /// Fails if the checkpoint holds block weights that were not read. `belongs_to_a_block` tells them by name.
    pub(crate) fn check_all_used(&self, belongs_to_a_block: fn(&str) -> bool) -> Result<(), Error> {
        let surplus = self.checkpoint.names().find(|name| {
            let own = name.strip_prefix(self.prefix).unwrap_or(name);
            belongs_to_a_block(own) && !self.used.contains(*name)
        });
        match surplus {
            Some(name) => Err(Error::SurplusTensor {
                tensor: name.to_owned(),
                path: self.checkpoint.path_of(name).to_owned(),
            }),
            None => Ok(()),
        }
    }
}
