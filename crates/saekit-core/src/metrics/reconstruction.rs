use serde::{Deserialize, Serialize};

use super::massive::{MassiveMetrics, MassiveRows, RowSurvey};
use super::moments::Moments;
use super::ratio;
use crate::{Error, MatrixView, Result};

/// Compares rows with their reconstructions as they stream past.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconstruction {
    /// What a first pass over the rows makes possible.
    about: Option<About>,
    target: Moments,
    error: Moments,
    sums: Sums,
}

/// Figures about the mean and the median norm of all rows.
#[derive(Clone, Debug, PartialEq)]
struct About {
    massive: MassiveRows,
    /// The rows that are not massive: their moments, and the sum of their `|e|²`.
    others: Moments,
    others_error: f64,
}

/// Sums over rows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sums {
    /// `|e|^2`.
    error_squares: f64,
    /// `|x̂|^2`.
    output_squares: f64,
    /// `x · x̂`.
    dot: f64,
    /// `|x|`.
    norm_in: f64,
    /// `|x̂|`.
    norm_out: f64,
    /// `|e|`.
    norm_error: f64,
    /// Over the rows that are not zero: how many, and three ratios.
    nonzero: u64,
    normalised_error: f64,
    norm_ratio: f64,
    cosine: f64,
    /// Over the rows that are not the mean: how many, and `|e|^2 / |x - x̄|^2`.
    off_centre: u64,
    centred_error: f64,
}

/// How well rows were reconstructed: what [`Reconstruction::report`] says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconstructionMetrics {
    /// Rows compared.
    pub rows: u64,
    /// Rows with `x = 0`; the means of `e / x`-like ratios leave them out.
    pub zero_rows: u64,
    /// Fraction of variance unexplained, `Σ|e|² / Σ|x - x̄|²` about the mean of all rows.
    pub fvu: Option<f64>,
    /// `1 - fvu`. `explained_variance` of SAELens from 6.45.1 on.
    pub explained_variance: Option<f64>,
    /// `1 - E[|e|² / |x - x̄|²]`, the ratio taken row by row: `explained_variance_legacy` of SAELens
    /// and `SAEBench`, where `x̄` is the mean of a batch. One row near the mean can make it very
    /// negative. `None` without a first pass.
    pub explained_variance_per_row: Option<f64>,
    /// `1 - Σ_d Var(e_d) / Σ_d Var(x_d)`: `frac_variance_explained` of `dictionary_learning`, which
    /// averages it over batches. Blind to a constant error.
    pub explained_variance_residual: Option<f64>,
    /// `E|e|²`: summed over dimensions, mean over rows (SAELens from 6.45.2 on).
    pub mse: Option<f64>,
    /// `E[|e|² / |x|²]`: `normalized_mean_squared_error` of `openai/sparse_autoencoder`. Not centred.
    pub normalised_mse: Option<f64>,
    /// `E|e| / E|x|`: `l2_norm_error_ratio` of `OpenMOSS/Language-Model-SAEs`.
    pub l2_error_ratio: Option<f64>,
    /// `E|x|`.
    pub l2_norm_in: Option<f64>,
    /// `E|x̂|`.
    pub l2_norm_out: Option<f64>,
    /// `E[|x̂| / |x|]`: below 1 where the codec shrinks.
    pub l2_ratio: Option<f64>,
    /// `E|x̂|² / E[x · x̂]`: 1 where no rescaling of the output would help (Rajamanoharan et al.,
    /// "Improving dictionary learning with gated sparse autoencoders", 2024, equation 10).
    pub relative_reconstruction_bias: Option<f64>,
    /// `E[cos(x, x̂)]`; a row whose reconstruction is zero counts as 0.
    pub cosine_similarity: Option<f64>,
    /// How many rows are massive, and how much of the variance they hold. `None` without a first
    /// pass.
    #[serde(default)]
    pub massive: Option<MassiveMetrics>,
    /// [`fvu`](Self::fvu) as it would be if there were no massive rows: they are left out of both
    /// sums and of the mean. `None` without a first pass.
    #[serde(default)]
    pub fvu_without_massive: Option<f64>,
}

impl Reconstruction {
    /// Nothing seen yet, of rows `d_out` wide.
    pub fn new(d_out: usize) -> Self {
        Self {
            about: None,
            target: Moments::new(d_out),
            error: Moments::new(d_out),
            sums: Sums::default(),
        }
    }

    /// Like [`new`](Self::new), with the figures that take a first pass over the same rows: those
    /// about their mean taken row by row, and those of massive rows. `survey` is that pass.
    pub fn about(survey: &RowSurvey) -> Self {
        let massive = MassiveRows::about(survey);
        let width = massive.width();
        let about = About { massive, others: Moments::new(width), others_error: 0.0 };
        Self { about: Some(about), ..Self::new(width) }
    }

    /// Adds rows `x` and their reconstructions `x_hat`, both `[rows, d_out]`.
    ///
    /// Fails, adding nothing, where the two differ in shape or hold a value that is not finite.
    pub fn push(&mut self, x: MatrixView<'_>, x_hat: MatrixView<'_>) -> Result<()> {
        check(x, x_hat, self.target.width())?;
        for (x, x_hat) in x.iter().zip(x_hat.iter()) {
            self.push_row(x, x_hat);
        }
        Ok(())
    }

    fn push_row(&mut self, x: &[f32], x_hat: &[f32]) {
        let (mut input, mut output, mut dot, mut error) = (0.0, 0.0, 0.0, 0.0);
        for (x, y) in pairs(x, x_hat) {
            input += x * x;
            output += y * y;
            dot += x * y;
            error += (x - y) * (x - y);
        }
        self.target.push(x.iter().copied().map(f64::from));
        self.error.push(pairs(x, x_hat).map(|(x, y)| x - y));
        self.sums.add(input, output, dot, error);
        if let Some(about) = &mut self.about {
            self.sums.add_centred(error, about.push_row(x, error));
        }
    }

    /// Rows seen.
    pub fn rows(&self) -> u64 {
        self.target.rows()
    }

    /// Mean of the rows `x` seen, zeros before the first: `[d_out]`.
    pub fn mean(&self) -> &[f64] {
        self.target.mean()
    }

    /// Fraction of variance unexplained so far.
    pub fn fvu(&self) -> Option<f64> {
        ratio(self.sums.error_squares, self.target.squares())
    }

    /// The figures over all rows seen.
    pub fn report(&self) -> ReconstructionMetrics {
        let sums = &self.sums;
        let per_row = |total| self.target.per_row(total);
        let per_nonzero = |total| ratio(total, sums.nonzero as f64);
        ReconstructionMetrics {
            rows: self.rows(),
            zero_rows: self.rows() - sums.nonzero,
            fvu: self.fvu(),
            explained_variance: self.fvu().map(|fvu| 1.0 - fvu),
            explained_variance_per_row: ratio(sums.centred_error, sums.off_centre as f64)
                .map(|unexplained| 1.0 - unexplained),
            explained_variance_residual: ratio(self.error.squares(), self.target.squares())
                .map(|unexplained| 1.0 - unexplained),
            mse: per_row(sums.error_squares),
            normalised_mse: per_nonzero(sums.normalised_error),
            l2_error_ratio: ratio(sums.norm_error, sums.norm_in),
            l2_norm_in: per_row(sums.norm_in),
            l2_norm_out: per_row(sums.norm_out),
            l2_ratio: per_nonzero(sums.norm_ratio),
            relative_reconstruction_bias: ratio(sums.output_squares, sums.dot),
            cosine_similarity: per_nonzero(sums.cosine),
            massive: self.about.as_ref().map(|about| about.massive.report()),
            fvu_without_massive: self.about.as_ref().and_then(About::fvu),
        }
    }
}

impl About {
    /// Adds a row and its `|e|²`; returns `|x - x̄|²`.
    fn push_row(&mut self, x: &[f32], error: f64) -> f64 {
        let seen = self.massive.push_row(x);
        if !seen.is_massive {
            self.others.push(x.iter().copied().map(f64::from));
            self.others_error += error;
        }
        seen.distance
    }

    /// Fraction of variance unexplained of the rows that are not massive.
    fn fvu(&self) -> Option<f64> {
        ratio(self.others_error, self.others.squares())
    }
}

impl Sums {
    /// Adds a row by its squared norms `|x|²`, `|x̂|²`, `|e|²` and the product `x · x̂`.
    fn add(&mut self, input: f64, output: f64, dot: f64, error: f64) {
        self.error_squares += error;
        self.output_squares += output;
        self.dot += dot;
        self.norm_in += input.sqrt();
        self.norm_out += output.sqrt();
        self.norm_error += error.sqrt();
        if input > 0.0 {
            self.nonzero += 1;
            self.normalised_error += error / input;
            self.norm_ratio += (output / input).sqrt();
            self.cosine += ratio(dot, input.sqrt() * output.sqrt()).unwrap_or(0.0);
        }
    }

    /// Adds a row by `|e|²` and `|x - x̄|²`.
    fn add_centred(&mut self, error: f64, distance: f64) {
        if distance > 0.0 {
            self.off_centre += 1;
            self.centred_error += error / distance;
        }
    }
}

/// Fraction of variance unexplained of one batch, `Σ|x - x̂|² / Σ|x - x̄|²` about the batch's own
/// mean: what training reports. `x` and `x_hat` are `[rows, d_out]`.
///
/// `None` where the rows of `x` do not vary, where a value is not finite or there are no rows.
///
/// # Panics
/// If the two differ in shape.
pub fn fvu(x: MatrixView<'_>, x_hat: MatrixView<'_>) -> Option<f64> {
    assert_eq!((x.rows(), x.cols()), (x_hat.rows(), x_hat.cols()), "rows and reconstructions");
    let mut target = Moments::new(x.cols());
    for row in x.iter() {
        target.push(row.iter().copied().map(f64::from));
    }
    let error = pairs(x.as_slice(), x_hat.as_slice()).map(|(x, y)| (x - y) * (x - y)).sum();
    ratio(error, target.squares())
}

fn pairs(x: &[f32], x_hat: &[f32]) -> impl Iterator<Item = (f64, f64)> {
    x.iter().zip(x_hat).map(|(x, y)| (f64::from(*x), f64::from(*y)))
}

fn check(x: MatrixView<'_>, x_hat: MatrixView<'_>, width: usize) -> Result<()> {
    Error::check_size("width of the rows to compare", width, x.cols())?;
    Error::check_size("width of the reconstructed rows", width, x_hat.cols())?;
    Error::check_size("number of reconstructed rows", x.rows(), x_hat.rows())?;
    x.check_finite("the activation matrix")?;
    x_hat.check_finite("the reconstruction")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matrix;
    use crate::rng::Rng;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn matrix(rows: &[[f32; 2]]) -> Matrix {
        Matrix::new(rows.len(), 2, rows.concat())
    }

    fn hand() -> (Matrix, Matrix) {
        let x = matrix(&[[1.0, 0.0], [3.0, 2.0], [5.0, 4.0]]);
        let x_hat = matrix(&[[1.0, 1.0], [3.0, 2.0], [3.0, 4.0]]);
        (x, x_hat)
    }

    fn survey(x: &Matrix) -> RowSurvey {
        let mut survey = RowSurvey::new(x.cols());
        survey.push(x.view());
        survey
    }

    fn near(found: Option<f64>, expected: f64) {
        let found = found.expect("the figure exists");
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn by_hand() {
        let (x, x_hat) = hand();
        let mut about = Reconstruction::about(&survey(&x));
        about.push(x.view(), x_hat.view()).unwrap();
        let report = about.report();
        // the mean is (3, 2); squared distances to it 8, 0, 8; squared errors 1, 0, 4: a row is
        // 1/8 or 1/2 unexplained
        assert_eq!((report.rows, report.zero_rows, about.mean()), (3, 0, &[3.0, 2.0][..]));
        near(report.fvu, 5.0 / 16.0);
        near(report.explained_variance, 11.0 / 16.0);
        near(report.explained_variance_per_row, 1.0 - 5.0 / 16.0);
        // the mean error is (2/3, -1/3), which takes 3 (4/9 + 1/9) from 5
        near(report.explained_variance_residual, 1.0 - (10.0 / 3.0) / 16.0);
        near(report.mse, 5.0 / 3.0);
        near(report.normalised_mse, (1.0 + 4.0 / 41.0) / 3.0);
        near(report.relative_reconstruction_bias, 40.0 / 45.0);
        let (r2, r13, r41) = (2.0_f64.sqrt(), 13.0_f64.sqrt(), 41.0_f64.sqrt());
        near(report.l2_norm_in, (1.0 + r13 + r41) / 3.0);
        near(report.l2_norm_out, (r2 + r13 + 5.0) / 3.0);
        near(report.l2_error_ratio, 3.0 / (1.0 + r13 + r41));
        near(report.l2_ratio, (r2 + 1.0 + 5.0 / r41) / 3.0);
        near(report.cosine_similarity, (1.0 / r2 + 1.0 + 31.0 / (5.0 * r41)) / 3.0);
        near(fvu(x.view(), x_hat.view()), 5.0 / 16.0);
    }

    #[test]
    fn massive_rows_are_left_out_of_both_sums_and_of_the_mean() {
        // the others have norm 1 and mean 0, so their variance sums to 4; their errors are 1 of it
        let x = matrix(&[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [60.0, 0.0]]);
        let x_hat = matrix(&[[0.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [60.0, 12.0]]);
        let mut seen = Reconstruction::about(&survey(&x));
        seen.push(x.view(), x_hat.view()).unwrap();
        let report = seen.report();
        let massive = report.massive.clone().unwrap();
        assert_eq!((massive.rows, massive.massive_rows, massive.limit), (5, 1, Some(5.0)));
        // the mean of all is (12, 0): 48² of 11² + 13² + 2 (12² + 1) + 48²
        near(massive.variance_share, 2304.0 / 2884.0);
        near(report.fvu, 145.0 / 2884.0);
        near(report.fvu_without_massive, 0.25);
    }

    #[test]
    fn without_massive_rows_both_figures_are_the_same() {
        let (x, x_hat) = hand();
        let mut seen = Reconstruction::about(&survey(&x));
        seen.push(x.view(), x_hat.view()).unwrap();
        assert_eq!(seen.report().fvu, seen.report().fvu_without_massive);
        let json = serde_json::to_value(Reconstruction::new(2).report()).unwrap();
        assert!(json["massive"].is_null() && json["fvu_without_massive"].is_null());
    }

    #[test]
    fn no_rows_have_no_figures() {
        let report = Reconstruction::about(&RowSurvey::new(2)).report();
        let json = serde_json::to_value(&report).unwrap();
        for (name, value) in json.as_object().unwrap() {
            let counts = ["rows", "zero_rows", "massive"].contains(&name.as_str());
            assert_eq!(value.is_null(), !counts, "{name}");
        }
        assert_eq!(serde_json::from_value::<ReconstructionMetrics>(json).unwrap(), report);
        assert_eq!(fvu(Matrix::zeros(0, 2).view(), Matrix::zeros(0, 2).view()), None);
    }

    #[test]
    fn rows_that_do_not_vary_have_no_fvu() {
        let x = matrix(&[[0.1, 7.0]; 9]);
        let mut seen = Reconstruction::new(2);
        seen.push(x.view(), Matrix::zeros(9, 2).view()).unwrap();
        assert_eq!((seen.report().fvu, fvu(x.view(), x.view())), (None, None));
        near(seen.report().normalised_mse, 1.0);
    }

    #[test]
    fn zero_rows_are_left_out_of_ratios_and_counted() {
        let x = matrix(&[[0.0, 0.0], [0.0, 2.0], [4.0, 0.0]]);
        let x_hat = matrix(&[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]);
        let mut seen = Reconstruction::new(2);
        seen.push(x.view(), x_hat.view()).unwrap();
        let report = seen.report();
        assert_eq!((report.rows, report.zero_rows), (3, 1));
        near(report.normalised_mse, 0.625);
        near(report.l2_ratio, 0.25);
        near(report.cosine_similarity, 0.5);
        assert_eq!(report.explained_variance_per_row, None);
    }

    #[test]
    fn far_from_the_origin_nothing_cancels() {
        let (x, x_hat) = hand();
        let far = |m: &Matrix| {
            let values = m.as_slice().iter().map(|v| v + 1_048_576.0).collect();
            Matrix::new(m.rows(), 2, values)
        };
        near(fvu(far(&x).view(), far(&x_hat).view()), 5.0 / 16.0);
    }

    #[test]
    fn values_that_are_not_finite_are_refused_and_nothing_is_added() {
        let (x, _) = hand();
        let mut bad = x.clone();
        bad.row_mut(2)[1] = f32::NAN;
        let mut seen = Reconstruction::new(2);
        let message = seen.push(bad.view(), x.view()).unwrap_err().to_string();
        assert_eq!(message, "the activation matrix holds NaN at row 2, column 1");
        let message = seen.push(x.view(), bad.view()).unwrap_err().to_string();
        assert_eq!(message, "the reconstruction holds NaN at row 2, column 1");
        assert_eq!(seen, Reconstruction::new(2));
    }

    #[test]
    fn shapes_that_differ_are_refused() {
        let (x, _) = hand();
        let mut seen = Reconstruction::new(2);
        let message = seen.push(x.view(), x.view().slice(0, 2)).unwrap_err().to_string();
        assert_eq!(message, "number of reconstructed rows is 2, expected 3");
        let wide = Matrix::zeros(3, 4);
        let message = seen.push(wide.view(), wide.view()).unwrap_err().to_string();
        assert_eq!(message, "width of the rows to compare is 4, expected 2");
    }

    fn random(seed: u64, rows: usize, cols: usize) -> Matrix {
        let rng = Rng::new(seed, "rows");
        Matrix::new(rows, cols, (0..rows * cols).map(|i| rng.normal(i as u64) as f32).collect())
    }

    proptest! {
        #[test]
        fn figures_do_not_depend_on_batches(seed: u64, rows in 1_usize..40, cut in 0_usize..40) {
            let (x, x_hat) = (random(seed, rows, 3), random(seed ^ 1, rows, 3));
            let cut = cut.min(rows);
            let mut whole = Reconstruction::about(&survey(&x));
            let mut parts = whole.clone();
            whole.push(x.view(), x_hat.view()).unwrap();
            parts.push(x.view().slice(0, cut), x_hat.view().slice(0, cut)).unwrap();
            parts.push(x.view().slice(cut, rows), x_hat.view().slice(cut, rows)).unwrap();
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn perfect_explains_all_and_the_mean_nothing(seed: u64, rows in 2_usize..40) {
            let x = random(seed, rows, 3);
            let mut seen = Reconstruction::new(3);
            seen.push(x.view(), x.view()).unwrap();
            prop_assert_eq!(seen.report().fvu, Some(0.0));
            prop_assert_eq!(seen.report().relative_reconstruction_bias, Some(1.0));
            let mean: Vec<f32> = seen.mean().iter().map(|value| *value as f32).collect();
            let mean = Matrix::new(rows, 3, mean.repeat(rows));
            let unexplained = fvu(x.view(), mean.view()).unwrap();
            prop_assert!((unexplained - 1.0).abs() < 1e-6, "{}", unexplained);
        }
    }
}
