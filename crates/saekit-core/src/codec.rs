use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Codes, Matrix, MatrixView, Provenance, Result};

/// The three widths of a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecShape {
    /// Width of the rows it reads.
    pub d_in: usize,
    /// Width of the rows it writes; `d_in` unless it is a transcoder.
    pub d_out: usize,
    /// Number of latents (`d_sae` of a sparse autoencoder).
    pub d_code: usize,
}

/// Rows to codes and back, in the units of the raw activations.
///
/// Implement [`shape`](Self::shape), [`encode`](Self::encode), [`decode`](Self::decode) and
/// [`save`](Self::save); the rest follows.
pub trait Codec: Send + Sync {
    /// The widths.
    fn shape(&self) -> CodecShape;

    /// The code of each row of `x`, `[rows, d_in]`.
    fn encode(&self, x: MatrixView<'_>) -> Result<Codes>;

    /// The rows that `codes` stand for, `[rows, d_out]`.
    ///
    /// `x`, `[rows, d_in]`, are the rows the codes were made from (the codes may have been edited
    /// since). Only codecs with a skip connection or a normalisation a row read it.
    fn decode(&self, codes: &Codes, x: MatrixView<'_>) -> Result<Matrix>;

    /// Writes the codec into the existing, empty folder `dir`, in saekit's own format.
    fn save(&self, dir: &Path, provenance: &Provenance) -> Result<()>;

    /// The direction each latent writes, `[d_code, d_out]`, where the codec has such a thing.
    fn decoder_rows(&self) -> Option<MatrixView<'_>> {
        None
    }

    /// Encodes and decodes `x`, `[rows, d_in]`.
    fn reconstruct(&self, x: MatrixView<'_>) -> Result<(Codes, Matrix)> {
        let codes = self.encode(x)?;
        let output = self.decode(&codes, x)?;
        Ok((codes, output))
    }
}
