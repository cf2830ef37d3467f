//! Adam (Kingma and Ba, 2015, arXiv 1412.6980) on plain tensors.

use burn::tensor::Tensor;
use saekit_core::{State, StateTensor};
use saekit_kernels::AdamStep;
use serde::{Deserialize, Serialize};

use crate::engine::moment_names;
use crate::tensors::to_state;
use crate::{Error, Result};

/// Adam's settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Learning rate before the schedule's factor.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the division finite.
    pub eps: f64,
}

impl Default for AdamConfig {
    /// 3e-4, (0.9, 0.999), 1e-8: what the field's toolkits train TopK with.
    fn default() -> Self {
        Self { lr: 3e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8 }
    }
}

impl AdamConfig {
    /// Fails if a setting is out of range.
    pub(crate) fn check(&self) -> Result<()> {
        let bad = |setting, found: f64, expected: &str| Error::Setting {
            setting,
            found: found.to_string(),
            expected: expected.to_owned(),
        };
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return Err(bad("lr", self.lr, "a positive number"));
        }
        for (setting, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return Err(bad(setting, beta, "at least 0 and below 1"));
            }
        }
        if !(self.eps > 0.0 && self.eps.is_finite()) {
            return Err(bad("eps", self.eps, "a positive number"));
        }
        Ok(())
    }

    /// The scalars of update number `t`, counted from 1; `lr_scale` is the schedule's factor of the rate.
    pub fn step(&self, t: u64, lr_scale: f64) -> AdamStep {
        let correction = |beta: f64| (1.0 / (1.0 - beta.powf(t as f64))) as f32;
        AdamStep {
            lr: (self.lr * lr_scale) as f32,
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            gain1: (1.0 - self.beta1) as f32,
            gain2: (1.0 - self.beta2) as f32,
            eps: self.eps as f32,
            correction1: correction(self.beta1),
            correction2: correction(self.beta2),
        }
    }
}

/// The moments of one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Moments<const D: usize> {
    first: Tensor<D>,
    second: Tensor<D>,
}

impl<const D: usize> Moments<D> {
    /// Zero moments of a parameter like `parameter`.
    pub(crate) fn new(parameter: &Tensor<D>) -> Self {
        Self { first: parameter.zeros_like(), second: parameter.zeros_like() }
    }

    /// One step of Adam: returns the new value of `parameter`.
    pub(crate) fn update(
        &mut self,
        parameter: Tensor<D>,
        grad: Tensor<D>,
        step: AdamStep,
    ) -> Tensor<D> {
        let AdamStep { lr, beta1, beta2, gain1, gain2, eps, correction1, correction2 } = step;
        let squared = grad.clone() * grad.clone();
        self.first = self.first.clone().mul_scalar(beta1) + grad.mul_scalar(gain1);
        self.second = self.second.clone().mul_scalar(beta2) + squared.mul_scalar(gain2);
        let scale = self.second.clone().mul_scalar(correction2).sqrt().add_scalar(eps);
        parameter - self.first.clone().mul_scalar(lr * correction1) / scale
    }

    /// Adds the moments of the parameter called `name` to `state`.
    pub(crate) fn save(&self, name: &str, state: &mut State) -> Result<()> {
        let [first, second] = moment_names(name);
        state.insert(first, to_state(&self.first)?);
        state.insert(second, to_state(&self.second)?);
        Ok(())
    }

    /// Restores the moments of the parameter called `name` from `state`.
    pub(crate) fn restore(&mut self, name: &str, state: &State) -> saekit_core::Result<()> {
        let [first, second] = moment_names(name);
        self.first = from_state(&first, &self.first, state)?;
        self.second = from_state(&second, &self.second, state)?;
        Ok(())
    }
}

/// The tensor called `name` of `state`, with the shape and device of `like`.
pub(crate) fn from_state<const D: usize>(
    name: &str,
    like: &Tensor<D>,
    state: &State,
) -> saekit_core::Result<Tensor<D>> {
    let values = StateTensor::f32s(state, name, like.shape().num_elements())?;
    let data = burn::tensor::TensorData::new(values.to_vec(), like.shape());
    Ok(Tensor::from_data(data, &like.device()))
}
