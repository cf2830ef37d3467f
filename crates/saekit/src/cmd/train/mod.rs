//! `saekit train`.

mod config;
mod flags;
mod live;
mod run;
pub(super) mod stores;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use saekit_core::number;
use saekit_train::{FirstRowsSummary, Summary};
use toml::Table;

use self::config::{TrainConfig, put};
use self::flags::{LearnerArgs, RunArgs};
use crate::exit::Usage;
use crate::options::device;
use crate::options::harvest::HarvestOptions;
use crate::options::place::{ChoiceOptions, Stores};
use crate::options::rows::RowOptions;
use crate::options::store::StoreOptions;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit train --store acts --out run --expansion 16 --k 32
  saekit train --store acts --split train --out run --expansion 16 --k 32
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
  [choose]                             # split, where, files: which files of a place
  [store_options]                      # column, document, position, half_dtype, damaged, cache
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
    #[command(flatten)]
    stores: Stores,
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
    choose: ChoiceOptions,
    #[command(flatten)]
    store_options: StoreOptions,
    #[command(flatten)]
    harvest: HarvestOptions,
}

impl Args {
    /// The flags in the form of a configuration file.
    fn table(&self) -> Result<Table> {
        let (mut table, mut run, mut learner, mut adam) =
            (Table::new(), Table::new(), Table::new(), Table::new());
        let stores = &self.stores.0;
        put(&mut table, "store", (!stores.is_empty()).then_some(stores))?;
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
        put(&mut table, "choose", (!self.choose.is_default()).then_some(&self.choose))?;
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
        ([_, ..], None) => stores::open(&config, expansion, &device, out, session)?,
        ([], Some(harvest)) => live::perform(harvest, &config, expansion, &device, out, session)?,
        _ => {
            let text = "give the rows to train on: either a store (`--store`), or a model and its \
                        text to harvest while training (`--model` and `--text`)";
            return Err(Usage(text.to_owned()).into());
        }
    };
    session::print(&report(&summary, &args.out))?;
    Ok(())
}

fn report(summary: &Summary, out: &Path) -> String {
    let Summary { steps, rows, last, first_rows } = summary;
    let dir = out.display();
    let mut counts = String::new();
    for (name, n) in &last.counts {
        write!(counts, ", {name} {n:.2} a row").expect("writing to a string succeeds");
    }
    format!(
        "{dir}: {} steps, {} rows; at the end loss {:.4}, FVU {:.4}, L0 {:.2}, dead {}{counts}\n{}\
         dictionary: {}\nnext: saekit eval {dir} --store HELDOUT\n",
        number::count(*steps),
        number::count(*rows),
        last.loss,
        last.fvu,
        last.l0,
        number::percent(Some(last.dead_fraction)),
        first_rows.as_ref().map_or_else(String::new, massive_line),
        out.join(saekit_train::DICTIONARY).display(),
    )
}

/// FVU with and without massive rows, where those decide it.
fn massive_line(first: &FirstRowsSummary) -> String {
    let (Some(with), Some(without)) = (first.fvu, first.fvu_without_massive) else {
        return String::new();
    };
    format!(
        "of the first {} rows {} are massive: FVU {with:.4}, without them {without:.4}\n",
        number::count(first.massive.rows),
        number::count(first.massive.massive_rows)
    )
}
