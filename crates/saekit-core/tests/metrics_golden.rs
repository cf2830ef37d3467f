//! The figures of `metrics` against numpy's (`golden/metrics.py`).

use saekit_core::metrics::{CodeStats, Reconstruction, RowSurvey};
use saekit_core::{Codes, Matrix};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/metrics.json")).expect("the golden is JSON")
}

fn floats(value: &Value) -> Vec<f32> {
    let values = value.as_array().expect("an array");
    values.iter().map(|v| v.as_f64().expect("a number") as f32).collect()
}

fn matrix(golden: &Value, name: &str, width: usize) -> Matrix {
    let rows = golden["shape"][0].as_u64().expect("a size") as usize;
    let cols = golden["shape"][width].as_u64().expect("a size") as usize;
    Matrix::new(rows, cols, floats(&golden[name]))
}

fn assert_figures(found: &Value, golden: &Value) {
    for (name, expected) in golden.as_object().expect("an object") {
        let (Some(found), Some(expected)) = (found[name].as_f64(), expected.as_f64()) else {
            assert_eq!(&found[name], expected, "{name}");
            continue;
        };
        assert!((found - expected).abs() <= 1e-10 * expected.abs(), "{name}: {found} {expected}");
    }
}

fn reconstruction(x: &Matrix, x_hat: &Matrix) -> Value {
    let mut survey = RowSurvey::new(x.cols());
    survey.push(x.view());
    let mut seen = Reconstruction::about(&survey);
    seen.push(x.view(), x_hat.view()).expect("the golden is sound");
    serde_json::to_value(seen.report()).expect("figures are JSON")
}

#[test]
fn reconstruction_metrics_are_numpys() {
    let golden = golden();
    let found = reconstruction(&matrix(&golden, "x", 1), &matrix(&golden, "x_hat", 1));
    assert_figures(&found, &golden["reconstruction"]);
}

#[test]
fn figures_with_and_without_massive_rows_are_numpys() {
    let mut golden = golden();
    let mut massive = golden["massive"].take();
    massive["shape"] = golden["shape"].take();
    let mut found = reconstruction(&matrix(&massive, "x", 1), &matrix(&massive, "x_hat", 1));
    let counted = found["massive"].take();
    for (name, value) in counted.as_object().expect("an object") {
        found[name] = value.clone();
    }
    assert_figures(&found, &massive["figures"]);
}

#[test]
fn code_metrics_are_numpys() {
    let golden = golden();
    let codes = matrix(&golden, "codes", 2);
    let mut seen = CodeStats::new(codes.cols());
    seen.push(&Codes::Dense(codes)).expect("the golden is sound");
    let mut found = serde_json::to_value(seen.report()).expect("figures are JSON");
    found["counts"] = found["density"]["counts"].clone();
    assert_figures(&found, &golden["code"]);
}
