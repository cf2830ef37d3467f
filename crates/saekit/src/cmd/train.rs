//! `saekit train`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use saekit_core::{Provenance, Scales};
use saekit_kernels::Screen;
use saekit_learners::{Context, LearnerConfig};
use saekit_store::RowSource;
use saekit_train::{Columns, Run, RunFolder, RunPlan, Summary};
use toml::Table;

use super::analyze::{self, FOLDER};
use super::train_live::{self, HarvestOptions};
use super::train_stores;
use crate::config::{Plan, PlannedStore, TrainConfig, put};
use crate::device::{self, Chosen};
use crate::failure::{OnInterrupt as _, Usage};
use crate::human;
use crate::location::StoreOptions;
use crate::rows::RowOptions;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit train --store acts --out run --expansion 16 --k 32
  saekit train --store acts --out run --config train.toml --lr 1e-4
  saekit train --store 'mine/*.parquet' --hook activation --out run --expansion 16 --k 32
  saekit train --store s3://bucket/acts --out run --expansion 16 --k 32 --held-out 0.05
  saekit train --store pile --weight 0.7 --store code --weight 0.3 --out run --expansion 16 --k 32
  saekit train --model gpt2 --text corpus/ --hook blocks.6.hook_resid_post --out run \\
      --expansion 16 --k 32

A configuration file says what the flags say, and flags override it:

  store = \"acts\"                       # relative to the current folder; or several, and weights
  hook = \"blocks.6.hook_resid_post\"
  [harvest]                            # model, text, context, dtype: in the place of `store`
  [store_options]                      # column, document, position, two_bytes, damaged, cache
  [rows]                               # held_out, split_seed, part, positions, exclude_tokens,
                                       # between, max_norm, drop_non_finite
  [run]
  epochs = 2.0                         # or rows
  batch_rows = 4096                    # also seed, warmup_steps, decay_fraction, log_every,
                                       # checkpoint_every, pool_mib, shuffle, scale_rows
  [learner]
  architecture = \"topk\"
  d_sae = 12288
  k = 32                               # also auxk_coefficient, k_aux, dead_after, clip_norm,
                                       # precision, reference
  adam = { lr = 3e-4 }                 # also beta1, beta2, eps

The resolved plan is saved in the output folder. The same command resumes a run that was stopped.";

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Activations to train on: a folder, files ('acts/*.parquet'), or an address (s3://, hf://, …);
    /// several are mixed
    #[arg(long, value_name = "STORE")]
    store: Vec<PathBuf>,
    /// Share of the rows that each of several stores has, in their order [default: as many as it has]
    #[arg(long, value_name = "WEIGHT")]
    weight: Vec<f64>,
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// TOML file with settings; flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Column to train on [default: the store's only one]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    #[command(flatten)]
    device: device::Arg,
    /// Replace the run that is in the output folder
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    learner: LearnerArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    rows: RowOptions,
    #[command(flatten)]
    store_options: StoreOptions,
    #[command(flatten)]
    harvest: HarvestOptions,
}

/// Flags of the method.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Dictionary")]
struct LearnerArgs {
    /// Number of latents
    #[arg(long, value_name = "N", conflicts_with = "expansion")]
    d_sae: Option<u64>,
    /// Number of latents as a multiple of the rows' width
    #[arg(long, value_name = "X")]
    expansion: Option<f64>,
    /// Latents active a row
    #[arg(long, value_name = "K")]
    k: Option<u64>,
    /// Learning rate [default: 3e-4]
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Weight of the loss that revives dead latents [default: 1/32]
    #[arg(long, value_name = "WEIGHT")]
    auxk: Option<f64>,
    /// Dead latents that explain the error of a row [default: half the rows' width]
    #[arg(long, value_name = "N")]
    k_aux: Option<u64>,
    /// Rows without firing after which a latent is dead [default: a tenth of the run, at most 10 M]
    #[arg(long, value_name = "ROWS")]
    dead_after: Option<u64>,
    /// Clip gradients to this global norm [default: off]
    #[arg(long, value_name = "NORM")]
    clip_norm: Option<f64>,
    /// Products of the encoder on a CPU: f32, mixed (bf16, checked in f32: the same result), or auto,
    /// the faster on this machine [default: auto]
    #[arg(long, value_name = "PRECISION", value_parser = ["auto", "f32", "mixed"])]
    #[arg(hide_possible_values = true)]
    precision: Option<String>,
}

/// Flags of the loop.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Run")]
struct RunArgs {
    /// Times each row is seen [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "rows")]
    epochs: Option<f64>,
    /// Rows to train on
    #[arg(long, value_name = "ROWS")]
    rows: Option<u64>,
    /// Rows a step [default: 2048]
    #[arg(long, value_name = "ROWS")]
    batch: Option<u64>,
    /// Decides initial weights and the order of rows [default: 0]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Steps of warm-up [default: 5 % of the run, at most 1000]
    #[arg(long, value_name = "STEPS")]
    warmup: Option<u64>,
    /// Last part of the run over which the learning rate falls to 0 [default: 0.2]
    #[arg(long, value_name = "FRACTION")]
    decay: Option<f64>,
    /// Steps between two lines of metrics.jsonl [default: 10]
    #[arg(long, value_name = "STEPS")]
    log_every: Option<u64>,
    /// Steps between two checkpoints [default: a tenth of the run, at most 1000]
    #[arg(long, value_name = "STEPS")]
    checkpoint_every: Option<u64>,
    /// Memory for mixing rows [default: 256]
    #[arg(long, value_name = "MIB")]
    pool_mib: Option<u64>,
    /// How far rows move: full, or window (in the order of harvesting) [default: full]
    #[arg(long, value_name = "SHUFFLE", value_parser = ["full", "window"], hide_possible_values = true)]
    shuffle: Option<String>,
    /// First rows whose mean norm decides the scale [default: that of the whole store]
    #[arg(long, value_name = "ROWS")]
    scale_rows: Option<u64>,
}

impl Args {
    /// The flags in the form of a configuration file.
    fn table(&self) -> Result<Table> {
        let (mut table, mut run, mut learner, mut adam) =
            (Table::new(), Table::new(), Table::new(), Table::new());
        put(&mut table, "store", (!self.store.is_empty()).then_some(&self.store))?;
        put(&mut table, "weights", (!self.weight.is_empty()).then_some(&self.weight))?;
        put(&mut table, "hook", self.hook.as_ref())?;
        let flags = &self.run;
        put(&mut run, "epochs", flags.epochs)?;
        put(&mut run, "rows", flags.rows)?;
        put(&mut run, "batch_rows", flags.batch)?;
        put(&mut run, "seed", flags.seed)?;
        put(&mut run, "warmup_steps", flags.warmup)?;
        put(&mut run, "decay_fraction", flags.decay)?;
        put(&mut run, "log_every", flags.log_every)?;
        put(&mut run, "checkpoint_every", flags.checkpoint_every)?;
        put(&mut run, "pool_mib", flags.pool_mib)?;
        put(&mut run, "shuffle", flags.shuffle.as_ref())?;
        put(&mut run, "scale_rows", flags.scale_rows)?;
        let flags = &self.learner;
        put(&mut learner, "d_sae", flags.d_sae)?;
        put(&mut learner, "k", flags.k)?;
        put(&mut learner, "auxk_coefficient", flags.auxk)?;
        put(&mut learner, "k_aux", flags.k_aux)?;
        put(&mut learner, "dead_after", flags.dead_after)?;
        put(&mut learner, "clip_norm", flags.clip_norm)?;
        put(&mut learner, "precision", flags.precision.as_ref())?;
        put(&mut adam, "lr", flags.lr)?;
        put(&mut learner, "adam", (!adam.is_empty()).then_some(adam))?;
        put(&mut table, "run", (!run.is_empty()).then_some(run))?;
        put(&mut table, "learner", (!learner.is_empty()).then_some(learner))?;
        put(&mut table, "rows", (!self.rows.is_all()).then_some(&self.rows))?;
        let options = &self.store_options;
        put(&mut table, "store_options", (!options.is_default()).then_some(options))?;
        put(&mut table, "harvest", (!self.harvest.is_default()).then_some(&self.harvest))?;
        Ok(table)
    }
}

/// Trains, and prints what came of it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let config = TrainConfig::read(args.config.as_deref(), args.table()?)?;
    let device = device::choose(args.device.device)?;
    session.say(&device.line());
    let (expansion, out) = (args.learner.expansion, (args.out.as_path(), args.force));
    let summary = match (config.store.as_slice(), &config.harvest) {
        ([_, ..], None) => train_stores::open(&config, expansion, &device, out, session)?,
        ([], Some(harvest)) => {
            train_live::perform(harvest, &config, expansion, &device, out, session)?
        }
        _ => {
            let text = "give the rows to train on: either a store (`--store`), or a model and its \
                        text to harvest while training (`--model` and `--text`)";
            return Err(Usage(text.to_owned()).into());
        }
    };
    session::print(&report(&summary, &args.out))?;
    Ok(())
}

/// A run whose rows are known, wherever they come from.
pub(super) struct Training<'a> {
    /// What they are called in the plan; the first, and others that are mixed with it.
    pub(super) stores: Vec<PlannedStore>,
    /// Which of them.
    pub(super) rows: RowOptions,
    /// Values a row.
    pub(super) width: usize,
    /// The loop.
    pub(super) plan: RunPlan,
    /// The method, as it was asked for.
    pub(super) learner: LearnerConfig,
    /// What the source multiplies rows with.
    pub(super) scale: f32,
    /// Where rows come from; the learner is added.
    pub(super) provenance: Provenance,
    /// Where it trains.
    pub(super) device: &'a Chosen,
    /// Folder of the run.
    pub(super) out: &'a Path,
    /// Whether a run there may be replaced.
    pub(super) force: bool,
}

impl Training<'_> {
    /// Trains on the rows of `source`.
    pub(super) fn execute(self, source: &mut dyn RowSource, session: &Session) -> Result<Summary> {
        let (plan, scale) = (&self.plan, self.scale);
        let config = self.learner.clone().resolve(self.width, plan.rows)?;
        // Before the folder is touched: not every device can do what the settings ask for.
        let mut learner = config.build(&Context {
            d_in: self.width,
            rows: plan.rows,
            seed: plan.seed,
            device: self.device.device.clone(),
        })?;
        let text = self.written_plan(&config).to_toml()?;
        if self.force {
            analyze::remove(&self.out.join(FOLDER))?; // it was of the dictionary that goes
        }
        let folder = RunFolder::claim(self.out, &text, self.force)?;
        session.say(&begin_line(plan, &folder));
        if config.is_mixed() && !Screen::best().is_native() {
            session.say("this CPU has no bf16 instructions: `mixed` is slower than `f32` here");
        }
        let learner_name = Some(config.name().to_owned());
        let run = Run {
            plan,
            folder: &folder,
            source,
            learner: learner.as_mut(),
            columns: Columns { input: 0, target: 0 },
            scales: Scales { input: scale, target: scale },
            provenance: Provenance { learner: learner_name, ..self.provenance.clone() },
        };
        let (interrupt, out) = (&session.interrupt, self.out.display());
        run.execute(interrupt, &mut session.observer()).on_interrupt(interrupt, || {
            format!("the run so far is kept in {out}; the same command goes on from there")
        })
    }

    fn written_plan(&self, learner: &LearnerConfig) -> Plan {
        let (store, mixed) = self.stores.split_first().expect("rows come from somewhere");
        Plan {
            saekit: env!("CARGO_PKG_VERSION").to_owned(),
            device: self.device.kind.to_owned(),
            store: store.clone(),
            rows: self.rows.clone(),
            run: self.plan.clone(),
            learner: learner.clone(),
            mixed: mixed.to_vec(),
        }
    }
}

fn begin_line(plan: &RunPlan, folder: &RunFolder) -> String {
    let (steps, rows) = (human::count(plan.steps), human::count(plan.rows));
    let from = folder
        .resumes_at()
        .map_or_else(String::new, |step| format!(", resuming at step {}", human::count(step)));
    format!("to train: {steps} steps of {} rows, {rows} rows in all{from}", plan.batch_rows)
}

fn report(summary: &Summary, out: &Path) -> String {
    let Summary { steps, rows, last, .. } = summary;
    let dir = out.display();
    let mut counts = String::new();
    for (name, n) in &last.counts {
        write!(counts, ", {name} {n:.2} a row").expect("writing to a string succeeds");
    }
    format!(
        "{dir}: {} steps, {} rows; at the end loss {:.4}, FVU {:.4}, L0 {:.2}, dead {}{counts}\n\
         dictionary: {}\nnext: saekit eval {dir} --store HELDOUT\n",
        human::count(*steps),
        human::count(*rows),
        last.loss,
        last.fvu,
        last.l0,
        human::percent(Some(last.dead_fraction)),
        out.join(saekit_train::DICTIONARY).display(),
    )
}
