//! The arithmetic of sparse autoencoders on a CPU, over plain slices.
//!
//! No tensor library and no file format is known here. Matrices are row-major; both weights of a
//! dictionary are latent-major, `[d_sae, d]`, so that a latent's weights are one contiguous row.
//!
//! * [`matmul_nt`]: rows times latents, the encoder's product.
//! * [`top_k`]: the `k` largest of a row, ties to the lower index.
//! * [`decode_row`]: a sparse code back to a row.
//!
//! Every function gives the same bits whatever the number of threads.

mod decode;
mod matmul;
mod select;

pub use decode::decode_row;
pub use matmul::matmul_nt;
pub use select::top_k;
