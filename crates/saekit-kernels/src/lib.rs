//! CPU kernels of sparse autoencoders over plain slices.
