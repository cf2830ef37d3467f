//! From text or token ids to a store of activations.
