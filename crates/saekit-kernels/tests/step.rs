//! Each kernel against the same thing in f64, written the plain way.

use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, proptest};
use saekit_kernels::{
    AdamStep, CscCodes, CsrCodes, Decoder, Encoder, Isa, Moments, Parameters, Precision, Prefix,
    Residual, Screen, Screener, Sparsity, StepInput, Target, TermGrad, Weights, apply, centre,
    encode, gradients, residual, update, variance,
};

/// A problem: sizes, rows and weights.
#[derive(Clone, Debug)]
struct Problem {
    rows: usize,
    d: usize,
    d_sae: usize,
    k: usize,
    x: Vec<f32>,
    weights: Weights,
}

fn values(n: usize, seed: u64) -> Vec<f32> {
    let mix = |i: u64| {
        let x =
            (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xd1b5_4a32_d192_ed03);
        let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    (0..n as u64).map(|i| (mix(i) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0).collect()
}

impl Problem {
    fn new(rows: usize, d: usize, d_sae: usize, k: usize, seed: u64) -> Self {
        let mut weights = Weights {
            w_enc: values(d_sae * d, seed),
            b_enc: values(d_sae, seed + 1).iter().map(|v| v / 4.0).collect(),
            w_dec: values(d_sae * d, seed + 2),
            b_dec: values(d, seed + 3),
        };
        for row in weights.w_dec.chunks_mut(d) {
            let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-3);
            for v in row.iter_mut() {
                *v /= norm;
            }
        }
        // A row of zeros after centring, a latent that nothing wakes, two latents that always tie.
        let mut x = values(rows * d, seed + 4);
        if rows > 1 {
            x[..d].copy_from_slice(&weights.b_dec);
        }
        if d_sae > 3 {
            weights.b_enc[1] = -1e3;
            let twin = weights.w_enc[2 * d..3 * d].to_vec();
            weights.w_enc[3 * d..4 * d].copy_from_slice(&twin);
            weights.b_enc[3] = weights.b_enc[2];
        }
        Self { rows, d, d_sae, k, x, weights }
    }

    fn centred(&self) -> Vec<f32> {
        let mut x = Vec::new();
        centre(&self.x, &self.weights.b_dec, &mut x);
        x
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder { w_enc: &self.weights.w_enc, b_enc: &self.weights.b_enc }
    }

    /// Pre-activations, in f64.
    fn pre(&self) -> Vec<Vec<f64>> {
        let x = self.centred();
        let h = |x: &[f32], j: usize| -> f64 {
            let w = &self.weights.w_enc[j * self.d..][..self.d];
            f64::from(self.weights.b_enc[j]) + dot(x, w)
        };
        x.chunks(self.d).map(|x| (0..self.d_sae).map(|j| h(x, j)).collect()).collect()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn problems() -> impl Strategy<Value = Problem> {
    (0_usize..70, 1_usize..70, 1_usize..150, 1_usize..9, 0_u64..1000)
        .prop_flat_map(|(rows, d, d_sae, k, seed)| Just(Problem::new(rows, d, d_sae, k, seed)))
}

fn precisions() -> Vec<Precision> {
    let exact = Isa::available().into_iter().map(Precision::F32);
    let mixed = Screen::available().into_iter().map(|s| Precision::Mixed(Isa::best(), s));
    exact.chain(mixed).collect()
}

/// Two pre-activations closer than this may change places.
const TIE: f64 = 1e-5;

/// Fails unless `codes` are the `places` largest of `pre`, up to rounding, with the right values.
fn are_largest(codes: &CsrCodes, pre: &[Vec<f64>], places: usize) -> Result<(), String> {
    let mut chosen: Vec<f64> = Vec::new();
    let mut left: Vec<f64> = Vec::new();
    for (i, pre) in pre.iter().enumerate() {
        let (ids, values) = codes.row(i);
        if !ids.is_sorted_by(|a, b| a < b) {
            return Err(format!("row {i} is not ascending: {ids:?}"));
        }
        for (id, value) in ids.iter().zip(values) {
            let want = pre[*id as usize];
            if (f64::from(*value) - want).abs() > TIE * want.abs().max(1.0) {
                return Err(format!("row {i}, latent {id}: {value}, the oracle has {want}"));
            }
        }
        chosen.extend(ids.iter().map(|id| pre[*id as usize]));
        left.extend(
            pre.iter().enumerate().filter(|(j, _)| !ids.contains(&(*j as u32))).map(|(_, h)| *h),
        );
    }
    let positive = pre.iter().flatten().filter(|h| **h > TIE).count();
    let most = pre.iter().flatten().filter(|h| **h > -TIE).count().min(places);
    let smallest = chosen.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = left.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if chosen.len() > most || chosen.len() < positive.min(places) {
        return Err(format!("{} chosen, {positive} positive, {places} places", chosen.len()));
    }
    if chosen.len() == places && largest > smallest + TIE * largest.abs().max(1.0) {
        return Err(format!("{largest} was left, {smallest} chosen"));
    }
    Ok(())
}

proptest! {
    #[test]
    fn top_k_is_the_oracles(p in problems()) {
        let (x, pre) = (p.centred(), p.pre());
        for precision in precisions() {
            let (codes, _) = encode(&x, p.encoder(), Sparsity::TopK { k: p.k }, precision);
            prop_assert_eq!(codes.rows(), p.rows);
            for i in 0..p.rows {
                let (ids, values) = codes.row(i);
                let twins = p.d_sae <= 3 || !ids.contains(&3) || ids.contains(&2);
                prop_assert!(twins, "{precision:?}: of two equals the higher was taken: {ids:?}");
                let row = CsrCodes { offsets: vec![0, ids.len()], ids: ids.into(), values: values.into() };
                let found = are_largest(&row, &pre[i..=i], p.k);
                prop_assert!(found.is_ok(), "{precision:?} row {i}: {}", found.unwrap_err());
            }
        }
    }

    #[test]
    fn screening_changes_no_bit(p in problems(), window in 0.0_f32..0.5, size in -12..13) {
        let thresholds: Vec<f32> = values(p.d_sae, 9).iter().map(|v| v.abs()).collect();
        let mut x = p.centred();
        for v in &mut x {
            *v *= 10.0_f32.powi(size);
        }
        for sparsity in [
            Sparsity::TopK { k: p.k },
            Sparsity::BatchTopK { k: p.k, hint: None },
            Sparsity::Threshold { thresholds: &thresholds, window },
            Sparsity::Positive,
        ] {
            for isa in Isa::available() {
                let (want, _) = encode(&x, p.encoder(), sparsity, Precision::F32(isa));
                for screen in Screen::available() {
                    let (got, _) = encode(&x, p.encoder(), sparsity, Precision::Mixed(isa, screen));
                    prop_assert_eq!((&got.offsets, &got.ids), (&want.offsets, &want.ids));
                    let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    prop_assert_eq!(bits(&got.values), bits(&want.values));
                }
            }
        }
    }

    #[test]
    fn batch_top_k_is_the_oracles(p in problems(), hint in -1.0_f32..4.0) {
        let (x, pre) = (p.centred(), p.pre());
        for precision in precisions() {
            let found: Vec<CsrCodes> = [None, Some(hint), Some(f32::INFINITY)]
                .into_iter()
                .map(|hint| encode(&x, p.encoder(), Sparsity::BatchTopK { k: p.k, hint }, precision).0)
                .collect();
            prop_assert_eq!(&found[0], &found[1]);
            prop_assert_eq!(&found[0], &found[2]);
            let found = are_largest(&found[0], &pre, p.k * p.rows);
            prop_assert!(found.is_ok(), "{precision:?}: {}", found.unwrap_err());
        }
    }

    #[test]
    fn thresholds_are_the_oracles(p in problems(), window in 0.0_f32..0.5) {
        let thresholds: Vec<f32> = values(p.d_sae, 9).iter().map(|v| v.abs()).collect();
        let (x, pre) = (p.centred(), p.pre());
        for precision in precisions() {
            let sparsity = Sparsity::Threshold { thresholds: &thresholds, window };
            let (codes, _) = encode(&x, p.encoder(), sparsity, precision);
            let (positive, _) = encode(&x, p.encoder(), Sparsity::Positive, precision);
            for (i, pre) in pre.iter().enumerate() {
                for (j, h) in pre.iter().enumerate() {
                    let threshold = f64::from(thresholds[j]);
                    let low = threshold - f64::from(window) / 2.0;
                    let value = |codes: &CsrCodes| {
                        let (ids, values) = codes.row(i);
                        ids.iter().position(|id| *id == j as u32).map(|at| f64::from(values[at]))
                    };
                    let near = |a: f64| (h - a).abs() < TIE;
                    if !near(threshold) && !near(low) {
                        let got = value(&codes);
                        prop_assert_eq!(got.is_some(), *h > low, "{} {}", h, threshold);
                        let want = if *h > threshold { *h } else { 0.0 };
                        prop_assert!(got.is_none_or(|got| (got - want).abs() < TIE * h.abs().max(1.0)));
                    }
                    if !near(0.0) {
                        prop_assert_eq!(value(&positive).is_some(), *h > 0.0);
                    }
                }
            }
        }
    }

    #[test]
    fn gradients_are_the_oracles(p in problems(), parts in 1_usize..4, dense in proptest::bool::ANY) {
        let prefixes: Vec<Prefix> = (1..=parts)
            .map(|i| Prefix { end: p.d_sae * i / parts, weight: i as f32 })
            .collect();
        if prefixes[0].end == 0 || p.rows == 0 {
            return Ok(());
        }
        let sparsity = if dense { Sparsity::Positive } else { Sparsity::TopK { k: p.k } };
        let x = p.centred();
        for isa in Isa::available() {
            let (codes, _) = encode(&x, p.encoder(), sparsity, Precision::F32(isa));
            let (got, squares) = our_gradients(isa, &p, &x, &codes, &prefixes);
            let (want, want_squares) = oracle_gradients(&p, &codes, &prefixes);
            for (got, want) in squares.iter().zip(want_squares) {
                prop_assert!((got - want).abs() <= 1e-5 * want.max(1.0), "{got} {want}");
            }
            for (name, got, want) in [
                ("w_enc", &got.w_enc, &want.0),
                ("b_enc", &got.b_enc, &want.1),
                ("w_dec", &got.w_dec, &want.2),
                ("b_dec", &got.b_dec, &want.3),
            ] {
                let rms = (want.iter().map(|v| v * v).sum::<f64>() / want.len() as f64).sqrt();
                for (got, want) in got.iter().zip(want) {
                    let off = (f64::from(*got) - want).abs();
                    prop_assert!(off <= 1e-4 * rms.max(1e-2), "{isa:?} {name}: {got} {want} {rms}");
                }
            }
        }
    }
}

const SCALE: f32 = 0.25;

fn our_gradients(
    isa: Isa,
    p: &Problem,
    x: &[f32],
    codes: &CsrCodes,
    prefixes: &[Prefix],
) -> (Weights, Vec<f64>) {
    let decoder = Decoder { w_dec: &p.weights.w_dec, b_dec: Some(&p.weights.b_dec) };
    let (mut out, mut columns) = (Residual::default(), CscCodes::default());
    let target = Target { y: &p.x, prefixes, scale: SCALE };
    residual(isa, codes, decoder, target, &mut out);
    codes.transpose(&out.grads, p.d_sae, &mut columns);
    let term =
        TermGrad { codes: &columns, errors: &out.errors, prefixes, scale: SCALE, bias: true };
    let mut grads = p.weights.zeros_like();
    gradients(isa, &p.weights, StepInput { x, terms: &[term] }, &mut grads);
    (grads, out.sse)
}

type Oracle = (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>);

/// The gradient of `SCALE Σ_p weight_p Σ (y - ŷ_p)²`, the decoder's part projected, term by term.
fn oracle_gradients(p: &Problem, codes: &CsrCodes, prefixes: &[Prefix]) -> (Oracle, Vec<f64>) {
    let d = p.d;
    let x = p.centred();
    let (mut w_enc, mut b_enc) = (vec![0.0; p.d_sae * d], vec![0.0; p.d_sae]);
    let (mut w_dec, mut b_dec) = (vec![0.0; p.d_sae * d], vec![0.0; d]);
    let mut squares = Vec::new();
    for prefix in prefixes {
        let mut total = 0.0;
        for i in 0..p.rows {
            let (ids, values) = codes.row(i);
            let inside = || ids.iter().zip(values).filter(|(id, _)| (**id as usize) < prefix.end);
            let mut error: Vec<f64> =
                (0..d).map(|c| f64::from(p.x[i * d + c]) - f64::from(p.weights.b_dec[c])).collect();
            for (id, value) in inside() {
                let w = &p.weights.w_dec[*id as usize * d..][..d];
                for (e, w) in error.iter_mut().zip(w) {
                    *e -= f64::from(*value) * f64::from(*w);
                }
            }
            total += error.iter().map(|e| e * e).sum::<f64>();
            let factor = -2.0 * f64::from(SCALE) * f64::from(prefix.weight);
            for (id, value) in inside() {
                let j = *id as usize;
                let w = &p.weights.w_dec[j * d..][..d];
                let grad: f64 = w.iter().zip(&error).map(|(w, e)| f64::from(*w) * e * factor).sum();
                b_enc[j] += grad;
                for c in 0..d {
                    w_dec[j * d + c] += factor * f64::from(*value) * error[c];
                    w_enc[j * d + c] += grad * f64::from(x[i * d + c]);
                    b_dec[c] -= grad * f64::from(p.weights.w_enc[j * d + c]);
                }
            }
            b_dec.iter_mut().zip(&error).for_each(|(b, e)| *b += factor * e);
        }
        squares.push(total);
    }
    for (grad, w) in w_dec.chunks_mut(d).zip(p.weights.w_dec.chunks(d)) {
        let along: f64 = grad.iter().zip(w).map(|(g, w)| g * f64::from(*w)).sum();
        grad.iter_mut().zip(w).for_each(|(g, w)| *g -= along * f64::from(*w));
    }
    ((w_enc, b_enc, w_dec, b_dec), squares)
}

fn adam(t: i32) -> AdamStep {
    AdamStep {
        lr: 1e-2,
        beta1: 0.9,
        beta2: 0.999,
        gain1: 0.1,
        gain2: 0.001,
        eps: 1e-8,
        correction1: 1.0 / (1.0 - 0.9_f32.powi(t)),
        correction2: 1.0 / (1.0 - 0.999_f32.powi(t)),
    }
}

/// Steps of a problem, fused or with stored gradients.
fn trained(p: &Problem, precision: Precision, steps: i32, fused: bool) -> (Weights, Moments) {
    let (mut p, isa) = (p.clone(), precision.isa());
    let mut screener = Screener::new(precision, &p.weights.w_enc, p.d);
    let mut moments = Moments::new(&p.weights);
    let prefixes = [Prefix { end: p.d_sae, weight: 1.0 }];
    let (mut out, mut columns) = (Residual::default(), CscCodes::default());
    for t in 1..=steps {
        let x = p.centred();
        let (codes, done) = screener.encode(&x, p.encoder(), Sparsity::TopK { k: p.k });
        assert_eq!(done.screened > 0, matches!(precision, Precision::Mixed(..)));
        let decoder = Decoder { w_dec: &p.weights.w_dec, b_dec: Some(&p.weights.b_dec) };
        let target = Target { y: &p.x, prefixes: &prefixes, scale: SCALE };
        residual(isa, &codes, decoder, target, &mut out);
        codes.transpose(&out.grads, p.d_sae, &mut columns);
        let (errors, scale) = (&out.errors, SCALE);
        let term = TermGrad { codes: &columns, errors, prefixes: &prefixes, scale, bias: true };
        let batch = StepInput { x: &x, terms: &[term] };
        if fused {
            let rounded = screener.rounded();
            let parameters = Parameters { weights: &mut p.weights, moments: &mut moments, rounded };
            update(isa, parameters, batch, adam(t));
        } else {
            let mut grads = p.weights.zeros_like();
            gradients(isa, &p.weights, batch, &mut grads);
            let rounded = screener.rounded();
            let parameters = Parameters { weights: &mut p.weights, moments: &mut moments, rounded };
            apply(isa, parameters, &mut grads, 1.0, adam(t));
        }
    }
    (p.weights, moments)
}

#[test]
fn stored_gradients_do_what_the_fused_update_does() {
    let p = Problem::new(50, 37, 130, 5, 3);
    for isa in Isa::available() {
        let precision = Precision::F32(isa);
        assert!(trained(&p, precision, 5, true) == trained(&p, precision, 5, false), "{isa:?}");
    }
}

#[test]
fn screened_steps_are_those_of_f32() {
    let p = Problem::new(50, 37, 700, 5, 3);
    for isa in Isa::available() {
        let want = trained(&p, Precision::F32(isa), 20, true);
        for screen in Screen::available() {
            let precision = Precision::Mixed(isa, screen);
            assert!(trained(&p, precision, 20, true) == want, "{precision:?}, fused");
            assert!(trained(&p, precision, 20, false) == want, "{precision:?}, in two");
        }
    }
}

#[test]
fn decoder_rows_keep_unit_norm() {
    let p = Problem::new(50, 37, 130, 5, 3);
    let (weights, _) = trained(&p, Precision::F32(Isa::best()), 10, true);
    for row in weights.w_dec.chunks(p.d) {
        assert!((dot(row, row) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let p = Problem::new(300, 37, 700, 5, 3);
    let on = |threads: usize, precision: Precision| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trained(&p, precision, 200, true))
    };
    let isa = Isa::best();
    let (exact, screened) = (Precision::F32(isa), Precision::Mixed(isa, Screen::best()));
    let one = on(1, exact);
    for threads in [2, 5] {
        assert!(one == on(threads, exact) && one == on(threads, screened), "{threads} threads");
    }
}

#[test]
fn nor_does_cutting_few_rows_by_latents() {
    let p = Problem::new(3, 37, 2100, 5, 3);
    let (x, thresholds) = (p.centred(), vec![0.5; p.d_sae]);
    for precision in precisions() {
        for sparsity in [
            Sparsity::TopK { k: 5 },
            Sparsity::BatchTopK { k: 5, hint: None },
            Sparsity::Threshold { thresholds: &thresholds, window: 0.1 },
            Sparsity::Positive,
        ] {
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| encode(&x, p.encoder(), sparsity, precision).0)
            };
            let one = on(1);
            assert!(!one.is_empty() && one == on(2) && one == on(5), "{precision:?} {sparsity:?}");
        }
    }
}

#[test]
fn what_is_only_in_the_window_moves_no_weights() {
    let p = Problem::new(40, 13, 60, 5, 3);
    let (x, isa) = (p.centred(), Isa::best());
    let thresholds = vec![0.5; p.d_sae];
    let prefixes = [Prefix { end: p.d_sae, weight: 1.0 }];
    let of = |window: f32| {
        let sparsity = Sparsity::Threshold { thresholds: &thresholds, window };
        let (codes, _) = encode(&x, p.encoder(), sparsity, Precision::F32(isa));
        (codes.len(), our_gradients(isa, &p, &x, &codes, &prefixes).0)
    };
    let ((few, without), (many, with)) = (of(0.0), of(0.3));
    assert!(many > few);
    for (a, b) in [(&without.w_enc, &with.w_enc), (&without.w_dec, &with.w_dec)] {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn no_places_take_nothing() {
    let p = Problem::new(4, 5, 20, 3, 1);
    let x = p.centred();
    for precision in precisions() {
        for sparsity in [Sparsity::TopK { k: 0 }, Sparsity::BatchTopK { k: 0, hint: None }] {
            assert!(encode(&x, p.encoder(), sparsity, precision).0.is_empty(), "{sparsity:?}");
        }
    }
}

#[test]
fn variance_is_the_oracles() {
    let p = Problem::new(131, 13, 4, 1, 8);
    let mean = |c: usize| (0..p.rows).map(|i| f64::from(p.x[i * p.d + c])).sum::<f64>() / 131.0;
    let want: f64 = (0..p.d)
        .map(|c| {
            let mean = mean(c);
            (0..p.rows).map(|i| (f64::from(p.x[i * p.d + c]) - mean).powi(2)).sum::<f64>()
        })
        .sum();
    for isa in Isa::available() {
        assert!((variance(isa, &p.x, p.d) - want).abs() < 1e-9 * want);
    }
    assert!(variance(Isa::best(), &[], 13) > 0.0);
}

#[test]
fn without_rows_nothing_happens() {
    let p = Problem::new(0, 7, 20, 3, 1);
    for precision in precisions() {
        for sparsity in [Sparsity::TopK { k: 3 }, Sparsity::BatchTopK { k: 3, hint: None }] {
            assert_eq!(encode(&[], p.encoder(), sparsity, precision).0.offsets, [0]);
        }
    }
}

#[test]
fn what_bf16_cannot_hold_is_done_in_f32() {
    let mut p = Problem::new(3, 8, 40, 2, 5);
    p.x[8..16].fill(3.4e38);
    p.weights.w_enc.iter_mut().for_each(|w| *w *= 1e-3);
    let x = p.centred();
    let exact = encode(&x, p.encoder(), Sparsity::TopK { k: 2 }, Precision::F32(Isa::best())).0;
    for screen in Screen::available() {
        let precision = Precision::Mixed(Isa::best(), screen);
        let (mixed, done) = encode(&x, p.encoder(), Sparsity::TopK { k: 2 }, precision);
        assert_eq!((done.fallback_rows, mixed.row(1).0), (1, exact.row(1).0));
    }
}
