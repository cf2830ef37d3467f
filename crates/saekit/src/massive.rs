//! Sentences about massive rows, whose norm is far above that of the others, and the flag that leaves
//! them out.

use saekit_core::metrics::{MassiveMetrics, MassiveRows};
use saekit_core::number;

/// How many rows are massive, how much of the variance they hold and, where that is much, the flag
/// that leaves them out of a column whose rows have the mean norm `mean_norm` in its store.
pub(crate) fn counted(massive: &MassiveMetrics, mean_norm: f64) -> String {
    let count = number::count(massive.massive_rows);
    let Some(share) = massive.variance_share.filter(|_| massive.massive_rows > 0) else {
        return format!("none above {} times the median norm", MassiveRows::FACTOR);
    };
    let flag = flag(massive, mean_norm)
        .map_or_else(String::new, |flag| format!("; leave out with `{flag}`"));
    format!(
        "{count} above {} times the median norm, with {} of the variance{flag}",
        MassiveRows::FACTOR,
        number::percent(Some(share))
    )
}

/// The sentence that a user reads before figures of such rows; `None` where massive rows do not decide
/// them. `remedy` says what to do with the flag that leaves them out.
pub(crate) fn warning(
    massive: &MassiveMetrics,
    mean_norm: f64,
    remedy: impl Fn(&str) -> String,
) -> Option<String> {
    let flag = flag(massive, mean_norm)?;
    Some(format!("{}; {}", decide(massive), remedy(&flag)))
}

/// How many rows are massive, and what that means, for rows of which they decide the figures.
pub(crate) fn decide(massive: &MassiveMetrics) -> String {
    format!(
        "{} of {} rows have a norm above {} times the median and hold {} of the variance: they decide \
         FVU",
        number::count(massive.massive_rows),
        number::count(massive.rows),
        MassiveRows::FACTOR,
        number::percent(massive.variance_share)
    )
}

/// `--max-norm X` that leaves out all massive rows where they hold much of the variance.
fn flag(massive: &MassiveMetrics, mean_norm: f64) -> Option<String> {
    let limit = massive.limit.filter(|_| massive.is_considerable())?;
    Some(format!("--max-norm {}", rounded_down(limit / mean_norm)))
}

/// `value` with three significant digits, not more than it is.
fn rounded_down(value: f64) -> String {
    let decimals = 2 - value.log10().floor() as i32;
    let unit = 10_f64.powi(-decimals);
    let digits = (value / unit).floor();
    format!("{:.*}", decimals.max(0) as usize, digits * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_has_three_digits_and_leaves_no_massive_row() {
        for (value, text) in [
            (2.2739, "2.27"),
            (0.012_999, "0.0129"),
            (99.99, "99.9"),
            (1234.5, "1230"),
            (5.0, "5.00"),
        ] {
            assert_eq!(rounded_down(value), text);
            assert!(text.parse::<f64>().unwrap() <= value);
        }
    }
}
