use super::ratio;

/// Mean and spread of rows seen one at a time (Welford, Technometrics 4, 1962): no cancellation
/// however far the rows lie from the origin.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moments {
    rows: u64,
    mean: Vec<f64>,
    /// Squared distance to the mean, summed over rows and dimensions.
    squares: f64,
}

impl Moments {
    pub(super) fn new(width: usize) -> Self {
        Self { rows: 0, mean: vec![0.0; width], squares: 0.0 }
    }

    pub(super) fn push(&mut self, row: impl Iterator<Item = f64>) {
        self.rows += 1;
        let weight = 1.0 / self.rows as f64;
        for (mean, value) in self.mean.iter_mut().zip(row) {
            let before = value - *mean;
            *mean += before * weight;
            self.squares += before * (value - *mean);
        }
    }

    pub(super) fn width(&self) -> usize {
        self.mean.len()
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    pub(super) fn squares(&self) -> f64 {
        self.squares
    }

    /// `total` a row.
    pub(super) fn per_row(&self, total: f64) -> Option<f64> {
        ratio(total, self.rows as f64)
    }
}
