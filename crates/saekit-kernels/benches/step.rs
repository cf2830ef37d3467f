//! Each kernel of a step by itself: `cargo bench -p saekit-kernels`.
//!
//! `saekit bench step` is the whole step beside the machine's ceilings.

use divan::Bencher;
use divan::counter::ItemsCount;
use saekit_kernels::{
    AdamStep, CscCodes, CsrCodes, Decoder, Encoder, Isa, Moments, Parameters, Precision, Prefix,
    Residual, Screen, Sparsity, StepInput, Target, TermGrad, Weights, encode, residual, top_k,
    update,
};

const ROWS: usize = 512;
const D: usize = 256;
const D_SAE: usize = 4096;
const K: usize = 32;
const SCALE: f32 = 1e-3;

fn main() {
    divan::main();
}

fn values(n: usize, seed: u64) -> Vec<f32> {
    let mix = |i: u64| (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..n as u64).map(|i| mix(i) as f32 / (1_u64 << 23) as f32 - 1.0).collect()
}

fn weights() -> Weights {
    let w_dec = values(D_SAE * D, 7);
    let (b_enc, b_dec) = (vec![0.0; D_SAE], vec![0.0; D]);
    Weights { w_enc: w_dec.clone(), b_enc, w_dec, b_dec }
}

fn codes(x: &[f32], weights: &Weights, precision: Precision) -> CsrCodes {
    let encoder = Encoder { w_enc: &weights.w_enc, b_enc: &weights.b_enc };
    encode(x, encoder, Sparsity::TopK { k: K }, precision).0
}

fn explain(x: &[f32], weights: &Weights, codes: &CsrCodes, out: &mut Residual) {
    let decoder = Decoder { w_dec: &weights.w_dec, b_dec: Some(&weights.b_dec) };
    let prefixes = [Prefix { end: D_SAE, weight: 1.0 }];
    let target = Target { y: x, prefixes: &prefixes, scale: SCALE };
    residual(Isa::best(), codes, decoder, target, out);
}

#[divan::bench(args = Isa::available().into_iter().map(Isa::name))]
fn encoder(bencher: Bencher<'_, '_>, name: &str) {
    let isa = Isa::available().into_iter().find(|isa| isa.name() == name).expect("it was listed");
    let (x, weights) = (values(ROWS * D, 1), weights());
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| codes(&x, &weights, Precision::F32(isa)));
}

#[divan::bench(args = Screen::available().into_iter().map(Screen::name))]
fn encoder_in_bf16(bencher: Bencher<'_, '_>, name: &str) {
    let screen = Screen::available().into_iter().find(|s| s.name() == name).expect("it was listed");
    let (x, weights) = (values(ROWS * D, 1), weights());
    let precision = Precision::Mixed(Isa::best(), screen);
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| codes(&x, &weights, precision));
}

#[divan::bench]
fn selection(bencher: Bencher<'_, '_>) {
    let (row, mut scratch, mut out) = (values(D_SAE, 1), Vec::new(), Vec::new());
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        out.clear();
        top_k(&row, K, &mut scratch, &mut out);
    });
}

#[divan::bench]
fn decoder_and_residual(bencher: Bencher<'_, '_>) {
    let (x, weights) = (values(ROWS * D, 1), weights());
    let codes = codes(&x, &weights, Precision::F32(Isa::best()));
    let mut residuals = Residual::default();
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench_local(|| explain(&x, &weights, &codes, &mut residuals));
}

#[divan::bench]
fn transpose(bencher: Bencher<'_, '_>) {
    let (x, weights) = (values(ROWS * D, 1), weights());
    let codes = codes(&x, &weights, Precision::F32(Isa::best()));
    let (grads, mut columns) = (vec![0.0; codes.len()], CscCodes::default());
    bencher
        .counter(ItemsCount::new(codes.len()))
        .bench_local(|| codes.transpose(&grads, D_SAE, &mut columns));
}

#[divan::bench]
fn gradients_and_adam(bencher: Bencher<'_, '_>) {
    let (x, mut weights) = (values(ROWS * D, 1), weights());
    let codes = codes(&x, &weights, Precision::F32(Isa::best()));
    let (mut residuals, mut columns) = (Residual::default(), CscCodes::default());
    explain(&x, &weights, &codes, &mut residuals);
    codes.transpose(&residuals.grads, D_SAE, &mut columns);
    let prefixes = [Prefix { end: D_SAE, weight: 1.0 }];
    let (errors, scale) = (&residuals.errors, SCALE);
    let term = TermGrad { codes: &columns, errors, prefixes: &prefixes, scale, bias: true };
    let batch = StepInput { x: &x, terms: &[term] };
    let adam = AdamStep {
        lr: 1e-4,
        beta1: 0.9,
        beta2: 0.999,
        gain1: 0.1,
        gain2: 0.001,
        eps: 1e-8,
        correction1: 1.0,
        correction2: 1.0,
    };
    let mut moments = Moments::new(&weights);
    bencher.counter(ItemsCount::new(D_SAE)).bench_local(|| {
        let (weights, moments) = (&mut weights, &mut moments);
        update(Isa::best(), Parameters { weights, moments, rounded: None }, batch, adam);
    });
}
