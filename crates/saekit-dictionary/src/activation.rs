use serde::{Deserialize, Serialize};

/// The function from pre-activations `h`, `[d_sae]`, to a code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Activation {
    /// `relu(h)`.
    Relu,
    /// The `k` largest `h` of a row, then `relu` (Makhzani and Frey, 2013; Gao et al., 2024).
    TopK {
        /// Latents kept a row.
        k: usize,
        /// Select by `|h|` and keep the sign (AbsTopK): no `relu`.
        signed: bool,
        /// Select by, and report, `h · ‖w_dec‖`; decoding divides by the norm again.
        rescale: bool,
    },
    /// `h` where `h > threshold` and `h > 0`, else 0 (Rajamanoharan et al., 2024).
    JumpRelu {
        /// A threshold a latent, `[d_sae]`.
        #[serde(skip)]
        threshold: Vec<f32>,
    },
    /// `relu(u·w_enc · exp(r_mag) + b_mag)` where `u·w_enc + b_gate > 0`, else 0
    /// (Rajamanoharan et al., 2024). `b_enc` of the dictionary stays zero.
    Gated {
        /// Bias of the gate, `[d_sae]`.
        #[serde(skip)]
        b_gate: Vec<f32>,
        /// Bias of the magnitude, `[d_sae]`.
        #[serde(skip)]
        b_mag: Vec<f32>,
        /// Log of the magnitude's gain, `[d_sae]`.
        #[serde(skip)]
        r_mag: Vec<f32>,
    },
    /// The largest `relu(h)` of each of `k` groups of `d_sae / k` consecutive latents.
    GroupMax {
        /// Number of groups.
        k: usize,
    },
}

/// What is done to a row before encoding and undone after decoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// Nothing.
    #[default]
    None,
    /// Scaled to Euclidean norm `√d_in`.
    ConstantNormRescale,
    /// Centred and divided by the standard deviation (over `d_in - 1`) plus 1e-5.
    LayerNorm,
}

/// How activations with several axes became rows of width `d_in`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reshape {
    /// They were rows already.
    #[default]
    None,
    /// `[heads, d_head]` laid end to end (`hook_z`).
    HookZ,
}
