//! Activations on disk: the store's manifest, shards, tokens table and the shuffled row source.
