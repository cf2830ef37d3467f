use saekit_core::{Batch, State, StateTensor};
use saekit_kernels::{
    AdamStep, CscCodes, CsrCodes, Decoder, Encoder, Isa, Moments, Parameters, Precision, Prefix,
    Screener, Screening, Sparsity, StepInput, Target, TermGrad, Weights, apply, centre,
    encode_once, gradients, residual, update, variance,
};

use super::{Engine, LossTerm, Objective, moment_names};
use crate::{Error, Result};

/// The sparse kernels, on the CPU; see the [module](super).
pub struct HostEngine {
    isa: Isa,
    precision: Precision,
    screener: Screener,
    weights: Weights,
    moments: Moments,
    /// The batch's input, `[B, d_in]`, centred by `b_dec`.
    x: Vec<f32>,
    /// The batch's target, `[B, d_out]`.
    target: Vec<f32>,
    /// Buffers of earlier steps, for reuse.
    spare_residuals: Vec<saekit_kernels::Residual>,
    spare_columns: Vec<CscCodes>,
    /// The smallest value that BatchTopK selected in the last batch: a hint for the next.
    last_threshold: Option<f32>,
    screening: Screening,
}

/// The objective minus the reconstruction.
pub struct HostResidual {
    inner: saekit_kernels::Residual,
    prefixes: Vec<Prefix>,
    /// Factor of the squared errors in the loss.
    scale: f32,
    fvu: f64,
    bias: bool,
}

impl HostEngine {
    /// An engine with the parameters `weights` and zero moments.
    pub fn new(weights: Weights, precision: Precision) -> Self {
        Self {
            isa: precision.isa(),
            precision,
            screener: Screener::new(precision, &weights.w_enc, weights.b_dec.len()),
            moments: Moments::new(&weights),
            weights,
            x: Vec::new(),
            target: Vec::new(),
            spare_residuals: Vec::new(),
            spare_columns: Vec::new(),
            last_threshold: None,
            screening: Screening::default(),
        }
    }

    /// Fails where a weight is not finite. The loss alone does not show it: NaN in the encoder selects nothing.
    fn check(&self) -> Result<()> {
        let values = Self::parts(&self.weights).into_iter().flat_map(|(_, values, _)| values);
        match values.copied().find(|value| !value.is_finite()) {
            Some(value) => Err(Error::Diverged { loss: f64::from(value) }),
            None => Ok(()),
        }
    }

    fn transposed(&mut self, terms: &[LossTerm<CsrCodes, HostResidual>]) -> Vec<CscCodes> {
        let d_sae = self.weights.b_enc.len();
        let transpose = |term: &LossTerm<CsrCodes, HostResidual>| {
            let mut columns = self.spare_columns.pop().unwrap_or_default();
            term.codes.transpose(&term.residual.inner.grads, d_sae, &mut columns);
            columns
        };
        terms.iter().map(transpose).collect()
    }

    fn keep_buffers(
        &mut self,
        terms: Vec<LossTerm<CsrCodes, HostResidual>>,
        columns: Vec<CscCodes>,
    ) {
        self.spare_residuals.extend(terms.into_iter().map(|term| term.residual.inner));
        self.spare_columns.extend(columns);
    }

    /// The parameters by name, with their sizes.
    fn parts(weights: &Weights) -> [(&'static str, &Vec<f32>, Vec<usize>); 4] {
        let Weights { w_enc, b_enc, w_dec, b_dec } = weights;
        let d_sae = b_enc.len();
        [
            ("w_enc", w_enc, vec![d_sae, w_enc.len() / d_sae.max(1)]),
            ("b_enc", b_enc, vec![d_sae]),
            ("w_dec", w_dec, vec![d_sae, b_dec.len()]),
            ("b_dec", b_dec, vec![b_dec.len()]),
        ]
    }
}

/// The terms of the loss, as the kernels take them.
fn term_grads<'a>(
    terms: &'a [LossTerm<CsrCodes, HostResidual>],
    columns: &'a [CscCodes],
) -> Vec<TermGrad<'a>> {
    let grad = |(term, codes): (&'a LossTerm<CsrCodes, HostResidual>, &'a CscCodes)| {
        let HostResidual { inner, prefixes, scale, bias, .. } = &term.residual;
        TermGrad { codes, errors: &inner.errors, prefixes, scale: *scale, bias: *bias }
    };
    terms.iter().zip(columns).map(grad).collect()
}

impl Engine for HostEngine {
    type Codes = CsrCodes;
    type Residual = HostResidual;
    type Grads = Weights;
    type Scalar = f64;

    fn d_in(&self) -> usize {
        self.weights.b_dec.len()
    }

    fn d_sae(&self) -> usize {
        self.weights.b_enc.len()
    }

    fn set_b_dec(&mut self, b_dec: &[f32]) -> Result<()> {
        self.weights.b_dec.copy_from_slice(b_dec);
        Ok(())
    }

    fn load(&mut self, batch: &Batch<'_>) -> Result<()> {
        centre(batch.input.as_slice(), &self.weights.b_dec, &mut self.x);
        // The batch is borrowed for this call alone, and `residual` needs the target later: hence a copy.
        // Where the target is the input, the step so moves `8 B d` bytes more than it had to.
        self.target.clear();
        self.target.extend_from_slice(batch.target.as_slice());
        Ok(())
    }

    fn encode(&mut self, sparsity: Sparsity<'_>, latents: Option<&[u32]>) -> Result<CsrCodes> {
        let Weights { w_enc, b_enc, .. } = &self.weights;
        let sparsity = match (sparsity, latents) {
            (Sparsity::BatchTopK { k, hint }, None) => {
                Sparsity::BatchTopK { k, hint: hint.or(self.last_threshold) }
            }
            _ => sparsity,
        };
        let (codes, screening) = match latents {
            None => self.screener.encode(&self.x, Encoder { w_enc, b_enc }, sparsity),
            Some(latents) => {
                let d = self.weights.b_dec.len();
                let mut picked = Vec::with_capacity(latents.len() * d);
                for id in latents {
                    picked.extend_from_slice(&w_enc[*id as usize * d..][..d]);
                }
                let b_enc: Vec<f32> = latents.iter().map(|id| b_enc[*id as usize]).collect();
                let encoder = Encoder { w_enc: &picked, b_enc: &b_enc };
                let (mut codes, screening) =
                    encode_once(&self.x, encoder, sparsity, self.precision);
                codes.ids.iter_mut().for_each(|id| *id = latents[*id as usize]);
                (codes, screening)
            }
        };
        // The hint is no part of the state: codes do not depend on it, so a resumed run, which starts
        // without one, gets the same bits.
        if matches!(sparsity, Sparsity::BatchTopK { .. }) && latents.is_none() {
            self.last_threshold = codes.values.iter().copied().reduce(f32::min);
        }
        self.screening += screening;
        Ok(codes)
    }

    fn active_latents<'a>(&self, codes: &'a CsrCodes) -> Box<dyn Iterator<Item = u32> + 'a> {
        Box::new(codes.ids.iter().zip(&codes.values).filter(|(_, v)| **v > 0.0).map(|(id, _)| *id))
    }

    fn residual(
        &mut self,
        codes: &CsrCodes,
        objective: Objective<'_, HostResidual>,
        prefixes: &[Prefix],
        weight: f64,
    ) -> Result<HostResidual> {
        let d = self.d_in();
        let (target, bias) = match objective {
            Objective::Batch => (&self.target[..], true),
            Objective::Residual(other) => {
                let errors = &other.inner.errors;
                (&errors[errors.len() - codes.rows() * d..], false)
            }
        };
        let variance = variance(self.isa, target, d);
        let scale = (weight / variance) as f32;
        let Weights { w_dec, b_dec, .. } = &self.weights;
        let decoder = Decoder { w_dec, b_dec: bias.then_some(b_dec) };
        let mut inner = self.spare_residuals.pop().unwrap_or_default();
        residual(self.isa, codes, decoder, Target { y: target, prefixes, scale }, &mut inner);
        let fvu = inner.sse.last().map_or(0.0, |sse| sse / variance);
        if !fvu.is_finite() {
            return Err(Error::Diverged { loss: fvu });
        }
        Ok(HostResidual { inner, prefixes: prefixes.to_vec(), scale, fvu, bias })
    }

    fn fvu(&self, residual: &HostResidual) -> f64 {
        residual.fvu
    }

    fn add(&self, sum: f64, term: f64) -> f64 {
        sum + term
    }

    fn take_counts(&mut self) -> Vec<(&'static str, u64)> {
        let Screening { screened, rescored, fallback_rows } = std::mem::take(&mut self.screening);
        match self.precision {
            Precision::F32(_) => Vec::new(),
            Precision::Mixed(..) => {
                vec![
                    ("screened", screened),
                    ("rescored", rescored),
                    ("fallback_rows", fallback_rows),
                ]
            }
        }
    }

    fn read(&self, scalar: f64) -> Result<f64> {
        Ok(scalar)
    }

    fn update(
        &mut self,
        terms: Vec<LossTerm<CsrCodes, HostResidual>>,
        adam: AdamStep,
    ) -> Result<()> {
        let columns = self.transposed(&terms);
        let batch = StepInput { x: &self.x, terms: &term_grads(&terms, &columns) };
        let Self { weights, moments, screener, .. } = self;
        let parameters = Parameters { weights, moments, rounded: screener.rounded() };
        update(self.isa, parameters, batch, adam);
        self.keep_buffers(terms, columns);
        Ok(())
    }

    fn gradients(&mut self, terms: Vec<LossTerm<CsrCodes, HostResidual>>) -> Result<Weights> {
        let columns = self.transposed(&terms);
        let batch = StepInput { x: &self.x, terms: &term_grads(&terms, &columns) };
        let mut grads = self.weights.zeros_like();
        gradients(self.isa, &self.weights, batch, &mut grads);
        self.keep_buffers(terms, columns);
        Ok(grads)
    }

    fn apply(&mut self, mut grads: Weights, limit: Option<f64>, adam: AdamStep) -> Result<()> {
        let factor = limit.map_or(1.0, |limit| {
            let norm = grads.norm(self.isa).max(f64::from(f32::MIN_POSITIVE));
            (limit / norm).min(1.0)
        });
        let Self { weights, moments, screener, .. } = self;
        let parameters = Parameters { weights, moments, rounded: screener.rounded() };
        apply(self.isa, parameters, &mut grads, factor as f32, adam);
        Ok(())
    }

    fn state(&self) -> Result<State> {
        self.check()?;
        let mut state = State::new();
        let mut put = |name: String, data: &Vec<f32>, shape: &[usize]| {
            state.insert(name, StateTensor::F32 { shape: shape.to_vec(), data: data.clone() });
        };
        let Moments { first, second } = &self.moments;
        let moments = Self::parts(first).into_iter().zip(Self::parts(second));
        for ((name, data, shape), (first, second)) in
            Self::parts(&self.weights).into_iter().zip(moments)
        {
            let [first_name, second_name] = moment_names(name);
            put(name.to_owned(), data, &shape);
            put(first_name, first.1, &shape);
            put(second_name, second.1, &shape);
        }
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> saekit_core::Result<()> {
        let Moments { first, second } = &mut self.moments;
        for (weights, moment) in [(&mut self.weights, None), (first, Some(0)), (second, Some(1))] {
            let Weights { w_enc, b_enc, w_dec, b_dec } = weights;
            let parts = [("w_enc", w_enc), ("b_enc", b_enc), ("w_dec", w_dec), ("b_dec", b_dec)];
            for (parameter, values) in parts {
                let name = match moment {
                    None => parameter.to_owned(),
                    Some(which) => moment_names(parameter)[which].clone(),
                };
                let stored = StateTensor::f32s(state, &name, values.len())?;
                values.copy_from_slice(stored);
            }
        }
        if let Some(rounded) = self.screener.rounded() {
            rounded.refresh(self.isa, &self.weights.w_enc);
        }
        // A hint of other weights would be a bad guess.
        self.last_threshold = None;
        Ok(())
    }

    fn weights(&self) -> Result<Weights> {
        self.check()?;
        Ok(self.weights.clone())
    }
}
