//! A dictionary as a codec.

use std::path::Path;

use saekit_core::{Codec, CodecShape, Codes, Error as CoreError, Matrix, MatrixView, Provenance};

use crate::{Dictionary, format};

impl Codec for Dictionary {
    fn shape(&self) -> CodecShape {
        CodecShape { d_in: self.d_in(), d_out: self.d_out(), d_code: self.d_sae() }
    }

    fn encode(&self, x: MatrixView<'_>) -> saekit_core::Result<Codes> {
        CoreError::check_size("width of the rows to encode", self.d_in(), x.cols())?;
        x.check_finite("rows to encode")?;
        Ok(Codes::Sparse(self.encode_rows(x)))
    }

    fn decode(&self, codes: &Codes, x: MatrixView<'_>) -> saekit_core::Result<Matrix> {
        CoreError::check_size("number of latents of the codes", self.d_sae(), codes.d_code())?;
        CoreError::check_size("width of the encoded rows", self.d_in(), x.cols())?;
        CoreError::check_size("number of encoded rows", codes.rows(), x.rows())?;
        Ok(self.decode_rows(codes, x))
    }

    fn save(&self, dir: &Path, provenance: &Provenance) -> saekit_core::Result<()> {
        Ok(format::native::write(self, provenance, dir)?)
    }

    fn decoder_rows(&self) -> Option<MatrixView<'_>> {
        Some(self.w_dec.view())
    }
}
