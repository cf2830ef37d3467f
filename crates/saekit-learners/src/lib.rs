//! Training methods: one file an architecture, each a learner.
