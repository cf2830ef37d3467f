//! Reconstruction figures over toy rows.

#[expect(dead_code, reason = "each test file uses its part of the toys")]
mod toys;

use saekit_core::metrics::{CodeStats, Reconstruction, RowSurvey};
use saekit_core::rng::Rng;
use saekit_core::{Codec, Error as CoreError, Interrupt, Matrix, Observer, RowSource as _, Silent};
use saekit_eval::{Error, ReconstructionOptions, ReconstructionReport, Result, reconstruction};
use toys::{Rows, Scaling};

const HALVE: Scaling = Scaling { d: 3, factor: 0.5, sparse: true };

fn random(rows: usize, cols: usize) -> Matrix {
    let rng = Rng::new(3, "rows");
    let values = (0..rows * cols).map(|i| (rng.normal(i as u64) + 1.0) as f32).collect();
    Matrix::new(rows, cols, values)
}

fn run(
    codec: &dyn Codec,
    rows: &mut Rows,
    options: ReconstructionOptions,
) -> Result<ReconstructionReport> {
    reconstruction(codec, rows, &options, &Interrupt::default(), &mut Silent)
}

fn message(codec: &dyn Codec, rows: Matrix) -> String {
    let mut rows = Rows::new(vec![("a", rows)]);
    run(codec, &mut rows, ReconstructionOptions::default()).expect_err("refused").to_string()
}

#[test]
fn figures_are_those_of_all_rows_about_their_mean() {
    let x = random(11, 3);
    let mut survey = RowSurvey::new(3);
    survey.push(x.view());
    let mut metrics = Reconstruction::about(&survey);
    let (codes, output) = HALVE.reconstruct(x.view()).unwrap();
    metrics.push(x.view(), output.view()).unwrap();
    let mut stats = CodeStats::new(3);
    stats.push(&codes).unwrap();

    for batch in [1, 4, 11, 100] {
        let mut rows = Rows::new(vec![("a", x.clone())]);
        let options = ReconstructionOptions { batch, ..ReconstructionOptions::default() };
        let found = run(&HALVE, &mut rows, options).unwrap();
        assert_eq!(found.codes, stats.report());
        assert_eq!(found.metrics, metrics.report());
    }
}

#[test]
fn dense_and_sparse_codes_agree() {
    let figures = |sparse| {
        let mut rows = Rows::new(vec![("a", random(9, 3))]);
        run(&Scaling { sparse, ..HALVE }, &mut rows, ReconstructionOptions::default()).unwrap()
    };
    assert_eq!(figures(true), figures(false));
}

#[test]
fn the_limit_counts_from_where_the_source_stands() {
    let x = random(10, 3);
    let mut rows = Rows::new(vec![("a", x.clone())]);
    rows.next_batch(2).unwrap();
    let options = ReconstructionOptions { limit: Some(5), batch: 2, ..Default::default() };
    let found = run(&HALVE, &mut rows, options).unwrap();
    let mut part = Rows::new(vec![("a", x.view().slice(2, 7).to_matrix())]);
    let expected = run(&HALVE, &mut part, ReconstructionOptions::default()).unwrap();
    assert_eq!(found, expected);
    assert_eq!(found.metrics.rows, 5);
    assert_eq!(rows.cursor().row, 7);
}

#[test]
fn a_transcoder_is_compared_with_its_target() {
    let x = random(6, 3);
    let halves = Matrix::new(6, 3, x.as_slice().iter().map(|v| 0.5 * v).collect());
    let mut rows = Rows::new(vec![("in", x), ("out", halves)]);
    let options = ReconstructionOptions { target: 1, ..ReconstructionOptions::default() };
    assert_eq!(run(&HALVE, &mut rows, options).unwrap().metrics.fvu, Some(0.0));
}

#[test]
fn a_codec_of_another_width_is_refused() {
    let expected = "the codec reads rows of width 3, but those of `a` are 4 wide; evaluate it where \
                    it was trained";
    assert_eq!(message(&HALVE, random(2, 4)), expected);
    let mut rows = Rows::new(vec![("in", random(2, 3)), ("out", random(2, 5))]);
    let options = ReconstructionOptions { target: 1, ..ReconstructionOptions::default() };
    let text = run(&HALVE, &mut rows, options).unwrap_err().to_string();
    assert!(text.starts_with("the codec writes rows of width 3, but those of `out`"), "{text}");
}

#[test]
fn an_activation_that_is_not_finite_is_named() {
    let mut x = random(5, 3);
    x.row_mut(3)[2] = f32::NEG_INFINITY;
    let expected = "column `a` holds -inf in row 3 (sequence 1, position 1), column 2; leave such \
                    text out and harvest again";
    assert_eq!(message(&HALVE, x.clone()), expected);

    let mut rows = Rows::new(vec![("a", x)]);
    rows.has_tokens = false;
    let options = ReconstructionOptions { batch: 2, ..ReconstructionOptions::default() };
    let text = run(&HALVE, &mut rows, options).unwrap_err().to_string();
    assert!(text.starts_with("column `a` holds -inf in row 3, column 2;"), "{text}");
}

#[test]
fn a_reconstruction_that_is_not_finite_is_named() {
    let text = message(&Scaling { factor: f32::NAN, ..HALVE }, random(2, 3));
    assert!(text.starts_with("the reconstruction holds NaN in row 0 (sequence 0,"), "{text}");
    assert!(text.ends_with("the codec's weights are broken: train or export it again"), "{text}");
}

#[test]
fn no_rows_are_an_error() {
    let mut rows = Rows::new(vec![("a", Matrix::zeros(0, 3))]);
    let found = run(&HALVE, &mut rows, ReconstructionOptions::default());
    assert!(matches!(found, Err(Error::NoRows)));
}

#[test]
fn stops_when_asked() {
    let interrupt = Interrupt::default();
    let mut rows = Rows::new(vec![("a", random(5, 3))]);
    let mut stopping = RaiseAt { interrupt: interrupt.clone(), phase: "reconstruction" };
    let options = ReconstructionOptions { batch: 2, ..ReconstructionOptions::default() };
    let found = reconstruction(&HALVE, &mut rows, &options, &interrupt, &mut stopping);
    assert!(matches!(found, Err(Error::Core(CoreError::Interrupted))));
    assert_eq!(rows.cursor().row, 0);
}

/// Raises the interrupt when a phase begins.
struct RaiseAt {
    interrupt: Interrupt,
    phase: &'static str,
}

impl Observer for RaiseAt {
    fn begin(&mut self, phase: &str, total: Option<u64>, unit: &str) {
        assert_eq!((total, unit), (Some(5), "rows"));
        if phase == self.phase {
            self.interrupt.raise();
        }
    }
}
