//! Identities between equivalent dictionaries: other weights, the same reconstructions.
//!
//! Numbered as in docs/dictionary-format.md.

use saekit_kernels::matmul_nt;

use crate::{Activation, Dictionary, Error, Normalisation, Result};

/// Decoder norms below this count as this: such a latent writes next to nothing.
const MIN_NORM: f32 = 1e-8;

impl Dictionary {
    /// A1: stops (`subtract = false`) or starts subtracting `b_dec` before encoding, moving the
    /// difference into the encoder's bias.
    pub fn absorb_input_bias(&mut self, subtract: bool) -> Result<()> {
        let rewrite = "move the decoder bias into the encoder bias";
        if self.subtract_b_dec == subtract {
            return Ok(());
        }
        if self.transcoder {
            let reason = "a transcoder's decoder bias lives in another space than its input";
            return Err(Error::NotEquivalent { rewrite, reason });
        }
        let mut shift = vec![0.0; self.d_sae()];
        matmul_nt(&self.b_dec, self.w_enc.as_slice(), self.d_in(), &mut shift);
        let sign = if subtract { 1.0 } else { -1.0 };
        let add = |bias: &mut [f32], gain: &dyn Fn(usize) -> f32| {
            for (i, (b, s)) in bias.iter_mut().zip(&shift).enumerate() {
                *b += sign * s * gain(i);
            }
        };
        if let Activation::Gated { b_gate, b_mag, r_mag } = &mut self.activation {
            add(b_gate, &|_| 1.0);
            add(b_mag, &|i| r_mag[i].exp());
        } else {
            add(&mut self.b_enc, &|_| 1.0);
        }
        self.subtract_b_dec = subtract;
        Ok(())
    }

    /// A2: makes a dictionary trained on `input · x` (writing `output · y`) read `x` and write `y`.
    /// Latent activations stay what they were, except where they are reported in units of the decoder
    /// norm (TopK with `rescale`): those are divided by `output`.
    pub fn fold_scale(&mut self, input: f32, output: f32) -> Result<()> {
        let rewrite = "fold a scale into the weights";
        if self.normalisation != Normalisation::None {
            let reason = "the normalisation of each row already removes the scale";
            return Err(Error::NotEquivalent { rewrite, reason });
        }
        if self.subtract_b_dec && input.to_bits() != output.to_bits() {
            let reason = "the decoder bias is subtracted from the input but scaled as the output";
            return Err(Error::NotEquivalent { rewrite, reason });
        }
        self.w_enc.as_mut_slice().iter_mut().for_each(|w| *w *= input);
        self.w_dec.as_mut_slice().iter_mut().for_each(|w| *w /= output);
        self.b_dec.iter_mut().for_each(|b| *b /= output);
        if let Some(skip) = &mut self.w_skip {
            skip.as_mut_slice().iter_mut().for_each(|w| *w *= input / output);
        }
        Ok(())
    }

    /// A4: makes every decoder row a unit vector; activations take the norms over.
    pub fn unit_norm_decoder(&mut self) -> Result<()> {
        let rewrite = "give the decoder unit rows";
        let norms: Vec<f32> = self.decoder_norms().iter().map(|n| n.max(MIN_NORM)).collect();
        if let Activation::TopK { rescale: false, .. } | Activation::GroupMax { .. } =
            self.activation
        {
            let even = norms.iter().all(|n| (n - norms[0]).abs() <= 1e-6 * norms[0]);
            if !even {
                let reason = "latents are ranked without their decoder norms, which differ";
                return Err(Error::NotEquivalent { rewrite, reason });
            }
        }
        for (i, norm) in norms.iter().enumerate() {
            self.w_dec.row_mut(i).iter_mut().for_each(|w| *w /= norm);
        }
        // Ranked by `h · ‖w_dec‖`, latents already report what they will report with unit rows.
        for (i, norm) in norms.iter().enumerate() {
            self.w_enc.row_mut(i).iter_mut().for_each(|w| *w *= norm);
            self.b_enc[i] *= norm;
        }
        match &mut self.activation {
            Activation::JumpRelu { threshold } => scale(threshold, &norms),
            Activation::Gated { b_gate, b_mag, .. } => {
                scale(b_gate, &norms);
                scale(b_mag, &norms);
            }
            Activation::Relu | Activation::TopK { .. } | Activation::GroupMax { .. } => {}
        }
        Ok(())
    }
}

fn scale(values: &mut [f32], factors: &[f32]) {
    values.iter_mut().zip(factors).for_each(|(v, f)| *v *= f);
}
