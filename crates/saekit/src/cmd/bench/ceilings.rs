//! What the machine could do: its own products and copies, measured in the same run.

use std::time::Instant;

use rayon::prelude::*;
use saekit_kernels::{
    Encoder, Isa, Precision, RoundedWeights, Screen, Sparsity, encode, encode_screened, matmul_nt,
};
use serde_json::{Value, json};

/// Times each is measured; the best counts.
const TIMES: usize = 5;
/// Rows of a product at a time.
const BLOCK_ROWS: usize = 256;
/// Bytes of each of the two buffers of a copy.
const COPY_BYTES: usize = 256 << 20;

/// The machine's own figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ceilings {
    /// The faster of the gemm crate and saekit's own product, at the encoder's sizes.
    pub(super) matmul_gflops: f64,
    /// saekit's own product of bf16 values.
    pub(super) matmul_bf16_gflops: f64,
    /// Bytes read and written by a copy.
    pub(super) copy_gb_per_s: f64,
}

impl Ceilings {
    /// Measures them for rows `x`, `[rows, d_in]`, and weights `w_enc`, `[d_sae, d_in]`.
    pub(super) fn measure(x: &[f32], w_enc: &[f32], d_in: usize) -> Self {
        let d_sae = w_enc.len() / d_in;
        let flops = 2.0 * x.len() as f64 * d_sae as f64;
        let mut out = vec![0.0; BLOCK_ROWS * d_sae];
        let library = best(|| {
            for x in x.chunks(BLOCK_ROWS * d_in) {
                matmul_nt(x, w_enc, d_in, &mut out[..x.len() / d_in * d_sae]);
            }
        });
        // Nothing exceeds these thresholds, so that hardly more than the product is left.
        let (b_enc, thresholds) = (vec![0.0; d_sae], vec![f32::INFINITY; d_sae]);
        let encoder = Encoder { w_enc, b_enc: &b_enc };
        let sparsity = Sparsity::Threshold { thresholds: &thresholds, window: 0.0 };
        let isa = Isa::best();
        let own = best(|| {
            std::hint::black_box(encode(x, encoder, sparsity, Precision::F32(isa)));
        });
        let rounded = RoundedWeights::new(isa, Screen::best(), w_enc, d_in);
        let bf16 = best(|| {
            std::hint::black_box(encode_screened(isa, x, encoder, &rounded, sparsity));
        });
        Self {
            matmul_gflops: flops / library.min(own) / 1e9,
            matmul_bf16_gflops: flops / bf16 / 1e9,
            copy_gb_per_s: copy(),
        }
    }

    /// The time of one f32 product of the encoder's `flops` and of moving 24 bytes a parameter: what a
    /// step in f32 cannot be faster than.
    pub(super) fn floor(&self, flops: f64, parameters: f64) -> f64 {
        flops / (1e9 * self.matmul_gflops) + 24.0 * parameters / (1e9 * self.copy_gb_per_s)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "matmul_gflops": self.matmul_gflops,
            "matmul_bf16_gflops": self.matmul_bf16_gflops,
            "copy_gb_per_s": self.copy_gb_per_s,
        })
    }
}

fn copy() -> f64 {
    let n = COPY_BYTES / 4;
    let (from, mut to) = (vec![1.0_f32; n], vec![0.0_f32; n]);
    let part = n.div_ceil(rayon::current_num_threads());
    let seconds = best(|| {
        to.par_chunks_mut(part).zip(from.par_chunks(part)).for_each(|(to, from)| {
            to.copy_from_slice(from);
        });
    });
    2.0 * COPY_BYTES as f64 / seconds / 1e9
}

/// The fastest of several times, seconds.
fn best(mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64()
    };
    (0..TIMES).map(time).fold(f64::INFINITY, f64::min)
}
