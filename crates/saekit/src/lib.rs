//! Sparse autoencoders from sentences to dictionaries: the saekit binary and a facade over its crates.
