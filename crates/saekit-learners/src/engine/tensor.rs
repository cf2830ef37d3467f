use burn::tensor::activation::relu;
use burn::tensor::{Device, IndexingUpdateOp, Tensor};
use saekit_core::{Batch, State};
use saekit_kernels::{AdamStep, Prefix, Sparsity, Weights};

use super::{Engine, LossTerm, Objective};
use crate::adam::{Moments, from_state};
use crate::tensors::{download, select_top_k, to_state, upload, upload_ids, upload_vector};
use crate::{Result, decoder};

/// Dense tensor operations, on any device; see the [module](super).
///
/// Codes are dense, `[B, d_sae]`, and gradients are written by hand: the arithmetic of the sparse kernels
/// without their optimisations.
pub struct TensorEngine {
    device: Device,
    parameters: Parameters,
    moments: ParameterMoments,
    /// The batch's input, `[B, d_in]`, centred by `b_dec`.
    x: Tensor<2>,
    /// The batch's target, `[B, d_out]`.
    target: Tensor<2>,
    /// Pre-activations of the batch, `[B, d_sae]`; computed at the first use.
    pre: Option<Tensor<2>>,
}

/// Parameters, or their gradients: both matrices latent-major.
#[derive(Clone)]
pub struct Parameters {
    w_enc: Tensor<2>,
    b_enc: Tensor<1>,
    w_dec: Tensor<2>,
    b_dec: Tensor<1>,
}

struct ParameterMoments {
    w_enc: Moments<2>,
    b_enc: Moments<1>,
    w_dec: Moments<2>,
    b_dec: Moments<1>,
}

/// Dense codes.
pub struct DenseCodes {
    /// `[B, d_sae]`, zero where a latent is not active.
    values: Tensor<2>,
    /// The latents with a positive value; a latent comes once per row it is active in.
    active: Vec<u32>,
}

/// The objective minus the reconstruction.
pub struct DenseResidual {
    /// The weighted error of each prefix by itself, `[B, d_out]`.
    errors: Vec<Tensor<2>>,
    prefixes: Vec<Prefix>,
    /// Factor of the squared errors in the loss, `[1]`.
    scale: Tensor<1>,
    fvu: Tensor<1>,
    bias: bool,
}

impl TensorEngine {
    /// An engine on `device` with the parameters `weights` and zero moments.
    pub fn new(weights: &Weights, device: &Device) -> Self {
        let (d_sae, d) = (weights.b_enc.len(), weights.b_dec.len());
        let matrix = |values: &[f32]| upload_vector(values, device).reshape([d_sae, d]);
        let parameters = Parameters {
            w_enc: matrix(&weights.w_enc),
            b_enc: upload_vector(&weights.b_enc, device),
            w_dec: matrix(&weights.w_dec),
            b_dec: upload_vector(&weights.b_dec, device),
        };
        Self {
            device: device.clone(),
            moments: ParameterMoments::new(&parameters),
            parameters,
            x: Tensor::zeros([0, d], device),
            target: Tensor::zeros([0, d], device),
            pre: None,
        }
    }

    /// `x w_encᵀ + b_enc`, `[B, d_sae]`.
    fn pre_activations(&mut self) -> Tensor<2> {
        let Parameters { w_enc, b_enc, .. } = &self.parameters;
        let x = &self.x;
        let pre = self.pre.get_or_insert_with(|| {
            x.clone().matmul(w_enc.clone().transpose()) + b_enc.clone().unsqueeze()
        });
        pre.clone()
    }

    /// `pre` where it is positive and among the `k` largest of its row, zero elsewhere.
    fn keep_top_k(&self, pre: Tensor<2>, k: usize) -> Result<DenseCodes> {
        let zeros = Tensor::<2>::zeros(pre.dims(), &self.device);
        let (ids, host_ids) = select_top_k(pre.clone(), k)?;
        let values = relu(pre.gather(1, ids.clone()));
        let active = positive(&host_ids, &download(values.clone())?);
        Ok(DenseCodes { values: zeros.scatter(1, ids, values, IndexingUpdateOp::Add), active })
    }

    /// Codes from a dense matrix.
    fn codes(values: Tensor<2>) -> Result<DenseCodes> {
        let d_sae = values.dims()[1] as u32;
        let host = download(values.clone())?;
        let ids: Vec<u32> = (0..host.len() as u32).map(|at| at % d_sae).collect();
        Ok(DenseCodes { values, active: positive(&ids, &host) })
    }

    fn keep(&self, pre: Tensor<2>, sparsity: Sparsity<'_>) -> Result<DenseCodes> {
        let [rows, cols] = pre.dims();
        match sparsity {
            Sparsity::TopK { k } if k < cols => self.keep_top_k(pre, k),
            Sparsity::BatchTopK { k, .. } if k < cols => {
                let codes = self.keep_top_k(pre.reshape([1, rows * cols]), k * rows)?;
                Self::codes(codes.values.reshape([rows, cols]))
            }
            Sparsity::Threshold { thresholds, .. } => {
                let thresholds = upload_vector(thresholds, &self.device);
                let above = pre.clone().greater(thresholds.unsqueeze());
                Self::codes(pre.mask_fill(above.bool_not(), 0.0))
            }
            Sparsity::Positive | Sparsity::TopK { .. } | Sparsity::BatchTopK { .. } => {
                Self::codes(relu(pre))
            }
        }
    }

    /// Adds the gradient of one term to `grads`: `factor · codesᵀ error` for the decoder, and the derivative
    /// by the values for the encoder.
    fn add_gradient(&self, term: &LossTerm<DenseCodes, DenseResidual>, grads: &mut Parameters) {
        let DenseResidual { errors, prefixes, scale, bias, .. } = &term.residual;
        let factor = scale.clone().mul_scalar(-2.0);
        let codes = &term.codes.values;
        let [rows, d_sae] = codes.dims();
        let mask = codes.clone().greater_elem(0.0).float();
        for (prefix, error) in prefixes.iter().zip(errors) {
            let error = error.clone() * factor.clone().unsqueeze();
            let inside = Tensor::<2>::ones([1, prefix.end], &self.device);
            let outside = Tensor::zeros([1, d_sae - prefix.end], &self.device);
            let inside = Tensor::cat(vec![inside, outside], 1).expand([rows, d_sae]);
            let values = codes.clone() * inside.clone();
            grads.w_dec = grads.w_dec.clone() + values.transpose().matmul(error.clone());
            let by_value = error.clone().matmul(self.parameters.w_dec.clone().transpose());
            let by_value = by_value * mask.clone() * inside;
            grads.w_enc = grads.w_enc.clone() + by_value.clone().transpose().matmul(self.x.clone());
            let by_bias: Tensor<1> = by_value.sum_dim(0).squeeze_dim(0);
            grads.b_enc = grads.b_enc.clone() + by_bias;
            if *bias {
                grads.b_dec = grads.b_dec.clone() + error.sum_dim(0).squeeze_dim(0);
            }
        }
    }
}

/// Those of `ids` whose value is positive.
fn positive(ids: &[u32], values: &[f32]) -> Vec<u32> {
    ids.iter().zip(values).filter(|(_, v)| **v > 0.0).map(|(id, _)| *id).collect()
}

/// `Σ (y - ȳ)²`, `[1]`: at least 1e-12 times `Σ y²`, below which it would be rounding errors, and never
/// zero.
fn variance(y: &Tensor<2>) -> Tensor<1> {
    let centred = y.clone() - y.clone().mean_dim(0);
    let least = (y.clone() * y.clone()).sum().mul_scalar(1e-12);
    (centred.clone() * centred).sum().max_pair(least).clamp_min(f64::from(f32::MIN_POSITIVE))
}

impl Engine for TensorEngine {
    type Codes = DenseCodes;
    type Residual = DenseResidual;
    type Grads = Parameters;
    type Scalar = Tensor<1>;

    fn d_in(&self) -> usize {
        self.parameters.w_enc.dims()[1]
    }

    fn d_sae(&self) -> usize {
        self.parameters.w_enc.dims()[0]
    }

    fn set_b_dec(&mut self, b_dec: &[f32]) -> Result<()> {
        self.parameters.b_dec = upload_vector(b_dec, &self.device);
        Ok(())
    }

    fn load(&mut self, batch: &Batch<'_>) -> Result<()> {
        let b_dec = self.parameters.b_dec.clone().unsqueeze();
        self.x = upload(batch.input, &self.device) - b_dec;
        self.target = upload(batch.target, &self.device);
        self.pre = None;
        Ok(())
    }

    fn encode(&mut self, sparsity: Sparsity<'_>, latents: Option<&[u32]>) -> Result<DenseCodes> {
        let pre = self.pre_activations();
        let Some(latents) = latents else { return self.keep(pre, sparsity) };
        let ids = upload_ids(latents, [1, latents.len()], &self.device);
        let picked = pre.clone().select(1, ids.clone().squeeze_dim(0));
        let codes = self.keep(picked, sparsity)?;
        let places = ids.expand([pre.dims()[0], latents.len()]);
        let zeros = Tensor::<2>::zeros(pre.dims(), &self.device);
        let active = codes.active.iter().map(|id| latents[*id as usize]).collect();
        let values = zeros.scatter(1, places, codes.values, IndexingUpdateOp::Add);
        Ok(DenseCodes { values, active })
    }

    fn active_latents<'a>(&self, codes: &'a DenseCodes) -> Box<dyn Iterator<Item = u32> + 'a> {
        Box::new(codes.active.iter().copied())
    }

    fn residual(
        &mut self,
        codes: &DenseCodes,
        objective: Objective<'_, DenseResidual>,
        prefixes: &[Prefix],
        weight: f64,
    ) -> Result<DenseResidual> {
        let Parameters { w_dec, b_dec, .. } = &self.parameters;
        let d = w_dec.dims()[1];
        let (objective, bias) = match objective {
            Objective::Batch => (self.target.clone(), true),
            Objective::Residual(other) => {
                let last = other.errors.last().expect("there is a prefix");
                (last.clone(), false)
            }
        };
        let variance = variance(&objective);
        let mut fvu = variance.zeros_like();
        let mut errors = Vec::with_capacity(prefixes.len());
        for prefix in prefixes {
            let [rows, _] = codes.values.dims();
            let values = codes.values.clone().slice([0..rows, 0..prefix.end]);
            let output = values.matmul(w_dec.clone().slice([0..prefix.end, 0..d]));
            let error = objective.clone() - output;
            let error = if bias { error - b_dec.clone().unsqueeze() } else { error };
            fvu = (error.clone() * error.clone()).sum() / variance.clone();
            errors.push(error.mul_scalar(prefix.weight));
        }
        let scale = variance.recip().mul_scalar(weight);
        Ok(DenseResidual { errors, prefixes: prefixes.to_vec(), scale, fvu, bias })
    }

    fn fvu(&self, residual: &DenseResidual) -> Tensor<1> {
        residual.fvu.clone()
    }

    fn add(&self, sum: Tensor<1>, term: Tensor<1>) -> Tensor<1> {
        sum + term
    }

    fn read(&self, scalar: Tensor<1>) -> Result<f64> {
        Ok(f64::from(download(scalar)?[0]))
    }

    fn update(
        &mut self,
        terms: Vec<LossTerm<DenseCodes, DenseResidual>>,
        adam: AdamStep,
    ) -> Result<()> {
        let grads = self.gradients(terms)?;
        self.apply(grads, None, adam)
    }

    fn gradients(&mut self, terms: Vec<LossTerm<DenseCodes, DenseResidual>>) -> Result<Parameters> {
        let mut grads = self.parameters.zeros_like();
        for term in &terms {
            self.add_gradient(term, &mut grads);
        }
        // The rows were centred by b_dec.
        let Parameters { w_enc, w_dec, .. } = &self.parameters;
        let shift = grads.b_enc.clone().unsqueeze::<2>().matmul(w_enc.clone()).squeeze_dim(0);
        grads.b_dec = grads.b_dec - shift;
        grads.w_dec = decoder::project(grads.w_dec, w_dec);
        Ok(grads)
    }

    fn apply(&mut self, mut grads: Parameters, limit: Option<f64>, adam: AdamStep) -> Result<()> {
        if let Some(limit) = limit {
            grads.clip(limit);
        }
        let Parameters { w_enc, b_enc, w_dec, b_dec } = self.parameters.clone();
        let moments = &mut self.moments;
        self.parameters = Parameters {
            w_enc: moments.w_enc.update(w_enc, grads.w_enc, adam),
            b_enc: moments.b_enc.update(b_enc, grads.b_enc, adam),
            w_dec: decoder::renormalise(moments.w_dec.update(w_dec, grads.w_dec, adam)),
            b_dec: moments.b_dec.update(b_dec, grads.b_dec, adam),
        };
        Ok(())
    }

    fn state(&self) -> Result<State> {
        let mut state = State::new();
        let Parameters { w_enc, b_enc, w_dec, b_dec } = &self.parameters;
        state.insert("w_enc".to_owned(), to_state(w_enc)?);
        state.insert("b_enc".to_owned(), to_state(b_enc)?);
        state.insert("w_dec".to_owned(), to_state(w_dec)?);
        state.insert("b_dec".to_owned(), to_state(b_dec)?);
        self.moments.w_enc.save("w_enc", &mut state)?;
        self.moments.b_enc.save("b_enc", &mut state)?;
        self.moments.w_dec.save("w_dec", &mut state)?;
        self.moments.b_dec.save("b_dec", &mut state)?;
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> saekit_core::Result<()> {
        let Parameters { w_enc, b_enc, w_dec, b_dec } = &mut self.parameters;
        *w_enc = from_state("w_enc", w_enc, state)?;
        *b_enc = from_state("b_enc", b_enc, state)?;
        *w_dec = from_state("w_dec", w_dec, state)?;
        *b_dec = from_state("b_dec", b_dec, state)?;
        self.moments.w_enc.restore("w_enc", state)?;
        self.moments.b_enc.restore("b_enc", state)?;
        self.moments.w_dec.restore("w_dec", state)?;
        self.moments.b_dec.restore("b_dec", state)
    }

    fn weights(&self) -> Result<Weights> {
        self.parameters.clone().download()
    }
}

impl Parameters {
    fn zeros_like(&self) -> Self {
        Self {
            w_enc: self.w_enc.zeros_like(),
            b_enc: self.b_enc.zeros_like(),
            w_dec: self.w_dec.zeros_like(),
            b_dec: self.b_dec.zeros_like(),
        }
    }

    /// The values on the host.
    pub fn download(self) -> Result<Weights> {
        Ok(Weights {
            w_enc: download(self.w_enc)?,
            b_enc: download(self.b_enc)?,
            w_dec: download(self.w_dec)?,
            b_dec: download(self.b_dec)?,
        })
    }

    /// Scales all gradients down together to a Euclidean norm of at most `limit`.
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

impl ParameterMoments {
    fn new(parameters: &Parameters) -> Self {
        Self {
            w_enc: Moments::new(&parameters.w_enc),
            b_enc: Moments::new(&parameters.b_enc),
            w_dec: Moments::new(&parameters.w_dec),
            b_dec: Moments::new(&parameters.b_dec),
        }
    }
}
