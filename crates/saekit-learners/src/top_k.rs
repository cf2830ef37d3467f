//! TopK sparse autoencoder (Gao et al., 2024, arXiv 2406.04093), after Makhzani and Frey (2013).
//!
//! For a batch `x`, `[B, d_in]`, with target `y` (the same rows for an autoencoder):
//! ```text
//! a    = topk(relu((x - b_dec) w_encᵀ + b_enc))            [B, d_sae]
//! ŷ    = a w_dec + b_dec                                   [B, d_out]
//! e    = y - ŷ
//! mse  = Σ e² / Σ (y - ȳ)²                                 batch FVU
//! auxk = Σ (e - a_dead w_dec)² / Σ (e - ē)²                decoded from the k_aux largest dead latents
//! loss = mse + α · auxk
//! ```
//! Gradients do not flow through `e` in `auxk`. Decoder rows keep unit norm: their gradients are
//! projected, and each row is divided by its norm after each update.
//!
//! Deviations from the paper: the reconstruction term is normalised by the batch's variance, not by
//! a constant estimated once; no EMA of the weights.

use std::collections::BTreeMap;

use burn::tensor::Device;
use saekit_core::rng::Rng;
use saekit_core::{
    Batch, Codec, CodecShape, Error as CoreError, Learner, Matrix, Progress, Scales, State,
    StepReport,
};
use saekit_dictionary::{Activation, Dictionary};
use saekit_kernels::{Isa, Prefix, Screen, Sparsity, Weights};
use serde::{Deserialize, Serialize};

use crate::adam::AdamConfig;
use crate::context::Context;
use crate::dead::DeadLatents;
use crate::engine::{Engine, HostEngine, LossTerm, Objective, TensorEngine};
use crate::{Error, Result, init};

/// Upper bound of `dead_after`, however long the run.
const LONGEST_DEAD_WINDOW: u64 = 10_000_000;

/// Settings of the `[learner]` table with `architecture = "topk"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of latents.
    pub d_sae: usize,
    /// Active latents per row (L0).
    pub k: usize,
    /// Optimiser.
    #[serde(default)]
    pub adam: AdamConfig,
    /// Weight α of the auxiliary loss; 0 switches it off.
    #[serde(default = "default_auxk")]
    pub auxk: f64,
    /// Dead latents that the auxiliary loss uses per row; `d_in / 2` unless given.
    #[serde(default)]
    pub k_aux: Option<usize>,
    /// A latent counts as dead after this many rows without firing. The default is a tenth of the run, at
    /// most 10 million.
    #[serde(default)]
    pub dead_after: Option<u64>,
    /// Largest Euclidean norm of all gradients together; unlimited unless given.
    #[serde(default)]
    pub clip_norm: Option<f64>,
    /// Precision of the encoder's products on a CPU.
    #[serde(default)]
    pub precision: Precision,
    /// Compute with dense tensor operations on a CPU too. Slow; for checking the kernels.
    #[serde(default)]
    pub reference: bool,
}

/// Precision of the encoder's products on a CPU. The result is the same, bit for bit; weights and moments are
/// f32 in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Mixed where the processor's bf16 products are faster, f32 elsewhere.
    #[default]
    Auto,
    /// All in f32.
    F32,
    /// Screened in bf16; candidates are computed again in f32. Falls back to f32 while there are too many.
    Mixed,
}

/// The value of Gao et al. (2024), section A.2.
fn default_auxk() -> f64 {
    1.0 / 32.0
}

impl Config {
    /// The field's defaults with `d_sae` latents, `k` of them active per row.
    pub fn new(d_sae: usize, k: usize) -> Self {
        Self {
            d_sae,
            k,
            adam: AdamConfig::default(),
            auxk: default_auxk(),
            k_aux: None,
            dead_after: None,
            clip_norm: None,
            precision: Precision::Auto,
            reference: false,
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
        let auxk = self.auxk;
        check(auxk >= 0.0 && auxk.is_finite(), "auxk", auxk.to_string(), "0 or more")?;
        let clip = self.clip_norm.unwrap_or(1.0);
        check(clip > 0.0, "clip_norm", clip.to_string(), "a positive number")?;
        check(self.k_aux != Some(0), "k_aux", "0".to_owned(), "at least 1")?;
        self.adam.check()?;
        self.k_aux.get_or_insert((d_in / 2).max(1));
        self.dead_after.get_or_insert((rows / 10).clamp(1, LONGEST_DEAD_WINDOW));
        Ok(self)
    }
}

/// Makes a TopK autoencoder at the start of its run. `config` has to be resolved.
pub(crate) fn build(config: Config, context: &Context) -> Result<Box<dyn Learner>> {
    let Context { d_in, seed, device, .. } = context;
    let w_dec = init::unit_rows(Rng::new(*seed, "topk.w_dec"), config.d_sae, *d_in);
    // The encoder starts as the decoder's transpose (Gao et al., 2024, appendix A.1): it leaves fewer latents
    // dead than independent weights do.
    let weights = Weights {
        w_enc: w_dec.as_slice().to_vec(),
        b_enc: vec![0.0; config.d_sae],
        w_dec: w_dec.into_vec(),
        b_dec: vec![0.0; *d_in],
    };
    if *device == Device::flex() && !config.reference {
        let isa = Isa::best();
        let precision = match config.precision {
            Precision::Auto => saekit_kernels::Precision::best(),
            Precision::F32 => saekit_kernels::Precision::F32(isa),
            Precision::Mixed => saekit_kernels::Precision::Mixed(isa, Screen::best()),
        };
        return Ok(Box::new(TopK::new(config, HostEngine::new(weights, precision))));
    }
    if config.precision == Precision::Mixed {
        return Err(Error::Setting {
            setting: "precision",
            found: "mixed".to_owned(),
            expected: "auto or f32; mixed is for `--device cpu` without `reference`".to_owned(),
        });
    }
    Ok(Box::new(TopK::new(config, TensorEngine::new(&weights, device))))
}

/// A TopK autoencoder in training; see the [module](self).
struct TopK<E: Engine> {
    config: Config,
    engine: E,
    dead: DeadLatents,
    sums: Sums<E::Scalar>,
}

/// Sums for the next report; losses stay on the device until then.
///
/// Losses are averaged over batches, not over rows: the loss that a step descends is a ratio of sums over
/// its batch, so a mean of batches is what training saw.
struct Sums<S> {
    steps: u64,
    rows: u64,
    active: u64,
    mse: Option<S>,
    auxk: Option<S>,
}

impl<S> Default for Sums<S> {
    fn default() -> Self {
        Self { steps: 0, rows: 0, active: 0, mse: None, auxk: None }
    }
}

/// A term of the loss on engine `E`.
type Term<E> = LossTerm<<E as Engine>::Codes, <E as Engine>::Residual>;

impl<E: Engine> TopK<E> {
    fn new(config: Config, engine: E) -> Self {
        let dead_after = config.dead_after.unwrap_or(LONGEST_DEAD_WINDOW);
        let dead = DeadLatents::new(config.d_sae, dead_after);
        Self { config, engine, dead, sums: Sums::default() }
    }

    /// Fails unless rows are as wide as the weights and all values are finite.
    fn check(&self, batch: &Batch<'_>) -> saekit_core::Result<()> {
        let d_in = self.engine.d_in();
        CoreError::check_size("width of the batch's input", d_in, batch.input.cols())?;
        CoreError::check_size("width of the batch's target", d_in, batch.target.cols())?;
        batch.input.check_finite("the batch's input")?;
        let is_same = std::ptr::eq(batch.input.as_slice(), batch.target.as_slice());
        if is_same { Ok(()) } else { batch.target.check_finite("the batch's target") }
    }

    /// The prefix that is the whole dictionary.
    fn whole(&self) -> [Prefix; 1] {
        [Prefix { end: self.config.d_sae, weight: 1.0 }]
    }

    /// The AuxK term: dead latents reconstruct the error. `None` where no latent is dead.
    fn auxk(&mut self, main: &Term<E>) -> Result<Option<Term<E>>> {
        let dead = self.dead.ids();
        if dead.is_empty() || self.config.auxk == 0.0 {
            return Ok(None);
        }
        let k = self.config.k_aux.unwrap_or(self.engine.d_in() / 2).clamp(1, dead.len());
        let codes = self.engine.encode(Sparsity::TopK { k }, Some(&dead))?;
        let (objective, whole) = (Objective::Residual(&main.residual), self.whole());
        let weight = self.config.auxk;
        let residual = self.engine.residual(&codes, objective, &whole, weight)?;
        Ok(Some(LossTerm { codes, residual }))
    }

    /// Updates the parameters. Clipping takes two calls, because it needs the norm of all gradients.
    fn update(&mut self, terms: Vec<Term<E>>, at: Progress) -> Result<()> {
        let adam = self.config.adam.step(at.step + 1, at.lr_scale);
        match self.config.clip_norm {
            None => self.engine.update(terms, adam),
            limit => {
                let grads = self.engine.gradients(terms)?;
                self.engine.apply(grads, limit, adam)
            }
        }
    }

    fn count(&mut self, rows: usize, main: &Term<E>, auxk: Option<&Term<E>>) {
        self.dead.count(rows as u64, self.engine.active_latents(&main.codes));
        let sums = &mut self.sums;
        sums.steps += 1;
        sums.rows += rows as u64;
        sums.active += self.engine.active_latents(&main.codes).count() as u64;
        let plus = |sum: Option<E::Scalar>, term: &Term<E>| {
            let term = self.engine.fvu(&term.residual);
            Some(match sum {
                None => term,
                Some(sum) => self.engine.add(sum, term),
            })
        };
        sums.mse = plus(sums.mse.take(), main);
        if let Some(auxk) = auxk {
            sums.auxk = plus(sums.auxk.take(), auxk);
        }
    }
}

impl<E: Engine> Learner for TopK<E> {
    fn shape(&self) -> CodecShape {
        let d_in = self.engine.d_in();
        CodecShape { d_in, d_out: d_in, d_code: self.config.d_sae }
    }

    fn initialise(&mut self, sample: &Batch<'_>) -> saekit_core::Result<()> {
        self.check(sample)?;
        Ok(self.engine.set_b_dec(&init::geometric_median(sample.target))?)
    }

    fn step(&mut self, batch: &Batch<'_>, at: Progress) -> saekit_core::Result<()> {
        self.check(batch)?;
        if batch.input.rows() == 0 {
            return Ok(());
        }
        self.engine.load(batch)?;
        let codes = self.engine.encode(Sparsity::TopK { k: self.config.k }, None)?;
        let whole = self.whole();
        let residual = self.engine.residual(&codes, Objective::Batch, &whole, 1.0)?;
        let main = LossTerm { codes, residual };
        let auxk = self.auxk(&main)?;
        self.count(batch.input.rows(), &main, auxk.as_ref());
        let terms = std::iter::once(main).chain(auxk).collect();
        Ok(self.update(terms, at)?)
    }

    fn report(&mut self) -> saekit_core::Result<StepReport> {
        let sums = std::mem::take(&mut self.sums);
        let mean = |sum: Option<E::Scalar>| -> Result<f64> {
            let total = sum.map_or(Ok(0.0), |sum| self.engine.read(sum))?;
            Ok(total / sums.steps.max(1) as f64)
        };
        let rows = sums.rows.max(1) as f64;
        let (mse, auxk) = (mean(sums.mse)?, mean(sums.auxk)? * self.config.auxk);
        if !(mse + auxk).is_finite() {
            return Err(Error::Diverged { loss: mse + auxk }.into());
        }
        let counts = self.engine.take_counts().into_iter();
        Ok(StepReport {
            loss: mse + auxk,
            terms: BTreeMap::from([("mse".to_owned(), mse), ("auxk".to_owned(), auxk)]),
            fvu: mse,
            l0: sums.active as f64 / rows,
            dead_fraction: self.dead.fraction(),
            counts: counts.map(|(name, n)| (name.to_owned(), n as f64 / rows)).collect(),
        })
    }

    fn state(&self) -> saekit_core::Result<State> {
        let mut state = self.engine.state()?;
        self.dead.save(&mut state);
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> saekit_core::Result<()> {
        self.engine.restore(state)?;
        self.dead.restore(state)
    }

    fn finish(&self, scales: Scales) -> saekit_core::Result<Box<dyn Codec>> {
        let Weights { w_enc, b_enc, w_dec, b_dec } = self.engine.weights()?;
        let (d_sae, d_in) = (self.config.d_sae, self.engine.d_in());
        let mut dictionary = Dictionary::new(
            Matrix::new(d_sae, d_in, w_enc),
            b_enc,
            Matrix::new(d_sae, d_in, w_dec),
            b_dec,
        );
        dictionary.activation =
            Activation::TopK { k: self.config.k, signed: false, rescale: false };
        dictionary.fold_scale(scales.input, scales.target).map_err(CoreError::from)?;
        Ok(Box::new(dictionary))
    }
}
