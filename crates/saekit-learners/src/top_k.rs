//! TopK sparse autoencoder (Gao et al., 2024, arXiv 2406.04093), after Makhzani and Frey (2013).
//!
//! For a batch `x`, `[B, d_in]`, with target `y` (the same rows for an autoencoder):
//! ```text
//! a    = topk(relu((x - b_dec) w_encᵀ + b_enc))            [B, d_sae]
//! ŷ    = a w_dec + b_dec                                   [B, d_out]
//! e    = y - ŷ
//! mse  = Σ e² / Σ (y - ȳ)²                                 batch FVU
//! auxk = Σ (e - a_dead w_dec)² / Σ (e - ē)²                the k_aux largest dead latents explain e
//! loss = mse + auxk_coefficient · auxk
//! ```
//! Gradients do not flow through `e` in `auxk`. Decoder rows keep unit norm: their gradients are
//! projected and the norm is restored after each update.
//!
//! Deviations from the paper: the reconstruction term is normalised by the batch's variance, not by
//! a constant estimated once; no EMA of the weights.

use std::collections::BTreeMap;

use burn::tensor::activation::relu;
use burn::tensor::{Device, Gradients, IndexingUpdateOp, Int, Tensor};
use saekit_core::rng::Rng;
use saekit_core::{
    Batch, Codec, CodecShape, Error as CoreError, Learner, Matrix, MatrixView, Progress, Scales,
    State, StepReport,
};
use saekit_dictionary::{Activation, Dictionary};
use serde::{Deserialize, Serialize};

use crate::adam::{AdamConfig, Moments, Update, from_state};
use crate::config::Context;
use crate::dead::DeadLatents;
use crate::tensors::{download, select_top_k, to_state, upload, upload_ids, upload_vector};
use crate::{Error, Result, decoder, init};

/// A latent is called dead after at most this many rows without firing, however long the run.
const LONGEST_DEAD_WINDOW: u64 = 10_000_000;

/// Settings of the `[learner]` table with `architecture = "topk"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of latents.
    pub d_sae: usize,
    /// Latents active a row.
    pub k: usize,
    /// Optimiser.
    #[serde(default)]
    pub adam: AdamConfig,
    /// Weight of the auxiliary loss; 0 switches it off.
    #[serde(default = "default_auxk_coefficient")]
    pub auxk_coefficient: f64,
    /// Dead latents that explain the error of a row; `d_in / 2` unless given.
    #[serde(default)]
    pub k_aux: Option<usize>,
    /// Rows without firing after which a latent counts as dead; the smaller of 10 million and a
    /// tenth of the run unless given.
    #[serde(default)]
    pub dead_after: Option<u64>,
    /// Largest Euclidean norm of all gradients together; unlimited unless given.
    #[serde(default)]
    pub clip_norm: Option<f64>,
}

/// Gao et al. (2024), section A.2.
fn default_auxk_coefficient() -> f64 {
    1.0 / 32.0
}

impl Config {
    /// The field's defaults with `d_sae` latents of which `k` are active a row.
    pub fn new(d_sae: usize, k: usize) -> Self {
        Self {
            d_sae,
            k,
            adam: AdamConfig::default(),
            auxk_coefficient: default_auxk_coefficient(),
            k_aux: None,
            dead_after: None,
            clip_norm: None,
        }
    }

    pub(crate) fn resolve(mut self, d_in: usize, rows: u64) -> Result<Self> {
        let check = |ok: bool, setting, found: String, expected: &str| {
            let expected = expected.to_owned();
            if ok { Ok(()) } else { Err(Error::Setting { setting, found, expected }) }
        };
        check(self.d_sae > 0, "d_sae", self.d_sae.to_string(), "at least 1")?;
        let k_range = format!("1 to `d_sae` ({})", self.d_sae);
        check((1..=self.d_sae).contains(&self.k), "k", self.k.to_string(), &k_range)?;
        let auxk = self.auxk_coefficient;
        let expected = "0 or more";
        check(auxk >= 0.0 && auxk.is_finite(), "auxk_coefficient", auxk.to_string(), expected)?;
        let clip = self.clip_norm.unwrap_or(1.0);
        check(clip > 0.0, "clip_norm", clip.to_string(), "a positive number")?;
        self.adam.check()?;
        self.k_aux.get_or_insert((d_in / 2).max(1));
        self.dead_after.get_or_insert((rows / 10).clamp(1, LONGEST_DEAD_WINDOW));
        Ok(self)
    }
}

/// A TopK autoencoder in training; see the [module](self).
pub struct TopK {
    config: Config,
    k_aux: usize,
    device: Device,
    weights: Weights,
    moments: WeightMoments,
    dead: DeadLatents,
    sums: Sums,
}

/// Parameters: both matrices latent-major.
#[derive(Clone)]
struct Weights {
    w_enc: Tensor<2>,
    b_enc: Tensor<1>,
    w_dec: Tensor<2>,
    b_dec: Tensor<1>,
}

struct WeightMoments {
    w_enc: Moments<2>,
    b_enc: Moments<1>,
    w_dec: Moments<2>,
    b_dec: Moments<1>,
}

/// What a report averages: kept on the device until somebody asks.
#[derive(Default)]
struct Sums {
    steps: u64,
    rows: u64,
    active: u64,
    mse: Option<Tensor<1>>,
    auxk: Option<Tensor<1>>,
}

/// A forward pass: the loss's terms and who fired.
struct Forward {
    mse: Tensor<1>,
    auxk: Option<Tensor<1>>,
    fired: Vec<u32>,
}

impl TopK {
    /// A learner at the start of its run; `config` was resolved.
    pub(crate) fn new(config: Config, context: &Context) -> Self {
        let Context { d_in, seed, device, .. } = context;
        let rng = Rng::new(*seed, "topk.w_dec");
        let w_dec = upload(init::unit_rows(rng, config.d_sae, *d_in).view(), device);
        let weights = Weights {
            w_enc: w_dec.clone(),
            b_enc: Tensor::zeros([config.d_sae], device),
            w_dec,
            b_dec: Tensor::zeros([*d_in], device),
        };
        let dead_after = config.dead_after.unwrap_or(LONGEST_DEAD_WINDOW);
        Self {
            k_aux: config.k_aux.unwrap_or(d_in / 2),

            device: device.clone(),
            moments: WeightMoments::new(&weights),
            weights,
            dead: DeadLatents::new(config.d_sae, dead_after),
            sums: Sums::default(),
            config,
        }
    }

    fn d_in(&self) -> usize {
        self.weights.w_enc.dims()[1]
    }

    /// Fails unless rows are as wide as the weights and hold numbers only.
    fn check(&self, batch: &Batch<'_>) -> saekit_core::Result<()> {
        CoreError::check_size("width of the batch's input", self.d_in(), batch.input.cols())?;
        CoreError::check_size("width of the batch's target", self.d_in(), batch.target.cols())?;
        batch.input.check_finite("the batch's input")?;
        batch.target.check_finite("the batch's target")
    }

    /// The loss of a batch as a function of `weights`, which are tracked.
    fn forward(&self, weights: &Weights, batch: &Batch<'_>) -> Result<Forward> {
        let x = upload(batch.input, &self.device).autodiff();
        let target = upload(batch.target, &self.device);
        // (x - b_dec) w_encᵀ + b_enc, with b_dec's part as one vector instead of one matrix.
        let shift = weights.w_enc.clone().matmul(weights.b_dec.clone().unsqueeze_dim(1));
        let bias = weights.b_enc.clone() - shift.squeeze_dim(1);
        let pre = x.clone().matmul(weights.w_enc.clone().transpose()) + bias.clone().unsqueeze();

        let (ids, host_ids) = select_top_k(pre.clone().inner(), self.config.k)?;
        let (codes, values) = self.scatter_active(pre, ids);
        let fired = fired(&host_ids, &download(values.inner())?);
        let output = codes.matmul(weights.w_dec.clone()) + weights.b_dec.clone().unsqueeze();
        let error = target.autodiff() - output;
        let mse = (error.clone() * error.clone()).sum().mul_scalar(1.0 / variance(batch.target));

        let auxk = self.auxk(weights, x, bias, error.inner())?;
        Ok(Forward { mse, auxk, fired })
    }

    /// `relu` of the chosen pre-activations, at their places among zeros and by themselves.
    fn scatter_active(&self, pre: Tensor<2>, ids: Tensor<2, Int>) -> (Tensor<2>, Tensor<2>) {
        let zeros = Tensor::<2>::zeros(pre.dims(), &self.device).autodiff();
        let values = relu(pre.gather(1, ids.clone()));
        (zeros.scatter(1, ids, values.clone(), IndexingUpdateOp::Add), values)
    }

    /// The auxiliary loss: what the dead latents leave of `error`, `[B, d_out]`; none where no
    /// latent is dead.
    fn auxk(
        &self,
        weights: &Weights,
        x: Tensor<2>,
        bias: Tensor<1>,
        error: Tensor<2>,
    ) -> Result<Option<Tensor<1>>> {
        let dead = self.dead.ids();
        if dead.is_empty() || self.config.auxk_coefficient == 0.0 {
            return Ok(None);
        }
        let rows = upload_ids(&dead, [1, dead.len()], &self.device).squeeze_dim(0);
        let w_enc = weights.w_enc.clone().select(0, rows.clone());
        let w_dec = weights.w_dec.clone().select(0, rows.clone());
        let pre = x.matmul(w_enc.transpose()) + bias.select(0, rows).unsqueeze();
        let codes = if dead.len() <= self.k_aux {
            relu(pre)
        } else {
            let (ids, _) = select_top_k(pre.clone().inner(), self.k_aux)?;
            self.scatter_active(pre, ids).0
        };
        let centred = error.clone() - error.clone().mean_dim(0);
        let variance = (centred.clone() * centred).sum().clamp_min(f64::from(f32::MIN_POSITIVE));
        let left = error.autodiff() - codes.matmul(w_dec);
        Ok(Some((left.clone() * left).sum() / variance.autodiff()))
    }

    /// Projects, clips and applies the gradients.
    fn update(&mut self, tracked: &Weights, grads: &Gradients, at: Progress) {
        let mut grads = WeightGrads::new(tracked, grads);
        grads.w_dec = decoder::project(grads.w_dec, &self.weights.w_dec);
        if let Some(limit) = self.config.clip_norm {
            grads.clip(limit);
        }
        let update = Update::new(self.config.adam, at.step + 1, at.lr_scale);
        let Weights { w_enc, b_enc, w_dec, b_dec } = self.weights.clone();
        let moments = &mut self.moments;
        self.weights = Weights {
            w_enc: moments.w_enc.update(w_enc, grads.w_enc, update),
            b_enc: moments.b_enc.update(b_enc, grads.b_enc, update),
            w_dec: decoder::renormalise(moments.w_dec.update(w_dec, grads.w_dec, update)),
            b_dec: moments.b_dec.update(b_dec, grads.b_dec, update),
        };
    }
}

impl Learner for TopK {
    fn shape(&self) -> CodecShape {
        CodecShape { d_in: self.d_in(), d_out: self.d_in(), d_code: self.config.d_sae }
    }

    fn initialise(&mut self, sample: &Batch<'_>) -> saekit_core::Result<()> {
        self.check(sample)?;
        let b_dec = init::geometric_median(sample.target);
        self.weights.b_dec = upload_vector(&b_dec, &self.device);
        Ok(())
    }

    fn step(&mut self, batch: &Batch<'_>, at: Progress) -> saekit_core::Result<()> {
        self.check(batch)?;
        if batch.input.rows() == 0 {
            return Ok(());
        }
        let tracked = self.weights.tracked();
        let Forward { mse, auxk, fired } = self.forward(&tracked, batch)?;
        let loss = match &auxk {
            None => mse.clone(),
            Some(auxk) => mse.clone() + auxk.clone().mul_scalar(self.config.auxk_coefficient),
        };
        self.update(&tracked, &loss.backward(), at);
        self.dead.count(batch.input.rows() as u64, fired.iter().copied());
        self.sums.add(batch.input.rows(), fired.len(), mse.inner(), auxk.map(Tensor::inner));
        Ok(())
    }

    fn report(&mut self) -> saekit_core::Result<StepReport> {
        let sums = std::mem::take(&mut self.sums);
        let mean = |sum: Option<Tensor<1>>| -> Result<f64> {
            let total = sum.map_or(Ok(vec![0.0]), download)?;
            Ok(f64::from(total[0]) / sums.steps.max(1) as f64)
        };
        let (mse, auxk) = (mean(sums.mse)?, mean(sums.auxk)? * self.config.auxk_coefficient);
        if !(mse + auxk).is_finite() {
            return Err(Error::Diverged { loss: mse + auxk, step: sums.steps }.into());
        }
        Ok(StepReport {
            loss: mse + auxk,
            terms: BTreeMap::from([("mse".to_owned(), mse), ("auxk".to_owned(), auxk)]),
            fvu: mse,
            l0: sums.active as f64 / sums.rows.max(1) as f64,
            dead_fraction: self.dead.fraction(),
        })
    }

    fn state(&self) -> saekit_core::Result<State> {
        let mut state = State::new();
        let Weights { w_enc, b_enc, w_dec, b_dec } = &self.weights;
        state.insert("w_enc".to_owned(), to_state(w_enc)?);
        state.insert("b_enc".to_owned(), to_state(b_enc)?);
        state.insert("w_dec".to_owned(), to_state(w_dec)?);
        state.insert("b_dec".to_owned(), to_state(b_dec)?);
        self.moments.w_enc.save("w_enc", &mut state)?;
        self.moments.b_enc.save("b_enc", &mut state)?;
        self.moments.w_dec.save("w_dec", &mut state)?;
        self.moments.b_dec.save("b_dec", &mut state)?;
        self.dead.save(&mut state);
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> saekit_core::Result<()> {
        let Weights { w_enc, b_enc, w_dec, b_dec } = &mut self.weights;
        *w_enc = from_state("w_enc", w_enc, state)?;
        *b_enc = from_state("b_enc", b_enc, state)?;
        *w_dec = from_state("w_dec", w_dec, state)?;
        *b_dec = from_state("b_dec", b_dec, state)?;
        self.moments.w_enc.restore("w_enc", state)?;
        self.moments.b_enc.restore("b_enc", state)?;
        self.moments.w_dec.restore("w_dec", state)?;
        self.moments.b_dec.restore("b_dec", state)?;
        self.dead.restore(state)
    }

    fn finish(&self, scales: Scales) -> saekit_core::Result<Box<dyn Codec>> {
        let Weights { w_enc, b_enc, w_dec, b_dec } = self.weights.clone();
        let (d_sae, d_in) = (self.config.d_sae, self.d_in());
        let mut dictionary = Dictionary::new(
            Matrix::new(d_sae, d_in, download(w_enc)?),
            download(b_enc)?,
            Matrix::new(d_sae, d_in, download(w_dec)?),
            download(b_dec)?,
        );
        dictionary.activation =
            Activation::TopK { k: self.config.k, signed: false, rescale: false };
        dictionary.fold_scale(scales.input, scales.target).map_err(CoreError::from)?;
        Ok(Box::new(dictionary))
    }
}

impl Weights {
    /// The same parameters, tracked for differentiation.
    fn tracked(&self) -> Self {
        Self {
            w_enc: self.w_enc.clone().autodiff().require_grad(),
            b_enc: self.b_enc.clone().autodiff().require_grad(),
            w_dec: self.w_dec.clone().autodiff().require_grad(),
            b_dec: self.b_dec.clone().autodiff().require_grad(),
        }
    }
}

impl WeightMoments {
    fn new(weights: &Weights) -> Self {
        Self {
            w_enc: Moments::new(&weights.w_enc),
            b_enc: Moments::new(&weights.b_enc),
            w_dec: Moments::new(&weights.w_dec),
            b_dec: Moments::new(&weights.b_dec),
        }
    }
}

/// A gradient a parameter.
struct WeightGrads {
    w_enc: Tensor<2>,
    b_enc: Tensor<1>,
    w_dec: Tensor<2>,
    b_dec: Tensor<1>,
}

impl WeightGrads {
    fn new(tracked: &Weights, grads: &Gradients) -> Self {
        let used = "every parameter takes part in the loss";
        Self {
            w_enc: tracked.w_enc.grad(grads).expect(used),
            b_enc: tracked.b_enc.grad(grads).expect(used),
            w_dec: tracked.w_dec.grad(grads).expect(used),
            b_dec: tracked.b_dec.grad(grads).expect(used),
        }
    }

    /// Shrinks all gradients together until their Euclidean norm is at most `limit`.
    fn clip(&mut self, limit: f64) {
        let squares = |t: &Tensor<2>| (t.clone() * t.clone()).sum();
        let squares1 = |t: &Tensor<1>| (t.clone() * t.clone()).sum();
        let norm = (squares(&self.w_enc)
            + squares1(&self.b_enc)
            + squares(&self.w_dec)
            + squares1(&self.b_dec))
        .sqrt();
        let factor = norm.clamp_min(f64::from(f32::MIN_POSITIVE)).recip().mul_scalar(limit);
        let factor = factor.clamp_max(1.0);
        self.w_enc = self.w_enc.clone() * factor.clone().unsqueeze();
        self.b_enc = self.b_enc.clone() * factor.clone();
        self.w_dec = self.w_dec.clone() * factor.clone().unsqueeze();
        self.b_dec = self.b_dec.clone() * factor;
    }
}

impl Sums {
    fn add(&mut self, rows: usize, active: usize, mse: Tensor<1>, auxk: Option<Tensor<1>>) {
        let plus = |sum: Option<Tensor<1>>, term: Tensor<1>| match sum {
            None => term,
            Some(sum) => sum + term,
        };
        self.steps += 1;
        self.rows += rows as u64;
        self.active += active as u64;
        self.mse = Some(plus(self.mse.take(), mse));
        if let Some(auxk) = auxk {
            self.auxk = Some(plus(self.auxk.take(), auxk));
        }
    }
}

/// The latents among `ids` whose value is positive, once for each row they fired in.
fn fired(ids: &[u32], values: &[f32]) -> Vec<u32> {
    ids.iter().zip(values).filter(|(_, v)| **v > 0.0).map(|(id, _)| *id).collect()
}

/// `Σ (y - ȳ)²` over the rows of `y` about their mean; tiny rather than zero.
fn variance(y: MatrixView<'_>) -> f64 {
    let (mut sum, mut squares) = (vec![0.0_f64; y.cols()], 0.0);
    for row in y.iter() {
        for (sum, value) in sum.iter_mut().zip(row) {
            let value = f64::from(*value);
            *sum += value;
            squares += value * value;
        }
    }
    let n = y.rows().max(1) as f64;
    (squares - sum.iter().map(|s| s * s / n).sum::<f64>()).max(f64::from(f32::MIN_POSITIVE))
}
