use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Codec, CodecShape, Error, MatrixView, Result};

/// The rows of one step: what the codec sees and what it should write.
///
/// For an autoencoder the two are the same rows; for a transcoder or a denoising autoencoder they
/// differ.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `[rows, d_in]`, scaled.
    pub input: MatrixView<'a>,
    /// `[rows, d_out]`, scaled.
    pub target: MatrixView<'a>,
}

/// Where in the run a step stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps done before this one.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// The schedule's factor on every learning rate, in `0..=1`.
    pub lr_scale: f64,
}

/// The factors the rows were multiplied with before the learner saw them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scales {
    /// Of the input rows.
    pub input: f32,
    /// Of the target rows.
    pub target: f32,
}

/// Means over the steps since the last report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The loss that was minimised: the sum of the terms.
    pub loss: f64,
    /// Each term of the loss by its name.
    pub terms: BTreeMap<String, f64>,
    /// Fraction of variance unexplained, a batch at a time ([`crate::metrics`]).
    pub fvu: f64,
    /// Active latents a row.
    pub l0: f64,
    /// Fraction of the latents that count as dead now.
    pub dead_fraction: f64,
    /// What else the method counts, a row, by name: how often screening had to compute again, say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, f64>,
}

/// A learner's whole state as named tensors: what a checkpoint keeps.
pub type State = BTreeMap<String, StateTensor>;

/// One tensor of a [`State`], row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum StateTensor {
    /// Single precision: weights, moments.
    F32 {
        /// The sizes.
        shape: Vec<usize>,
        /// The values.
        data: Vec<f32>,
    },
    /// Counters.
    U64 {
        /// The sizes.
        shape: Vec<usize>,
        /// The values.
        data: Vec<u64>,
    },
}

/// A training method in mid-run.
///
/// The run loop knows nothing else of it: an epoch of backpropagation, a fused kernel and an
/// incremental PCA look the same from there.
pub trait Learner: Send {
    /// The widths of the codec it will become.
    fn shape(&self) -> CodecShape;

    /// Sets what depends on the data (`b_dec`, for one) from `sample`, the first rows of the stream.
    /// Called once, before the first step of a fresh run.
    fn initialise(&mut self, sample: &Batch<'_>) -> Result<()>;

    /// One update from `batch`.
    fn step(&mut self, batch: &Batch<'_>, at: Progress) -> Result<()>;

    /// Means over the steps since the last call; the only place where a device has to be waited for.
    fn report(&mut self) -> Result<StepReport>;

    /// Everything the next step depends on.
    fn state(&self) -> Result<State>;

    /// Goes back to a `state` that a learner of the same configuration gave.
    fn restore(&mut self, state: &State) -> Result<()>;

    /// The codec as it stands, in the units of the raw activations: the learner was shown rows
    /// multiplied with `scales`.
    fn finish(&self, scales: Scales) -> Result<Box<dyn Codec>>;
}

impl StateTensor {
    /// The single-precision values of the tensor called `name` in `state`, which must be `len` long.
    pub fn f32s<'a>(state: &'a State, name: &str, len: usize) -> Result<&'a [f32]> {
        match state.get(name) {
            Some(Self::F32 { data, .. }) => {
                Error::check_size(
                    &format!("length of checkpoint tensor `{name}`"),
                    len,
                    data.len(),
                )?;
                Ok(data)
            }
            _ => Err(Error::from_source(format!("the checkpoint has no f32 tensor `{name}`"))),
        }
    }

    /// The counters of the tensor called `name` in `state`, which must be `len` long.
    pub fn u64s<'a>(state: &'a State, name: &str, len: usize) -> Result<&'a [u64]> {
        match state.get(name) {
            Some(Self::U64 { data, .. }) => {
                Error::check_size(
                    &format!("length of checkpoint tensor `{name}`"),
                    len,
                    data.len(),
                )?;
                Ok(data)
            }
            _ => Err(Error::from_source(format!("the checkpoint has no u64 tensor `{name}`"))),
        }
    }
}
