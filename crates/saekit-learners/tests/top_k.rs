//! The TopK learner against PyTorch, and its laws.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use burn::tensor::Device;
use saekit_core::rng::Rng;
use saekit_core::{Batch, Learner, Matrix, MatrixView, Progress, Scales, State, StateTensor};
use saekit_learners::top_k::{Config, Precision};
use saekit_learners::{Context, LearnerConfig};
use safetensors::SafeTensors;

const STEPS: u64 = 20;

fn learner(config: Config, d_in: usize, seed: u64) -> Box<dyn Learner> {
    let context = Context { d_in, rows: 1000, seed, device: Device::flex() };
    LearnerConfig::TopK(config).build(&context).unwrap()
}

fn f32s(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let data = file.tensor(name).unwrap().data();
    data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn set(state: &mut State, name: &str, values: &[f32]) {
    let Some(StateTensor::F32 { data, .. }) = state.get_mut(name) else {
        panic!("the learner's state has no {name}")
    };
    data.copy_from_slice(values);
}

fn get(state: &State, name: &str) -> Vec<f32> {
    let Some(StateTensor::F32 { data, .. }) = state.get(name) else {
        panic!("the learner's state has no {name}")
    };
    data.clone()
}

fn step(learner: &mut dyn Learner, x: MatrixView<'_>, step: u64, lr_scale: f64) {
    let at = Progress { step, steps: STEPS, lr_scale };
    learner.step(&Batch { input: x, target: x }, at).unwrap();
}

/// f32 against f64 over twenty steps of Adam, which divides small gradients by small roots.
const TOLERANCE: f32 = 2e-4;

fn follows_pytorch(name: &str, clip_norm: Option<f64>) {
    let kinds = [(Precision::F32, false), (Precision::Mixed, false), (Precision::F32, true)];
    for (precision, reference) in kinds {
        follows(name, Config { clip_norm, precision, reference, ..Config::new(48, 4) });
    }
}

fn follows(name: &str, mut config: Config) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/top_k").join(name);
    let bytes = std::fs::read(path).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    config.adam.lr = 1e-2;
    config.k_aux = Some(3);
    config.dead_after = Some(48);
    let mut learner = learner(config, 8, 0);
    let mut state = learner.state().unwrap();
    set(&mut state, "w_enc", &f32s(&golden, "w_init"));
    set(&mut state, "w_dec", &f32s(&golden, "w_init"));
    set(&mut state, "b_dec", &f32s(&golden, "b_dec_init"));
    learner.restore(&state).unwrap();

    let (batches, terms) = (f32s(&golden, "batches"), f32s(&golden, "terms"));
    let dead = f32s(&golden, "dead");
    for (i, x) in batches.chunks(16 * 8).enumerate() {
        let scale = ((i + 1) as f64 / 4.0).min((20 - i) as f64 / 5.0).min(1.0);
        step(&mut *learner, MatrixView::new(16, 8, x), i as u64, scale);
        let report = learner.report().unwrap();
        for (term, want) in ["mse", "auxk"].iter().zip(&terms[2 * i..]) {
            let got = report.terms[*term] as f32;
            assert!((got - want).abs() <= TOLERANCE * want.max(0.1), "{i} {term} {got} {want}");
        }
        if let Some(after) = dead.get(i + 1) {
            assert!((report.dead_fraction * 48.0 - f64::from(*after)).abs() < 1e-9);
        }
    }
    let state = learner.state().unwrap();
    for weight in ["w_enc", "b_enc", "w_dec", "b_dec"] {
        for (got, want) in get(&state, weight).iter().zip(f32s(&golden, weight)) {
            assert!((got - want).abs() <= TOLERANCE, "{weight}: {got}, PyTorch has {want}");
        }
    }
}

#[test]
fn twenty_steps_follow_pytorch() {
    follows_pytorch("plain.safetensors", None);
}

#[test]
fn twenty_clipped_steps_follow_pytorch() {
    follows_pytorch("clipped.safetensors", Some(0.05));
}

/// Rows made of few of `truth`'s unit directions.
fn toy_rows(truth: &Matrix, rows: usize, rng: Rng) -> Matrix {
    let mut x = Matrix::zeros(rows, truth.cols());
    for i in 0..rows {
        for j in 0..3 {
            let at = (i * 6 + j * 2) as u64;
            let direction = rng.below(at, truth.rows() as u64) as usize;
            let size = 1.0 + rng.uniform(at + 1) as f32;
            for (x, t) in x.row_mut(i).iter_mut().zip(truth.row(direction)) {
                *x += size * t;
            }
        }
    }
    x
}

fn unit_rows(rng: Rng, rows: usize, cols: usize) -> Matrix {
    let values = (0..(rows * cols) as u64).map(|i| rng.normal(i) as f32).collect();
    let mut m = Matrix::new(rows, cols, values);
    for i in 0..rows {
        let norm = m.row(i).iter().map(|v| v * v).sum::<f32>().sqrt();
        for v in m.row_mut(i) {
            *v /= norm;
        }
    }
    m
}

#[test]
fn finds_the_directions_the_rows_are_made_of() {
    let truth = unit_rows(Rng::new(3, "truth"), 32, 24);
    let mut config = Config::new(64, 3);
    config.adam.lr = 3e-3;
    let mut learner = learner(config, 24, 1);
    for i in 0..600 {
        let x = toy_rows(&truth, 256, Rng::new(4, "rows").child(i));
        if i == 0 {
            learner.initialise(&Batch { input: x.view(), target: x.view() }).unwrap();
        }
        step(&mut *learner, x.view(), i, 1.0);
    }
    let codec = learner.finish(Scales { input: 1.0, target: 1.0 }).unwrap();
    let found = codec.decoder_rows().unwrap();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let best = |t: &[f32]| found.iter().map(|f| dot(f, t)).fold(-1.0_f32, f32::max);
    let mean = truth.view().iter().map(best).sum::<f32>() / 32.0;
    assert!(mean > 0.9, "mean max cosine similarity {mean}");
}

#[test]
fn restored_it_goes_on_bit_for_bit() {
    let truth = unit_rows(Rng::new(3, "truth"), 32, 24);
    let x = |i| toy_rows(&truth, 64, Rng::new(4, "rows").child(i));
    let mut config = Config::new(64, 3);
    config.dead_after = Some(100);
    let mut whole = learner(config.clone(), 24, 1);
    for i in 0..8 {
        step(&mut *whole, x(i).view(), i, 1.0);
    }
    let mut first = learner(config.clone(), 24, 1);
    for i in 0..5 {
        step(&mut *first, x(i).view(), i, 1.0);
    }
    let mut second = learner(config, 24, 99);
    second.restore(&first.state().unwrap()).unwrap();
    for i in 5..8 {
        step(&mut *second, x(i).view(), i, 1.0);
    }
    assert!(whole.state().unwrap() == second.state().unwrap());
}

#[test]
fn the_codec_works_in_raw_units() {
    let truth = unit_rows(Rng::new(3, "truth"), 32, 24);
    let x = toy_rows(&truth, 64, Rng::new(4, "rows"));
    let mut learner = learner(Config::new(64, 3), 24, 1);
    learner.initialise(&Batch { input: x.view(), target: x.view() }).unwrap();
    let plain = learner.finish(Scales { input: 1.0, target: 1.0 }).unwrap();
    let folded = learner.finish(Scales { input: 4.0, target: 4.0 }).unwrap();
    let quarter: Vec<f32> = x.as_slice().iter().map(|v| v / 4.0).collect();
    let (_, want) = plain.reconstruct(x.view()).unwrap();
    let (_, got) = folded.reconstruct(MatrixView::new(64, 24, &quarter)).unwrap();
    for (got, want) in got.as_slice().iter().zip(want.as_slice()) {
        assert!((4.0 * got - want).abs() < 1e-5, "{got} {want}");
    }
}

#[test]
fn bad_settings_are_named() {
    let message = |config: Config| {
        let context = Context { d_in: 8, rows: 10, seed: 0, device: Device::flex() };
        LearnerConfig::TopK(config).build(&context).err().unwrap().to_string()
    };
    assert_eq!(message(Config::new(4, 5)), "`k` is 5, expected 1 to `d_sae` (4)");
    let mut config = Config::new(4, 2);
    config.adam.lr = f64::NAN;
    assert_eq!(message(config), "`lr` is NaN, expected a positive number");
    let config = Config { k_aux: Some(0), ..Config::new(4, 2) };
    assert_eq!(message(config), "`k_aux` is 0, expected at least 1");
    let config = Config { precision: Precision::Mixed, reference: true, ..Config::new(4, 2) };
    assert!(message(config).contains("`precision` is mixed, expected auto or f32"));
}

#[test]
fn nan_in_is_an_error_out() {
    let mut x = Matrix::zeros(4, 8);
    x.row_mut(2)[1] = f32::NAN;
    let mut learner = learner(Config::new(16, 2), 8, 0);
    let batch = Batch { input: x.view(), target: x.view() };
    let at = Progress { step: 0, steps: 1, lr_scale: 1.0 };
    let message = learner.step(&batch, at).unwrap_err().to_string();
    assert_eq!(message, "the batch's input holds NaN at row 2, column 1");
}
