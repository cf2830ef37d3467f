//! `saekit bench`: how fast this machine does each part of the work, beside what it could do.

mod analyze;
mod ceilings;
mod encode;
mod harvest;
mod ingest;
mod step;
mod synthetic;

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Subcommand;
use saekit_kernels::Isa;
use serde_json::{Map, Value, json};

use self::ceilings::Ceilings;
use crate::session::Session;
use crate::terminal;

const EXAMPLES: &str = "\
Examples:
  saekit bench step
  saekit bench step --d-in 768 --d-sae 24576 --k 32 --batch-rows 4096 --precision mixed
  saekit bench encode --d-sae 65536 --json

The number of threads is RAYON_NUM_THREADS, or that of the cores. Rows are random and in memory.";

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to measure.
    #[command(subcommand)]
    case: Case,
}

/// A part of the work.
#[derive(Debug, Subcommand)]
enum Case {
    /// A training step on the CPU, without loading data
    Step(step::Args),
    /// Encoding rows with a trained dictionary
    Encode(encode::Args),
    /// Running the demo's model over text and storing activations
    Harvest(harvest::Args),
    /// Reading a store in shuffled order
    Ingest(ingest::Args),
    /// Analysing a dictionary, beside encoding the same rows
    Analyze(analyze::Args),
}

/// Sizes of a dictionary.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Sizes {
    /// Width of the rows
    #[arg(long, value_name = "N", default_value_t = 768)]
    d_in: usize,
    /// Number of latents
    #[arg(long, value_name = "N", default_value_t = 12288)]
    d_sae: usize,
    /// Latents active a row; at the start, where the selection does not fix it
    #[arg(long, value_name = "K", default_value_t = 32)]
    k: usize,
}

impl Sizes {
    /// Fails where a size, or the number of `rows`, is zero, or `k` is more than there are latents.
    fn check(self, rows: usize) -> Result<()> {
        let Self { d_in, d_sae, k } = self;
        if d_in == 0 || d_sae == 0 || rows == 0 {
            bail!("sizes have to be at least 1");
        }
        if k == 0 || k > d_sae {
            bail!("`--k` is {k}, expected 1 to `--d-sae` ({d_sae})");
        }
        Ok(())
    }
}

/// How often to measure, and how to print.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Repeat {
    /// Measured repetitions, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Repetitions before that
    #[arg(long, value_name = "N", default_value_t = 3)]
    warmup: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let (report, json) = match &args.case {
        Case::Step(args) => (step::measure(args, session)?, args.repeat.json),
        Case::Encode(args) => (encode::measure(args, session)?, args.repeat.json),
        Case::Harvest(args) => (harvest::measure(args, session)?, args.json),
        Case::Ingest(args) => (ingest::measure(args, session)?, args.repeat.json),
        Case::Analyze(args) => (analyze::measure(args, session)?, args.json),
    };
    if json {
        return Ok(terminal::print_json(&report.json().to_string())?);
    }
    Ok(terminal::print(&report.table())?)
}

/// What was measured.
struct Report {
    case: &'static str,
    /// What it was measured with.
    settings: Map<String, Value>,
    /// Rows a repetition.
    tokens: u64,
    /// Of each repetition.
    seconds: Vec<f64>,
    /// Medians of the parts of a repetition.
    parts: Vec<(&'static str, f64)>,
    /// Anything else worth knowing, with its unit in the name.
    figures: Vec<(&'static str, f64)>,
    /// The largest memory so far, MiB, before ceilings were measured.
    peak_rss_mb: Option<f64>,
    /// What the machine could do.
    ceilings: Option<(Ceilings, f64)>,
}

impl Report {
    /// A report of `case`; memory is read now.
    fn new(case: &'static str, tokens: u64, seconds: Vec<f64>) -> Self {
        Self {
            case,
            settings: Map::new(),
            tokens,
            seconds,
            parts: Vec::new(),
            figures: Vec::new(),
            peak_rss_mb: peak_rss_mb(),
            ceilings: None,
        }
    }

    fn set_sizes(&mut self, sizes: Sizes) {
        let Sizes { d_in, d_sae, k } = sizes;
        for (name, value) in [("d_in", d_in), ("d_sae", d_sae), ("k", k)] {
            self.set(name, value);
        }
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.settings.insert(name.to_owned(), value.into());
    }

    fn json(&self) -> Value {
        let s = median(&self.seconds);
        let mut out = json!({
            "case": self.case,
            "saekit": env!("CARGO_PKG_VERSION"),
            "threads": rayon::current_num_threads(),
            "isa": Isa::best().name(),
            "s_per_step": s,
            "s_min": self.seconds.iter().copied().fold(f64::INFINITY, f64::min),
            "tokens_per_s": self.tokens as f64 / s,
            "peak_rss_mb": self.peak_rss_mb,
        });
        let object = out.as_object_mut().expect("it was made as an object");
        object.extend(self.settings.clone());
        object.extend(self.figures.iter().map(|(name, v)| ((*name).to_owned(), json!(v))));
        let parts = self.parts.iter().map(|(name, s)| ((*name).to_owned(), json!(s)));
        object.insert("parts".to_owned(), Value::Object(parts.collect()));
        if let Some((ceilings, floor)) = &self.ceilings {
            object.insert("ceilings".to_owned(), ceilings.json());
            object.insert("floor_s".to_owned(), json!(floor));
            object.insert("times_floor".to_owned(), json!(s / floor));
        }
        out
    }

    fn table(&self) -> String {
        let s = median(&self.seconds);
        let mut text = format!("{}:", self.case);
        for (name, value) in &self.settings {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write!(text, " {name} {value},").ok();
        }
        let (threads, isa) = (rayon::current_num_threads(), Isa::best().name());
        writeln!(text, " {threads} threads, {isa}").ok();
        let mut line = |name: &str, value: f64, unit: &str| {
            writeln!(text, "  {name:<28}{value:>12.4} {unit}").ok();
        };
        line("repetition, median", s, "s");
        line("fastest", self.seconds.iter().copied().fold(f64::INFINITY, f64::min), "s");
        line("rows a second", self.tokens as f64 / s, "");
        for (name, seconds) in &self.parts {
            line(&format!("  {name}"), *seconds, "s");
        }
        for (name, value) in &self.figures {
            line(name, *value, "");
        }
        if let Some(peak) = self.peak_rss_mb {
            line("peak memory", peak, "MiB");
        }
        if let Some((ceilings, floor)) = &self.ceilings {
            line("best f32 matmul", ceilings.matmul_gflops, "GFLOP/s");
            line("best bf16 matmul", ceilings.matmul_bf16_gflops, "GFLOP/s");
            line("copy", ceilings.copy_gb_per_s, "GB/s");
            line("floor", *floor, "s");
            line("times the floor", s / floor, "");
        }
        text
    }
}

/// Repeats `work` and gives the seconds of each measured repetition; `work` is told which it is.
fn repeat(
    repeat: Repeat,
    session: &Session,
    mut work: impl FnMut(u64) -> Result<()>,
) -> Result<Vec<f64>> {
    let mut seconds = Vec::new();
    for step in 0..repeat.warmup + repeat.steps {
        session.interrupt.check()?;
        let begun = Instant::now();
        work(step)?;
        if step >= repeat.warmup {
            seconds.push(begun.elapsed().as_secs_f64());
        }
    }
    Ok(seconds)
}

/// The middle one, or the mean of the two in the middle; not a number where there is none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(low), sorted.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// The largest memory this process has had, MiB, where the system tells.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert!(median(&[]).is_nan());
    }
}
