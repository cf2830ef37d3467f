//! What a codec loses: reconstruction metrics over a store and cross-entropy in the model.
