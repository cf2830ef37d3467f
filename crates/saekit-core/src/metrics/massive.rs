use serde::{Deserialize, Serialize};

use super::norms::NormSketch;
use super::ratio;
use crate::MatrixView;

/// The first of two passes over rows: their mean and their norms, which the figures of the second
/// pass ([`MassiveRows`], [`Reconstruction`](super::Reconstruction)) are about.
#[derive(Clone, Debug, PartialEq)]
pub struct RowSurvey {
    sums: Vec<f64>,
    norms: NormSketch,
}

/// The second pass: how much of the variance is held by *massive* rows, those whose norm is above
/// [`MassiveRows::FACTOR`] times the median norm of all rows.
///
/// Language models give a few tokens (the first of a sequence, some delimiters) activations that are
/// hundreds of times as large as others (Sun et al., "Massive activations in large language models",
/// 2024). A handful of them can decide every figure that sums squares over rows.
#[derive(Clone, Debug, PartialEq)]
pub struct MassiveRows {
    centre: Vec<f64>,
    /// Largest norm of a row that is not massive; `None` where the median norm is 0.
    limit: Option<f64>,
    rows: u64,
    above: u64,
    squares: f64,
    squares_above: f64,
}

/// What [`MassiveRows::report`] says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MassiveMetrics {
    /// Rows seen.
    pub rows: u64,
    /// Rows whose norm is above [`limit`](Self::limit).
    pub massive_rows: u64,
    /// [`MassiveRows::FACTOR`] times the median norm; `None` without rows or where the median is 0,
    /// and then no row is massive.
    pub limit: Option<f64>,
    /// `Σ_massive |x - x̄|² / Σ |x - x̄|²`, both about the mean of all rows; `None` where rows do not
    /// vary.
    pub variance_share: Option<f64>,
}

/// A row, as the second pass sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// `|x - x̄|²`.
    pub(super) distance: f64,
    pub(super) is_massive: bool,
}

impl RowSurvey {
    /// No rows yet, of `width` values.
    pub fn new(width: usize) -> Self {
        Self { sums: vec![0.0; width], norms: NormSketch::default() }
    }

    /// Counts the rows of `x`, `[rows, width]`, whose values are finite.
    pub fn push(&mut self, x: MatrixView<'_>) {
        x.iter().for_each(|row| self.push_row(row));
    }

    /// Counts one row, `[width]`, whose values are finite.
    pub fn push_row(&mut self, row: &[f32]) {
        for (sum, value) in self.sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
        self.norms.push(squared_norm(row).sqrt());
    }

    /// Mean of the rows, zeros before the first: `[width]`.
    pub fn mean(&self) -> Vec<f64> {
        let rows = self.norms.rows().max(1) as f64;
        self.sums.iter().map(|sum| sum / rows).collect()
    }

    /// Their norms.
    pub fn norms(&self) -> &NormSketch {
        &self.norms
    }

    /// Largest norm of a row that is not massive; `None` without rows or where the median is 0.
    pub fn limit(&self) -> Option<f64> {
        self.norms.median().map(|median| MassiveRows::FACTOR * median).filter(|limit| *limit > 0.0)
    }

    /// Whether any row is massive.
    pub fn has_massive_rows(&self) -> bool {
        let largest = self.norms.range().map_or(0.0, |(_, largest)| largest);
        self.limit().is_some_and(|limit| largest > limit)
    }
}

impl MassiveRows {
    /// Norm from which a row is massive, as a multiple of the median norm. Norms of ordinary rows
    /// stay within two or three times the median; those of massive ones begin at about ten times.
    pub const FACTOR: f64 = 5.0;
    /// Share of the variance from which massive rows decide figures, and a user is warned.
    pub const CONSIDERABLE: f64 = 0.05;

    /// Nothing seen yet, about the mean and the median norm of the rows of `survey`, which are the
    /// rows to come.
    pub fn about(survey: &RowSurvey) -> Self {
        Self {
            centre: survey.mean(),
            limit: survey.limit(),
            rows: 0,
            above: 0,
            squares: 0.0,
            squares_above: 0.0,
        }
    }

    /// Adds the rows of `x`, `[rows, width]`, whose values are finite.
    pub fn push(&mut self, x: MatrixView<'_>) {
        for row in x.iter() {
            self.push_row(row);
        }
    }

    /// Values per row.
    pub(super) fn width(&self) -> usize {
        self.centre.len()
    }

    pub(super) fn push_row(&mut self, row: &[f32]) -> Seen {
        let values = row.iter().zip(&self.centre);
        let distance = values.map(|(x, c)| (f64::from(*x) - c).powi(2)).sum();
        let is_massive = self.limit.is_some_and(|limit| squared_norm(row).sqrt() > limit);
        self.rows += 1;
        self.squares += distance;
        if is_massive {
            self.above += 1;
            self.squares_above += distance;
        }
        Seen { distance, is_massive }
    }

    /// The figures over all rows seen.
    pub fn report(&self) -> MassiveMetrics {
        MassiveMetrics {
            rows: self.rows,
            massive_rows: self.above,
            limit: self.limit,
            variance_share: ratio(self.squares_above, self.squares),
        }
    }
}

impl MassiveMetrics {
    /// Whether massive rows hold so much of the variance that figures are mostly theirs.
    pub fn is_considerable(&self) -> bool {
        self.variance_share.is_some_and(|share| share >= MassiveRows::CONSIDERABLE)
    }
}

fn squared_norm(row: &[f32]) -> f64 {
    row.iter().map(|value| f64::from(*value).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matrix;

    fn figures(rows: &[[f32; 2]]) -> MassiveMetrics {
        let x = Matrix::new(rows.len(), 2, rows.concat());
        let mut survey = RowSurvey::new(2);
        survey.push(x.view());
        let mut massive = MassiveRows::about(&survey);
        massive.push(x.view());
        assert_eq!(survey.has_massive_rows(), massive.report().massive_rows > 0);
        massive.report()
    }

    #[test]
    fn by_hand() {
        // norms 2, 2, 2, 40: the median is 2, and the mean is (10, 0)
        let found = figures(&[[0.0, 2.0], [0.0, -2.0], [0.0, 2.0], [40.0, -2.0]]);
        let squares = 3.0 * 104.0 + 904.0;
        let share = Some(904.0 / squares);
        let expected =
            MassiveMetrics { rows: 4, massive_rows: 1, limit: Some(10.0), variance_share: share };
        assert_eq!(found, expected);
        assert!(found.is_considerable());
    }

    #[test]
    fn a_row_at_the_limit_is_not_massive() {
        let found = figures(&[[1.0, 0.0], [0.0, 1.0], [5.0, 0.0]]);
        assert_eq!((found.massive_rows, found.limit), (0, Some(5.0)));
        assert!(!found.is_considerable());
    }

    #[test]
    fn without_a_median_norm_no_row_is_massive() {
        let zeros = figures(&[[0.0, 0.0], [0.0, 0.0], [0.0, 9.0]]);
        assert_eq!((zeros.massive_rows, zeros.limit), (0, None));
        let none = figures(&[]);
        assert_eq!((none.rows, none.limit, none.variance_share), (0, None, None));
    }
}
