//! Both engines against automatic differentiation, and against each other.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use saekit_core::rng::Rng;
use saekit_core::{Batch, MatrixView};
use saekit_kernels::{Isa, Precision, Prefix, Screen, Sparsity, Weights};
use saekit_learners::engine::{Engine, HostEngine, LossTerm, Objective, TensorEngine};

/// Rows and weights of a step.
struct Problem {
    d: usize,
    d_sae: usize,
    k: usize,
    x: Vec<f32>,
    weights: Weights,
    prefixes: Vec<Prefix>,
    dead: Vec<u32>,
}

const AUXK: f64 = 0.5;
const K_AUX: usize = 3;

fn normals(seed: u64, n: usize, size: f64) -> Vec<f32> {
    let rng = Rng::new(seed, "engines");
    (0..n as u64).map(|i| (rng.normal(i) * size) as f32).collect()
}

impl Problem {
    fn new(d: usize, d_sae: usize, k: usize, rows: usize, parts: usize, seed: u64) -> Self {
        let mut w_dec = normals(seed, d_sae * d, 1.0);
        for row in w_dec.chunks_mut(d) {
            let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            for v in row.iter_mut() {
                *v /= norm;
            }
        }
        let weights = Weights {
            w_enc: normals(seed + 1, d_sae * d, 0.5),
            b_enc: normals(seed + 2, d_sae, 0.2),
            w_dec,
            b_dec: normals(seed + 3, d, 0.3),
        };
        let prefix = |i| Prefix { end: d_sae * i / parts, weight: 0.5 + i as f32 };
        Self {
            d,
            d_sae,
            k,
            x: normals(seed + 4, rows * d, 1.0),
            weights,
            prefixes: (1..=parts).map(prefix).collect(),
            dead: (0..d_sae as u32).filter(|id| id % 4 == 1).collect(),
        }
    }

    fn rows(&self) -> usize {
        self.x.len() / self.d
    }

    /// Loss and gradients of an engine.
    fn run<E: Engine>(&self, engine: &mut E, download: impl Fn(E::Grads) -> Weights) -> Outcome {
        let x = MatrixView::new(self.rows(), self.d, &self.x);
        engine.load(&Batch { input: x, target: x }).unwrap();
        let codes = engine.encode(Sparsity::TopK { k: self.k }, None).unwrap();
        let mut active: Vec<u32> = engine.active_latents(&codes).collect();
        active.sort_unstable();
        let residual = engine.residual(&codes, Objective::Batch, &self.prefixes, 1.0).unwrap();
        let fvu = engine.read(engine.fvu(&residual)).unwrap();
        let mut terms = vec![LossTerm { codes, residual }];
        if !self.dead.is_empty() {
            let k = K_AUX.min(self.dead.len());
            let codes = engine.encode(Sparsity::TopK { k }, Some(&self.dead)).unwrap();
            let objective = Objective::Residual(&terms[0].residual);
            let residual = engine.residual(&codes, objective, &self.whole(), AUXK).unwrap();
            terms.push(LossTerm { codes, residual });
        }
        Outcome { grads: download(engine.gradients(terms).unwrap()), fvu, active }
    }

    fn whole(&self) -> [Prefix; 1] {
        [Prefix { end: self.d_sae, weight: 1.0 }]
    }

    /// The gradients of the same loss by automatic differentiation, the decoder's projected.
    fn autodiff(&self) -> Weights {
        let device = Device::flex();
        let tensor = |values: &[f32], shape: [usize; 2]| -> Tensor<2> {
            Tensor::from_data(TensorData::new(values.to_vec(), shape), &device)
        };
        let (d, d_sae, rows) = (self.d, self.d_sae, self.rows());
        let w = &self.weights;
        let w_enc = tensor(&w.w_enc, [d_sae, d]).autodiff().require_grad();
        let b_enc = tensor(&w.b_enc, [1, d_sae]).autodiff().require_grad();
        let w_dec = tensor(&w.w_dec, [d_sae, d]).autodiff().require_grad();
        let b_dec = tensor(&w.b_dec, [1, d]).autodiff().require_grad();
        let x = tensor(&self.x, [rows, d]).autodiff();
        let pre = (x.clone() - b_dec.clone()).matmul(w_enc.clone().transpose()) + b_enc.clone();
        let codes = keep_largest(pre.clone(), self.k);
        let variance = spread(x.clone().inner());
        let mut loss = Tensor::<1>::zeros([1], &device).autodiff();
        let mut error = x.clone();
        for prefix in &self.prefixes {
            let codes = codes.clone().slice([0..rows, 0..prefix.end]);
            let decoded = codes.matmul(w_dec.clone().slice([0..prefix.end, 0..d]));
            error = x.clone() - decoded - b_dec.clone();
            let weight = f64::from(prefix.weight) / variance;
            loss = loss + (error.clone() * error.clone()).sum().mul_scalar(weight);
        }
        if !self.dead.is_empty() {
            let weight = self.prefixes.last().unwrap().weight;
            let objective = error.inner().mul_scalar(f64::from(weight));
            let ids: Vec<i32> = self.dead.iter().map(|id| id.cast_signed()).collect();
            let ids = Tensor::<1, burn::tensor::Int>::from_data(
                TensorData::new(ids.clone(), [ids.len()]),
                &device,
            );
            let codes = keep_largest(pre.select(1, ids.clone()), K_AUX.min(self.dead.len()));
            let weight = AUXK / spread(objective.clone());
            let left = objective.autodiff() - codes.matmul(w_dec.clone().select(0, ids));
            loss = loss + (left.clone() * left).sum().mul_scalar(weight);
        }
        let grads = loss.backward();
        let values = |t: Tensor<2>| t.try_into_vec_as::<f32>().unwrap();
        let decoder = w_dec.grad(&grads).unwrap();
        let along = (decoder.clone() * w_dec.clone().inner()).sum_dim(1);
        Weights {
            w_enc: values(w_enc.grad(&grads).unwrap()),
            b_enc: values(b_enc.grad(&grads).unwrap()),
            w_dec: values(decoder - w_dec.inner() * along),
            b_dec: values(b_dec.grad(&grads).unwrap()),
        }
    }
}

/// `relu` of the `k` largest of each row, zeros elsewhere.
fn keep_largest(pre: Tensor<2>, k: usize) -> Tensor<2> {
    let [_, cols] = pre.dims();
    let (sorted, _) = pre.clone().inner().sort_descending_with_indices(1);
    let smallest = sorted.slice_dim(1, k.min(cols) - 1..k.min(cols));
    let below = pre.clone().inner().lower(smallest.expand(pre.dims()));
    relu(pre) * below.bool_not().float().autodiff()
}

fn spread(y: Tensor<2>) -> f64 {
    let centred = y.clone() - y.mean_dim(0);
    let total: Vec<f32> = (centred.clone() * centred).sum().try_into_vec_as().unwrap();
    f64::from(total[0])
}

struct Outcome {
    grads: Weights,
    fvu: f64,
    active: Vec<u32>,
}

fn differ(a: &Weights, b: &Weights) -> Option<String> {
    let pairs = [
        ("w_enc", &a.w_enc, &b.w_enc),
        ("b_enc", &a.b_enc, &b.b_enc),
        ("w_dec", &a.w_dec, &b.w_dec),
        ("b_dec", &a.b_dec, &b.b_dec),
    ];
    pairs.iter().find_map(|(name, a, b)| {
        let rms = (b.iter().map(|v| v * v).sum::<f32>() / b.len() as f32).sqrt().max(1e-4);
        let off = |(a, b): (&f32, &f32)| (a - b).abs() / rms;
        let worst = a.iter().zip(b.iter()).map(off).fold(0.0, f32::max);
        (worst > 2e-4).then(|| format!("{name} is off by {worst} of its rms"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn engines_agree_with_automatic_differentiation(
        d in 2_usize..24, d_sae in 8_usize..60, k in 1_usize..7, rows in 2_usize..40,
        parts in 1_usize..4, seed in 0_u64..1000
    ) {
        let p = Problem::new(d, d_sae, k, rows, parts, seed);
        let want = p.autodiff();
        let mut tensors = TensorEngine::new(&p.weights, &Device::flex());
        let reference = p.run(&mut tensors, |grads| grads.download().unwrap());
        let off = differ(&reference.grads, &want);
        prop_assert!(off.is_none(), "tensors: {}", off.unwrap());
        let exact = Isa::available().into_iter().map(Precision::F32);
        let mixed = Screen::available().into_iter().map(|s| Precision::Mixed(Isa::best(), s));
        for precision in exact.chain(mixed) {
            let mut host = HostEngine::new(p.weights.clone(), precision);
            let got = p.run(&mut host, |grads| grads);
            let off = differ(&got.grads, &want);
            prop_assert!(off.is_none(), "{precision:?}: {}", off.unwrap());
            prop_assert!((got.fvu - reference.fvu).abs() < 1e-5 * reference.fvu.max(1.0));
            prop_assert!(got.active == reference.active);
            let counts = host.take_counts();
            prop_assert!(counts.is_empty() != matches!(precision, Precision::Mixed(..)));
            prop_assert!(counts.iter().all(|(name, n)| *name != "fallback_rows" || *n == 0));
        }
    }
}

#[test]
fn screening_changes_no_bit_of_the_gradients() {
    let p = Problem::new(12, 700, 3, 30, 1, 5);
    let run = |precision: Precision| {
        let mut host = HostEngine::new(p.weights.clone(), precision);
        (p.run(&mut host, |grads| grads).grads, host.take_counts())
    };
    let (want, _) = run(Precision::F32(Isa::best()));
    for screen in Screen::available() {
        let (got, counts) = run(Precision::Mixed(Isa::best(), screen));
        assert!(got == want, "{screen:?}");
        for name in ["screened", "rescored"] {
            assert!(counts.iter().any(|(of, n)| *of == name && *n > 0), "{screen:?}: {counts:?}");
        }
        assert!(counts.contains(&("fallback_rows", 0)), "{screen:?}: {counts:?}");
    }
}

#[test]
fn selections_agree() {
    let p = Problem::new(12, 40, 3, 30, 1, 5);
    let thresholds: Vec<f32> = (0..40).map(|i| 0.02 * i as f32).collect();
    let x = MatrixView::new(30, 12, &p.x);
    let mut tensors = TensorEngine::new(&p.weights, &Device::flex());
    let mut host = HostEngine::new(p.weights.clone(), Precision::F32(Isa::best()));
    tensors.load(&Batch { input: x, target: x }).unwrap();
    host.load(&Batch { input: x, target: x }).unwrap();
    for sparsity in [
        Sparsity::TopK { k: 3 },
        Sparsity::BatchTopK { k: 3, hint: None },
        Sparsity::Threshold { thresholds: &thresholds, window: 0.0 },
        Sparsity::Positive,
    ] {
        let (ours, want) =
            (host.encode(sparsity, None).unwrap(), tensors.encode(sparsity, None).unwrap());
        let mut ids: [Vec<u32>; 2] =
            [host.active_latents(&ours).collect(), tensors.active_latents(&want).collect()];
        for ids in &mut ids {
            ids.sort_unstable();
        }
        assert_eq!(ids[0], ids[1], "{sparsity:?}");
        let whole = p.whole();
        let (ours, want) = (
            host.residual(&ours, Objective::Batch, &whole, 1.0).unwrap(),
            tensors.residual(&want, Objective::Batch, &whole, 1.0).unwrap(),
        );
        let want = tensors.read(tensors.fvu(&want)).unwrap();
        assert!((host.fvu(&ours) - want).abs() < 1e-5, "{sparsity:?}");
    }
}
