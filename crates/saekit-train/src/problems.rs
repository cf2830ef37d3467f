//! The rules by which a finished run is called meaningless.

use saekit_core::StepReport;

/// What is wrong with a run whose last figures are `last`, one sentence each; empty where the run
/// may mean something.
///
/// The rules: FVU is at least 1 (the mean row reconstructs as well), every latent is dead, or no
/// latent is active. A loss that is not finite is an error of the learner and never gets here.
pub(crate) fn problems(last: &StepReport) -> Vec<String> {
    let StepReport { fvu, l0, dead_fraction, .. } = *last;
    let mut problems = Vec::new();
    if fvu >= 1.0 {
        problems.push(format!(
            "the run diverged or did not learn: FVU is {fvu:.4} at the end, and the mean row alone \
             gives 1; lower `lr`, set `clip_norm`, or look for outlier rows with `saekit inspect \
             --stats`"
        ));
    }
    if dead_fraction >= 1.0 {
        problems.push(
            "every latent is dead at the end: the dictionary reconstructs one row for all rows; \
             lower `lr` or train longer"
                .to_owned(),
        );
    } else if l0 <= 0.0 {
        problems.push(
            "no latent is active at the end (L0 is 0): the dictionary reconstructs one row for all \
             rows; lower `lr` or train longer"
                .to_owned(),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fvu: f64, l0: f64, dead_fraction: f64) -> StepReport {
        StepReport { fvu, l0, dead_fraction, ..StepReport::default() }
    }

    #[test]
    fn each_rule_says_what_it_found() {
        assert!(problems(&report(0.3, 4.0, 0.5)).is_empty());
        let found = |report| problems(&report).join("\n");
        assert!(found(report(614.25, 4.0, 0.5)).contains("FVU is 614.2500"));
        assert!(found(report(0.3, 0.0, 0.5)).contains("no latent is active"));
        assert_eq!(problems(&report(1.0, 0.0, 1.0)).len(), 2);
    }
}
