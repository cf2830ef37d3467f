//! `saekit bench step`: the step that training runs, or that of a coming architecture.

use std::time::Instant;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use clap::ValueEnum;
use saekit_core::rng::Rng;
use saekit_core::{Batch, Learner, Matrix, Progress};
use saekit_kernels::{
    CscCodes, CsrCodes, Decoder, Encoder, Isa, Moments, Parameters, Precision, Prefix, Residual,
    Screen, Screener, Screening, Sparsity, StepInput, Target, TermGrad, Weights, adam_vector,
    add_l1, centre, encode, encode_once, residual, threshold_gradient, update, variance,
};
use saekit_learners::{AdamConfig, Context, LearnerConfig, top_k};

use super::ceilings::Ceilings;
use super::{Repeat, Report, Sizes, median, repeat, synthetic};
use crate::session::Session;

/// Arguments of the case.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sizes: Sizes,
    /// Rows a step
    #[arg(long, value_name = "ROWS", default_value_t = 2048)]
    batch_rows: usize,
    /// Which latents become active: topk, batchtopk, jumprelu, l1 or matryoshka
    #[arg(
        long,
        value_enum,
        value_name = "SELECTION",
        default_value_t,
        hide_possible_values = true
    )]
    selection: Selection,
    /// Products of the encoder: f32, mixed (bf16, checked in f32: the same result), or auto, the
    /// faster on this machine
    #[arg(long, value_name = "PRECISION", value_parser = ["auto", "f32", "mixed"])]
    #[arg(default_value = "auto")]
    #[arg(hide_possible_values = true)]
    precision: String,
    /// Part of the latents that is dead, which AuxK revives (with topk)
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    dead: f64,
    #[command(flatten)]
    pub(super) repeat: Repeat,
}

/// How latents are selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Selection {
    #[default]
    Topk,
    Batchtopk,
    Jumprelu,
    L1,
    Matryoshka,
}

/// Batches in turn.
const BATCHES: u64 = 4;
/// Width of JumpReLU's window, in units of the threshold.
const WINDOW: f32 = 0.1;
/// Groups of a Matryoshka dictionary: an eighth, a quarter, a half and all of the latents.
const GROUPS: [usize; 4] = [8, 4, 2, 1];

/// Measures steps on random rows.
pub(super) fn measure(args: &Args, session: &Session) -> Result<Report> {
    let Args { sizes, batch_rows, .. } = *args;
    sizes.check(batch_rows)?;
    let Sizes { d_in, d_sae, .. } = sizes;
    ensure!((0.0..=1.0).contains(&args.dead), "`--dead` is {}, expected 0 to 1", args.dead);
    let is_topk = args.selection == Selection::Topk;
    ensure!(args.dead == 0.0 || is_topk, "`--dead` goes with `--selection topk`");
    let source = synthetic::Source::new(d_in);
    let batches: Vec<Matrix> = (0..BATCHES).map(|i| source.rows(i + 1, batch_rows)).collect();
    let fixed = is_topk && args.dead == 0.0;
    // The step that training runs is the learner's; its parts are those of the same kernels in turn.
    let (mut report, parts) = if fixed {
        let mut learner = learner(args)?;
        let steps = args.repeat.warmup + args.repeat.steps;
        let seconds = repeat(args.repeat, session, |step| {
            let x = batches[(step % BATCHES) as usize].view();
            let at = Progress { step, steps, lr_scale: 1.0 };
            learner.step(&Batch { input: x, target: x }, at)?;
            learner.report()?;
            Ok(())
        })?;
        let report = Report::new("step", batch_rows as u64, seconds);
        drop(learner);
        let (steps, warmup) = (args.repeat.steps.min(5), 2);
        let (parts, _) = composed(args, Repeat { steps, warmup, json: false }, &batches, session)?;
        (report, parts)
    } else {
        let (parts, seconds) = composed(args, args.repeat, &batches, session)?;
        (Report::new("step", batch_rows as u64, seconds), parts)
    };
    describe(args, &parts, &mut report);
    let ceilings = Ceilings::measure(batches[0].as_slice(), &parts.weights.w_enc, d_in);
    let flops = 2.0 * (batch_rows * d_in * d_sae) as f64;
    let parameters = (2 * d_in * d_sae + d_sae + d_in) as f64;
    report.ceilings = Some((ceilings, ceilings.floor(flops, parameters)));
    Ok(report)
}

/// Steps put together from the kernels.
fn composed(
    args: &Args,
    times: Repeat,
    batches: &[Matrix],
    session: &Session,
) -> Result<(Composed, Vec<f64>)> {
    let mut parts = Composed::new(args, &batches[0]);
    let seconds = repeat(times, session, |step| {
        if step == times.warmup {
            parts.laps.clear();
        }
        parts.step(step, batches[step as usize % batches.len()].as_slice());
        Ok(())
    })?;
    Ok((parts, seconds))
}

fn describe(args: &Args, parts: &Composed, report: &mut Report) {
    let batch_rows = args.batch_rows;
    report.set_sizes(args.sizes);
    report.set("batch_rows", batch_rows);
    report.set("selection", format!("{:?}", args.selection).to_lowercase());
    report.set("precision", args.precision.clone());
    report.parts = parts.laps.iter().map(|(name, laps)| (*name, median(laps))).collect();
    report.figures.push(("l0", parts.codes.len() as f64 / batch_rows as f64));
    if let Precision::Mixed(_, screen) = parts.precision {
        report.set("screen", screen.name());
        let rows = parts.rows.max(1) as f64;
        report.figures.push(("screened", parts.screening.screened as f64 / rows));
        report.figures.push(("rescored_per_row", parts.screening.rescored as f64 / rows));
        report.figures.push(("fallback_rows", parts.screening.fallback_rows as f64));
    }
}

/// The learner as a run has it.
fn learner(args: &Args) -> Result<Box<dyn Learner>> {
    let mut config = top_k::Config::new(args.sizes.d_sae, args.sizes.k);
    config.precision = match args.precision.as_str() {
        "f32" => top_k::Precision::F32,
        "mixed" => top_k::Precision::Mixed,
        _ => top_k::Precision::Auto,
    };
    // A long run, in which no latent is dead yet.
    let rows = 1_000_000_000;
    let context = Context { d_in: args.sizes.d_in, rows, seed: 0, device: Device::flex() };
    Ok(LearnerConfig::TopK(config).build(&context)?)
}

/// A step put together from the kernels.
struct Composed {
    isa: Isa,
    precision: Precision,
    screener: Screener,
    selection: Selection,
    k: usize,
    weights: Weights,
    moments: Moments,
    prefixes: Vec<Prefix>,
    dead: Vec<u32>,
    /// JumpReLU's thresholds and their moments.
    thresholds: [Vec<f32>; 3],
    hint: Option<f32>,
    x: Vec<f32>,
    codes: CsrCodes,
    residuals: [Residual; 2],
    columns: [CscCodes; 2],
    laps: Vec<(&'static str, Vec<f64>)>,
    screening: Screening,
    rows: usize,
}

impl Composed {
    fn new(args: &Args, sample: &Matrix) -> Self {
        let Args { sizes, selection, .. } = *args;
        let Sizes { d_in, d_sae, k } = sizes;
        let w_dec = synthetic::directions(Rng::new(2, "bench.weights"), d_sae, d_in).into_vec();
        let mut weights = Weights {
            w_enc: w_dec.clone(),
            b_enc: vec![0.0; d_sae],
            w_dec,
            b_dec: vec![0.0; d_in],
        };
        let isa = Isa::best();
        let precision = match args.precision.as_str() {
            "f32" => Precision::F32(isa),
            "mixed" => Precision::Mixed(isa, Screen::best()),
            _ => Precision::best(),
        };
        // The value that k values per row exceed, on average.
        let encoder = Encoder { w_enc: &weights.w_enc, b_enc: &weights.b_enc };
        let sparsity = Sparsity::BatchTopK { k, hint: None };
        let (codes, _) = encode(sample.as_slice(), encoder, sparsity, precision);
        let smallest = codes.values.iter().copied().fold(f32::INFINITY, f32::min);
        if selection == Selection::L1 {
            weights.b_enc.fill(-smallest);
        }
        let ends = match selection {
            Selection::Matryoshka => GROUPS.map(|part| (d_sae / part).max(1)).to_vec(),
            _ => vec![d_sae],
        };
        let mut prefixes: Vec<Prefix> =
            ends.into_iter().map(|end| Prefix { end, weight: 1.0 }).collect();
        prefixes.dedup_by_key(|prefix| prefix.end);
        Self {
            isa,
            precision,
            screener: Screener::new(precision, &weights.w_enc, d_in),
            selection,
            k,
            moments: Moments::new(&weights),
            weights,
            prefixes,
            dead: (0..(args.dead * d_sae as f64) as u32).collect(),
            thresholds: [vec![smallest; d_sae], vec![0.0; d_sae], vec![0.0; d_sae]],
            hint: None,
            x: Vec::new(),
            codes,
            residuals: [Residual::default(), Residual::default()],
            columns: [CscCodes::default(), CscCodes::default()],
            laps: Vec::new(),
            screening: Screening::default(),
            rows: 0,
        }
    }

    /// One step on the rows `y`; its parts are timed.
    fn step(&mut self, step: u64, y: &[f32]) {
        let mut begun = Instant::now();
        let (isa, d) = (self.isa, self.weights.b_dec.len());
        let adam = AdamConfig::default().step(step + 1, 1.0);
        let total = variance(isa, y, d);
        let scale = (1.0 / total) as f32;
        centre(y, &self.weights.b_dec, &mut self.x);
        self.lap("rows", &mut begun);
        self.encode();
        self.lap("encode", &mut begun);
        let Weights { w_dec, b_dec, .. } = &self.weights;
        let decoder = Decoder { w_dec, b_dec: Some(b_dec) };
        let target = Target { y, prefixes: &self.prefixes, scale };
        residual(isa, &self.codes, decoder, target, &mut self.residuals[0]);
        self.lap("residual", &mut begun);
        let aux = self.auxk(y.len() / d);
        if aux.is_some() {
            self.lap("auxk", &mut begun);
        }
        self.penalise(adam);
        let d_sae = self.weights.b_enc.len();
        self.codes.transpose(&self.residuals[0].grads, d_sae, &mut self.columns[0]);
        if let Some((codes, _)) = &aux {
            codes.transpose(&self.residuals[1].grads, d_sae, &mut self.columns[1]);
        }
        self.lap("transpose", &mut begun);
        let whole = [Prefix { end: d_sae, weight: 1.0 }];
        let [main, other] = &self.residuals;
        let errors = &main.errors;
        let main = TermGrad {
            codes: &self.columns[0],
            errors,
            prefixes: &self.prefixes,
            scale,
            bias: true,
        };
        let other = aux.map(|(_, scale)| TermGrad {
            codes: &self.columns[1],
            errors: &other.errors,
            prefixes: &whole,
            scale,
            bias: false,
        });
        let terms: Vec<TermGrad<'_>> = std::iter::once(main).chain(other).collect();
        let batch = StepInput { x: &self.x, terms: &terms };
        let Self { weights, moments, screener, .. } = self;
        update(isa, Parameters { weights, moments, rounded: screener.rounded() }, batch, adam);
        self.lap("update", &mut begun);
        self.rows += y.len() / d;
    }

    fn lap(&mut self, name: &'static str, begun: &mut Instant) {
        let seconds = begun.elapsed().as_secs_f64();
        match self.laps.iter_mut().find(|(known, _)| *known == name) {
            Some((_, laps)) => laps.push(seconds),
            None => self.laps.push((name, vec![seconds])),
        }
        *begun = Instant::now();
    }

    fn encode(&mut self) {
        let Weights { w_enc, b_enc, .. } = &self.weights;
        let thresholds = &self.thresholds[0];
        let sparsity = match self.selection {
            Selection::Topk | Selection::Matryoshka => Sparsity::TopK { k: self.k },
            Selection::Batchtopk => Sparsity::BatchTopK { k: self.k, hint: self.hint },
            Selection::Jumprelu => Sparsity::Threshold { thresholds, window: self.window() },
            Selection::L1 => Sparsity::Positive,
        };
        let (codes, done) = self.screener.encode(&self.x, Encoder { w_enc, b_enc }, sparsity);
        self.screening += done;
        if self.selection == Selection::Batchtopk {
            self.hint = codes.values.iter().copied().reduce(f32::min);
        }
        self.codes = codes;
    }

    fn window(&self) -> f32 {
        WINDOW * self.thresholds[0].first().copied().unwrap_or(1.0)
    }

    /// AuxK: the codes of the dead latents with the error as their target, and the factor of their loss.
    fn auxk(&mut self, rows: usize) -> Option<(CsrCodes, f32)> {
        if self.dead.is_empty() {
            return None;
        }
        let d = self.weights.b_dec.len();
        let Weights { w_enc, b_enc, w_dec, .. } = &self.weights;
        let picked: Vec<f32> =
            self.dead.iter().flat_map(|id| &w_enc[*id as usize * d..][..d]).copied().collect();
        let b_enc: Vec<f32> = self.dead.iter().map(|id| b_enc[*id as usize]).collect();
        let encoder = Encoder { w_enc: &picked, b_enc: &b_enc };
        let k = (d / 2).clamp(1, self.dead.len());
        let (mut codes, _) = encode_once(&self.x, encoder, Sparsity::TopK { k }, self.precision);
        codes.ids.iter_mut().for_each(|id| *id = self.dead[*id as usize]);
        let [main, other] = &mut self.residuals;
        let goal = &main.errors[main.errors.len() - rows * d..];
        let scale = (1.0 / 32.0 / variance(self.isa, goal, d)) as f32;
        let whole = [Prefix { end: self.weights.b_enc.len(), weight: 1.0 }];
        let target = Target { y: goal, prefixes: &whole, scale };
        residual(self.isa, &codes, Decoder { w_dec, b_dec: None }, target, other);
        Some((codes, scale))
    }

    /// Adds the derivatives of the penalties of L1 and JumpReLU.
    fn penalise(&mut self, adam: saekit_kernels::AdamStep) {
        let window = self.window();
        let grads = &mut self.residuals[0].grads;
        match self.selection {
            Selection::L1 => add_l1(&self.codes, 1e-9, grads),
            Selection::Jumprelu => {
                let [thresholds, first, second] = &mut self.thresholds;
                let grad = threshold_gradient(&self.codes, grads, thresholds, window, 1e-9);
                adam_vector(self.isa, thresholds, first, second, &grad, adam);
            }
            _ => (),
        }
    }
}
