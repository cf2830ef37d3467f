//! `saekit train`.

mod config;
mod explain;
mod flags;
mod live;
mod plan;
mod run;
pub(super) mod stores;

use std::path::{Path, PathBuf};

use anyhow::Result;
use saekit_core::number;
use saekit_train::{FirstRowsSummary, Summary};

use self::config::TrainConfig;
use self::flags::Flags;
use crate::exit::Usage;
use crate::options::device;
use crate::output::Output;
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

A configuration file has a key for each flag, and flags override it:

  store = \"acts\"                       # relative to the current folder; or several, and weight
  hook = \"blocks.6.hook_resid_post\"
  [harvest]                            # model, text, context, dtype: in the place of `store`
  [choose]                             # split, where, files: which files of a place
  [store_options]                      # column, document, position, half_dtype, damaged, cache
  [rows]                               # held_out, split_seed, part, positions, exclude_tokens,
                                       # between, max_norm, drop_non_finite
  [run]
  epochs = 2.0                         # or rows
  batch = 4096                         # also seed, warmup, decay, log_every, checkpoint_every,
                                       # pool_mib, shuffle, scale_rows
  [learner]
  architecture = \"topk\"
  d_sae = 12288                        # or expansion = 16, times the width of the rows
  k = 32                               # also auxk, k_aux, dead_after, clip_norm, precision,
                                       # reference
  adam = { lr = 3e-4 }                 # also beta1, beta2, eps

The resolved plan is saved in the output folder. The same command resumes a run that was stopped.";

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// TOML file with settings; flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    device: device::Arg,
    /// Replace the run that is in the output folder
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Trains, and prints what came of it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let config = TrainConfig::read(args.config.as_deref(), args.flags.table()?)?;
    let device = device::choose(args.device.device)?;
    session.say(&device.line());
    let out = Output { dir: &args.out, replace: args.force };
    let summary = match (config.store.as_slice(), &config.harvest) {
        ([_, ..], None) => stores::open(&config, &device, out, session)?,
        ([], Some(harvest)) => live::perform(harvest, &config, &device, out, session)?,
        _ => {
            let text = "give the rows to train on: either a store (`--store`), or a model and its \
                        text to harvest while training (`--model` and `--text`)";
            return Err(Usage(text.to_owned()).into());
        }
    };
    for problem in &summary.problems {
        session.warn(problem);
    }
    session::print(&report(&summary, &args.out))?;
    Ok(())
}

/// The last lines of a run. How the work was done (`counts`) is in `metrics.jsonl`.
fn report(summary: &Summary, out: &Path) -> String {
    let Summary { steps, rows, last, first_rows, .. } = summary;
    let dir = out.display();
    format!(
        "{dir}: {} steps, {} rows; at the end loss {:.4}, FVU {:.4}, L0 {:.2}, dead {}\n{}\
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
