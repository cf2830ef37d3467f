use saekit_core::{Matrix, Provenance};
use serde_json::{Map, Value};

use crate::{Activation, Error, Normalisation, Reshape, Result};

/// A sparse dictionary in canonical, latent-major form.
///
/// For a row `x`, with row vectors throughout:
/// ```text
/// u = ν(x) - b_dec            (b_dec only where `subtract_b_dec`)
/// h = u w_encᵀ + b_enc        [d_sae]
/// a = activation(h)           [d_sae], sparse
/// y = ν⁻¹(a w_dec + b_dec)    (+ x w_skipᵀ; no ν⁻¹ for transcoders)
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dictionary {
    /// Encoder, `[d_sae, d_in]`.
    pub w_enc: Matrix,
    /// Encoder bias, `[d_sae]`.
    pub b_enc: Vec<f32>,
    /// Decoder, `[d_sae, d_out]`.
    pub w_dec: Matrix,
    /// Decoder bias, `[d_out]`.
    pub b_dec: Vec<f32>,
    /// From pre-activations to codes.
    pub activation: Activation,
    /// Whether `b_dec` is subtracted before encoding (never for a transcoder).
    pub subtract_b_dec: bool,
    /// Whether the output is another activation than the input.
    pub transcoder: bool,
    /// What is done to a row before encoding.
    pub normalisation: Normalisation,
    /// How rows came about.
    pub reshape: Reshape,
    /// Skip connection, `[d_out, d_in]`, transcoders only.
    pub w_skip: Option<Matrix>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// What another tool's file said besides; kept so that it can be written back.
    pub extra: Map<String, Value>,
}

impl Dictionary {
    /// An autoencoder with the given weights, `relu` until `activation` says otherwise, nothing
    /// normalised and nothing known of its past.
    pub fn new(w_enc: Matrix, b_enc: Vec<f32>, w_dec: Matrix, b_dec: Vec<f32>) -> Self {
        Self {
            w_enc,
            b_enc,
            w_dec,
            b_dec,
            activation: Activation::Relu,
            subtract_b_dec: true,
            transcoder: false,
            normalisation: Normalisation::None,
            reshape: Reshape::None,
            w_skip: None,
            provenance: Provenance::default(),
            extra: Map::new(),
        }
    }

    /// Width of the rows it reads.
    pub fn d_in(&self) -> usize {
        self.w_enc.cols()
    }

    /// Width of the rows it writes.
    pub fn d_out(&self) -> usize {
        self.w_dec.cols()
    }

    /// Number of latents.
    pub fn d_sae(&self) -> usize {
        self.w_enc.rows()
    }

    /// Euclidean norm of each decoder row, `[d_sae]`.
    pub fn decoder_norms(&self) -> Vec<f32> {
        self.w_dec.view().iter().map(|row| row.iter().map(|w| w * w).sum::<f32>().sqrt()).collect()
    }

    /// Fails unless every tensor has the shape that `d_in`, `d_out` and `d_sae` ask for and the
    /// activation's numbers make sense.
    pub fn validate(&self) -> Result<()> {
        let (d_in, d_out, d_sae) = (self.d_in(), self.d_out(), self.d_sae());
        check("w_dec", &[self.w_dec.rows(), d_out], &[d_sae, d_out], "d_sae, d_out")?;
        check("b_enc", &[self.b_enc.len()], &[d_sae], "d_sae")?;
        check("b_dec", &[self.b_dec.len()], &[d_out], "d_out")?;
        if let Some(skip) = &self.w_skip {
            check("w_skip", &[skip.rows(), skip.cols()], &[d_out, d_in], "d_out, d_in")?;
        }
        if !self.transcoder {
            check("w_dec", &[d_sae, d_out], &[d_sae, d_in], "d_sae, d_in")?;
        }
        self.validate_activation()
    }

    fn validate_activation(&self) -> Result<()> {
        let d_sae = self.d_sae();
        let vector = |name, values: &Vec<f32>| check(name, &[values.len()], &[d_sae], "d_sae");
        match &self.activation {
            Activation::Relu => Ok(()),
            Activation::TopK { k, .. } if (1..=d_sae).contains(k) => Ok(()),
            Activation::GroupMax { k } if *k > 0 && d_sae.is_multiple_of(*k) => Ok(()),
            Activation::TopK { k, .. } => {
                Err(Error::Value { what: "k", found: k.to_string(), expected: "1 to d_sae" })
            }
            Activation::GroupMax { k } => Err(Error::Value {
                what: "k",
                found: k.to_string(),
                expected: "a divisor of d_sae",
            }),
            Activation::JumpRelu { threshold } => vector("threshold", threshold),
            Activation::Gated { b_gate, b_mag, r_mag } => {
                vector("b_gate", b_gate)?;
                vector("b_mag", b_mag)?;
                vector("r_mag", r_mag)
            }
        }
    }
}

/// Fails unless `found` is `expected`.
fn check(
    tensor: &'static str,
    found: &[usize],
    expected: &[usize],
    meaning: &'static str,
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape { tensor, found: found.to_vec(), expected: expected.to_vec(), meaning })
}
