//! The learning rate over a run.

use crate::RunPlan;

/// The factor on every learning rate at `step` (steps done before it), in `0..=1`: linear warm-up
/// over `warmup`, constant, linear decay over the last `decay_steps`.
pub fn lr_scale(plan: &RunPlan, step: u64) -> f64 {
    let ramp = |done: u64, of: u64| if of == 0 { 1.0 } else { (done as f64 / of as f64).min(1.0) };
    let warm = ramp(step + 1, plan.warmup);
    let left = ramp(plan.steps.saturating_sub(step), plan.decay_steps);
    warm.min(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunConfig;

    #[test]
    fn warms_up_holds_and_decays() {
        let config = RunConfig { rows: Some(1000), batch: 10, ..RunConfig::default() };
        let plan = config.resolve(1000).unwrap();
        assert_eq!((plan.steps, plan.warmup, plan.decay_steps), (100, 5, 20));
        let scale = |step| lr_scale(&plan, step);
        assert_eq!((scale(0), scale(4), scale(5), scale(79)), (0.2, 1.0, 1.0, 1.0));
        assert!((scale(90) - 0.5).abs() < 1e-12);
        assert!((scale(99) - 0.05).abs() < 1e-12);
    }
}
