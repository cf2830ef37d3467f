//! The dictionary against a naive f64 computation, its identities, and its formats.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};
use saekit_core::rng::Rng;
use saekit_core::{Codec as _, Codes, Matrix, Provenance, SparseCodes};
use saekit_dictionary::format::{self, FORMATS};
use saekit_dictionary::{Activation, Dictionary, Normalisation};

/// f32 sums of a few dozen terms of order one.
const TOLERANCE: f64 = 2e-5;

fn values(rng: Rng, n: usize) -> Vec<f32> {
    (0..n as u64).map(|i| rng.normal(i) as f32).collect()
}

fn matrix(rng: Rng, rows: usize, cols: usize) -> Matrix {
    Matrix::new(rows, cols, values(rng, rows * cols))
}

/// Random weights with decoder norms that differ, biases that are not zero, one dead latent.
fn dictionary(seed: u64, activation: Activation, transcoder: bool) -> Dictionary {
    let (d_in, d_sae) = (6, 20);
    let d_out = if transcoder { 5 } else { d_in };
    let rng = Rng::new(seed, "weights");
    let mut dictionary = Dictionary::new(
        matrix(rng.child(0), d_sae, d_in),
        values(rng.child(1), d_sae),
        matrix(rng.child(2), d_sae, d_out),
        values(rng.child(3), d_out),
    );
    dictionary.w_dec.row_mut(3).fill(0.0);
    dictionary.w_enc.row_mut(3).fill(0.0);
    dictionary.b_enc[3] = -9.0;
    dictionary.activation = activation;
    dictionary.transcoder = transcoder;
    dictionary.subtract_b_dec = !transcoder;
    dictionary.w_skip = transcoder.then(|| matrix(rng.child(4), d_out, d_in));
    dictionary
}

fn activations() -> impl Strategy<Value = Activation> {
    let vector = |seed: u64| values(Rng::new(seed, "activation"), 20);
    prop_oneof![
        Just(Activation::Relu),
        Just(Activation::TopK { k: 4, signed: false, rescale: false }),
        Just(Activation::TopK { k: 4, signed: false, rescale: true }),
        Just(Activation::TopK { k: 4, signed: true, rescale: false }),
        Just(Activation::JumpRelu { threshold: vector(1) }),
        Just(Activation::Gated { b_gate: vector(2), b_mag: vector(3), r_mag: vector(4) }),
        Just(Activation::GroupMax { k: 5 }),
    ]
}

fn dense(codes: &Codes) -> Vec<f64> {
    let mut out = vec![0.0; codes.rows() * codes.d_code()];
    codes.for_each_active(|row, id, value| out[row * codes.d_code() + id] = f64::from(value));
    out
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum()
}

/// The activations, and what decoding multiplies them with.
fn oracle_activation(
    activation: &Activation,
    raw: &[f64],
    h: &[f64],
    norms: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let mut decode_scale = vec![1.0; h.len()];
    let a = match activation {
        Activation::Relu => h.iter().map(|h| h.max(0.0)).collect(),
        Activation::JumpRelu { threshold } => h
            .iter()
            .zip(threshold)
            .map(|(h, t)| if *h > f64::from(*t) { h.max(0.0) } else { 0.0 })
            .collect(),
        Activation::Gated { b_gate, b_mag, r_mag } => (0..h.len())
            .map(|i| {
                let open = raw[i] + f64::from(b_gate[i]) > 0.0;
                let size = raw[i] * f64::from(r_mag[i]).exp() + f64::from(b_mag[i]);
                if open { size.max(0.0) } else { 0.0 }
            })
            .collect(),
        Activation::TopK { k, signed, rescale } => {
            let h: Vec<f64> =
                h.iter().zip(norms).map(|(h, n)| if *rescale { h * n } else { *h }).collect();
            if *rescale {
                decode_scale = norms.iter().map(|n| if *n > 0.0 { 1.0 / n } else { 0.0 }).collect();
            }
            let rank = |v: f64| if *signed { v.abs() } else { v };
            let mut order: Vec<usize> = (0..h.len()).collect();
            order.sort_by(|a, b| rank(h[*b]).total_cmp(&rank(h[*a])));
            let mut a = vec![0.0; h.len()];
            for i in &order[..*k] {
                a[*i] = if *signed { h[*i] } else { h[*i].max(0.0) };
            }
            a
        }
        Activation::GroupMax { k } => {
            let size = h.len() / k;
            (0..h.len())
                .map(|i| {
                    let group = &h[i / size * size..][..size];
                    if group.iter().all(|other| *other <= h[i]) { h[i].max(0.0) } else { 0.0 }
                })
                .collect()
        }
    };
    (a, decode_scale)
}

/// The definition, one row at a time, in f64: activations and output.
fn oracle(d: &Dictionary, x: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let n = x.len() as f64;
    let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
    let (mean, forward, inverse) = match d.normalisation {
        Normalisation::None => (0.0, 1.0, 1.0),
        Normalisation::ConstantNormRescale => {
            let c = n.sqrt() / x.iter().map(|v| v * v).sum::<f64>().sqrt();
            (0.0, c, 1.0 / c)
        }
        Normalisation::LayerNorm => {
            let mean = x.iter().sum::<f64>() / n;
            let std = (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            (mean, 1.0 / (std + 1e-5), std)
        }
    };
    let u: Vec<f64> = x
        .iter()
        .enumerate()
        .map(|(i, v)| {
            (v - mean) * forward - if d.subtract_b_dec { f64::from(d.b_dec[i]) } else { 0.0 }
        })
        .collect();
    let raw: Vec<f64> = d.w_enc.view().iter().map(|w| dot(&u, w)).collect();
    let h: Vec<f64> = raw.iter().zip(&d.b_enc).map(|(h, b)| h + f64::from(*b)).collect();
    let norms: Vec<f64> = d
        .w_dec
        .view()
        .iter()
        .map(|w| w.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt())
        .collect();
    let (a, decode_scale) = oracle_activation(&d.activation, &raw, &h, &norms);
    let mut y: Vec<f64> = d.b_dec.iter().map(|b| f64::from(*b)).collect();
    for (i, row) in d.w_dec.view().iter().enumerate() {
        for (y, w) in y.iter_mut().zip(row) {
            *y += a[i] * decode_scale[i] * f64::from(*w);
        }
    }
    if !d.transcoder {
        for y in &mut y {
            *y = *y * inverse + mean;
        }
    }
    if let Some(skip) = &d.w_skip {
        y.iter_mut().zip(skip.view().iter()).for_each(|(y, w)| *y += dot(&x, w));
    }
    (a, y)
}

fn close(got: impl IntoIterator<Item = f64>, want: &[f64]) -> bool {
    let scale = want.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
    got.into_iter().zip(want).all(|(g, w)| (g - w).abs() <= TOLERANCE * scale)
}

proptest! {
    #[test]
    fn encodes_and_decodes_as_defined(
        activation in activations(),
        normalisation in prop_oneof![
            Just(Normalisation::None),
            Just(Normalisation::ConstantNormRescale),
            Just(Normalisation::LayerNorm)
        ],
        seed in 0_u64..1000,
        rows in 0_usize..300,
    ) {
        let mut d = dictionary(seed, activation, false);
        d.normalisation = normalisation;
        let x = matrix(Rng::new(seed, "x"), rows, d.d_in());
        let (codes, output) = d.reconstruct(x.view()).unwrap();
        let codes = dense(&codes);
        for (i, row) in x.view().iter().enumerate() {
            let (a, y) = oracle(&d, row);
            prop_assert!(close(codes[i * d.d_sae()..][..d.d_sae()].iter().copied(), &a));
            prop_assert!(close(output.row(i).iter().map(|v| f64::from(*v)), &y));
        }
    }

    #[test]
    fn transcoders_write_another_space(seed in 0_u64..1000) {
        let d = dictionary(seed, Activation::Relu, true);
        let x = matrix(Rng::new(seed, "x"), 7, d.d_in());
        let (_, output) = d.reconstruct(x.view()).unwrap();
        for (i, row) in x.view().iter().enumerate() {
            let (_, y) = oracle(&d, row);
            prop_assert!(close(output.row(i).iter().map(|v| f64::from(*v)), &y));
        }
    }

    /// A1, there and back, and A4 where it holds: the same reconstructions.
    #[test]
    fn identities_keep_reconstructions(activation in activations(), seed in 0_u64..1000) {
        let before = dictionary(seed, activation, false);
        let x = matrix(Rng::new(seed, "x"), 9, before.d_in());
        let want: Vec<f64> =
            x.view().iter().flat_map(|row| oracle(&before, row).1).collect();
        let mut absorbed = before.clone();
        absorbed.absorb_input_bias(false).unwrap();
        let mut unit = before.clone();
        let unit = unit.unit_norm_decoder().map(|()| unit);
        for after in [Ok(absorbed), unit].into_iter().flatten() {
            let got: Vec<f64> = x.view().iter().flat_map(|row| oracle(&after, row).1).collect();
            prop_assert!(close(got, &want));
        }
    }

    /// A2: the folded dictionary on `x` is the unfolded one on `s·x`, divided by `s`.
    #[test]
    fn a_folded_scale_is_a_scaled_input(activation in activations(), seed in 0_u64..1000) {
        let before = dictionary(seed, activation, false);
        let scale = 0.37_f32;
        let mut after = before.clone();
        after.fold_scale(scale, scale).unwrap();
        let x = matrix(Rng::new(seed, "x"), 9, before.d_in());
        for row in x.view().iter() {
            let scaled: Vec<f32> = row.iter().map(|v| v * scale).collect();
            let want: Vec<f64> =
                oracle(&before, &scaled).1.iter().map(|y| y / f64::from(scale)).collect();
            prop_assert!(close(oracle(&after, row).1, &want));
        }
    }

    #[test]
    fn what_is_written_is_read_back(activation in activations(), seed in 0_u64..1000) {
        for transcoder in [false, true] {
            let mut d = dictionary(seed, activation.clone(), transcoder);
            if matches!(d.activation, Activation::Gated { .. }) {
                d.b_enc.fill(0.0);
            }
            d.provenance = Provenance {
                saekit_version: "1.2.3".to_owned(),
                model: Some("gpt2".to_owned()),
                hook_point: Some("blocks.1.hook_resid_post".to_owned()),
                context_size: Some(128),
                prepend_bos: Some(true),
                ..Provenance::default()
            };
            for format in FORMATS {
                let dir = tempfile::tempdir().unwrap();
                if let Ok(()) = format.write(&d, dir.path()) {
                    prop_assert!(format::read(dir.path()).unwrap() == d, "{}", format.name());
                } else {
                    prop_assert!(format.name() == "saelens");
                }
            }
        }
    }
}

#[test]
fn unit_rows_are_refused_where_ranking_would_change() {
    let mut d = dictionary(1, Activation::TopK { k: 4, signed: false, rescale: false }, false);
    let message = d.unit_norm_decoder().unwrap_err().to_string();
    assert!(message.contains("ranked without their decoder norms"), "{message}");
}

#[test]
fn many_rows_have_the_codes_of_each() {
    let (d_in, d_sae, rows) = (24, 900, 600);
    let root = Rng::new(7, "many rows");
    let threshold = vec![14.0; d_sae];
    for activation in [
        Activation::TopK { k: 4, signed: false, rescale: false },
        Activation::JumpRelu { threshold },
        Activation::Relu,
    ] {
        let mut d = Dictionary::new(
            matrix(root.child(0), d_sae, d_in),
            values(root.child(1), d_sae),
            matrix(root.child(2), d_sae, d_in),
            vec![0.0; d_in],
        );
        d.activation = activation;
        let x = matrix(root.child(3), rows, d_in);
        let together = d.encode(x.view()).unwrap();
        let apart: Vec<f64> =
            (0..rows).flat_map(|i| dense(&d.encode(x.view().slice(i, i + 1)).unwrap())).collect();
        assert!(dense(&together) == apart, "{:?}", d.activation);
    }
}

#[test]
fn rows_of_another_width_are_refused() {
    let d = dictionary(1, Activation::Relu, false);
    let message = d.encode(Matrix::zeros(2, 7).view()).unwrap_err().to_string();
    assert_eq!(message, "width of the rows to encode is 7, expected 6");
    let codes = Codes::Sparse(SparseCodes::new(21));
    assert!(d.decode(&codes, Matrix::zeros(0, 6).view()).is_err());
}

#[test]
fn nan_rows_are_refused() {
    let d = dictionary(1, Activation::Relu, false);
    let mut x = Matrix::zeros(2, 6);
    x.row_mut(1)[4] = f32::NAN;
    let message = d.encode(x.view()).unwrap_err().to_string();
    assert_eq!(message, "rows to encode holds NaN at row 1, column 4");
}

/// Writes a dictionary in `format`, lets `damage` at the folder, and gives the reader's message.
fn after_damage(format: &str, damage: impl FnOnce(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let d = dictionary(1, Activation::JumpRelu { threshold: vec![0.1; 20] }, false);
    format::by_name(format).unwrap().write(&d, dir.path()).unwrap();
    damage(dir.path());
    format::read(dir.path()).unwrap_err().to_string()
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn truncated_tensors() {
    for (format, file) in
        [("saekit", "dictionary.safetensors"), ("saelens", "sae_weights.safetensors")]
    {
        let message = after_damage(format, |dir| {
            let bytes = fs::read(dir.join(file)).unwrap();
            fs::write(dir.join(file), &bytes[..bytes.len() - 8]).unwrap();
        });
        assert!(message.contains(file) && message.contains("not a whole safetensors"), "{message}");
    }
}

#[test]
fn flipped_byte_in_the_tensors() {
    let message = after_damage("saekit", |dir| {
        let path = dir.join("dictionary.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
    });
    assert!(message.contains("its SHA-256 is"), "{message}");
}

#[test]
fn unknown_architecture() {
    let message =
        after_damage("saelens", |dir| edit(&dir.join("cfg.json"), "\"jumprelu\"", "\"temporal\""));
    assert!(message.contains("`architecture` is `temporal`"), "{message}");
}

#[test]
fn tensor_of_another_architecture() {
    let message =
        after_damage("saelens", |dir| edit(&dir.join("cfg.json"), "\"jumprelu\"", "\"standard\""));
    assert!(message.contains("`threshold` does not belong"), "{message}");
}

#[test]
fn missing_threshold() {
    let message =
        after_damage("saelens", |dir| edit(&dir.join("cfg.json"), "\"jumprelu\"", "\"gated\""));
    assert!(message.contains("`b_gate` is missing"), "{message}");
}

#[test]
fn newer_version() {
    let message = after_damage("saekit", |dir| {
        edit(&dir.join("dictionary.json"), "\"version\": 1", "\"version\": 2");
    });
    assert!(message.contains("`version` is 2, expected 1"), "{message}");
}

#[test]
fn header_that_is_not_json() {
    let message = after_damage("saekit", |dir| {
        fs::write(dir.join("dictionary.json"), "{").unwrap();
    });
    assert!(message.contains("not a valid saekit dictionary header"), "{message}");
}

#[test]
fn folder_without_a_dictionary() {
    let dir = tempfile::tempdir().unwrap();
    let message = format::read(dir.path()).unwrap_err().to_string();
    assert!(message.contains("dictionary.json (saekit)"), "{message}");
}

#[test]
fn saelens_metadata_survives() {
    let dir = tempfile::tempdir().unwrap();
    let mut d = dictionary(1, Activation::Relu, false);
    d.extra.insert("neuronpedia_id".to_owned(), "gpt2/5".into());
    format::by_name("saelens").unwrap().write(&d, dir.path()).unwrap();
    let cfg = fs::read_to_string(dir.path().join("cfg.json")).unwrap();
    assert!(cfg.contains("\"sae_lens_version\":\"6.54.12\""), "{cfg}");
    assert_eq!(format::read(dir.path()).unwrap(), d);
}
