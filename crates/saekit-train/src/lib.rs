//! The training run: plan, loop, schedule, checkpoints, metrics.
