//! `saekit demo`: every verb once, on a model and text that come with the binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use saekit_analysis::{Finished, Settings as AnalysisSettings};
use saekit_core::files::{FolderLock, read_json, write_json};
use saekit_core::{Error as CoreError, HookPoint, number};
use saekit_dictionary::format;
use saekit_eval::Evaluation;
use saekit_harvest::HarvestConfig;
use saekit_learners::{AdamConfig, LearnerConfig, top_k};
use saekit_store::Store;
use saekit_train::RunConfig;
use serde::{Deserialize, Serialize};

use super::train::stores::{self, Share};
use super::{analyze, eval, export, harvest};
use crate::assets;
use crate::exit::OnInterrupt as _;
use crate::models::{Lm, Trained};
use crate::options::device::{self, Chosen};
use crate::options::place::{ChoiceOptions, Location};
use crate::options::rows::RowOptions;
use crate::options::store::StoreOptions;
use crate::output::Output;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit demo
  saekit demo --device wgpu --small --out small-demo

Harvests a middle layer of a small GPT-2 that was trained on the Bible and on documentation of Rust
and SQLite, trains a TopK autoencoder, evaluates it on held-out text and exports it. Needs no
network. The same command resumes a demo that was stopped.";

/// What the demo does, and how much of it.
struct Settings {
    /// Where the dictionary is trained: after a middle block.
    hook: &'static str,
    /// Rows to train on, of all the text.
    rows: u64,
    /// Times each is seen.
    epochs: f64,
    /// Rows a step.
    batch: usize,
    /// Latents.
    d_sae: usize,
    /// Active latents per row (L0).
    k: usize,
    /// Learning rate.
    lr: f64,
    /// Steps between two lines of metrics.
    log_every: u64,
    /// Held-out rows to reconstruct.
    heldout_rows: u64,
    /// Held-out sequences to run through the model.
    sequences: u32,
}

/// The demo, for two cores and a minute or two.
const FULL: Settings = Settings {
    hook: "blocks.1.hook_resid_post",
    rows: 1_000_000,
    epochs: 2.0,
    batch: 2048,
    d_sae: 1536,
    k: 16,
    lr: 1e-3,
    log_every: 10,
    heldout_rows: 100_000,
    sequences: 400,
};

/// `--small`, for software adapters and tests: shows that it works, not how well.
const SMALL: Settings = Settings {
    hook: FULL.hook,
    rows: 8192,
    epochs: 1.0,
    batch: 128,
    d_sae: 384,
    k: 16,
    lr: 1e-3,
    log_every: 1,
    heldout_rows: 1024,
    sequences: 4,
};

/// What the text is called in manifests and exports.
const DATASET: &str = "saekit-demo";
/// The file that makes a folder a demo's.
const RECORD: &str = "demo.json";
/// Held by the process that makes the demo.
const LOCK: &str = "demo.lock";
/// Everything else in it, the files of [`assets`] apart.
const STORE: &str = "store";
const HELDOUT: &str = "heldout";
const RUN: &str = "run";
const EVAL: &str = "run/eval.json";
/// Bytes for the firings of an analysis.
const ANALYSIS_MEMORY: u64 = 256 << 20;
const ANALYSIS: &str = "run/analysis";
const EXPORTS: [(&str, &str); 2] = [("saelens", "sae-saelens"), ("saekit", "sae-saekit")];

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder for everything
    #[arg(long, value_name = "DIR", default_value = "saekit-demo")]
    out: PathBuf,
    #[command(flatten)]
    device: device::Arg,
    /// Fewer rows and latents: under a minute even on a software adapter
    #[arg(long)]
    small: bool,
    /// Decides everything random
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Start over where a demo is already there
    #[arg(long)]
    force: bool,
}

/// What a demo's folder was made with.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    saekit: String,
    small: bool,
    seed: u64,
    device: String,
}

/// A demo under way.
struct Demo<'a> {
    dir: &'a Path,
    settings: &'static Settings,
    seed: u64,
    device: Chosen,
    session: &'a Session,
    /// Holds the folder while it lasts.
    _lock: FolderLock,
}

/// Runs the demo, or what is left of it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let begun = Instant::now();
    let device = device::choose(args.device.device)?;
    session.say(&device.line());
    let record = Record {
        saekit: env!("CARGO_PKG_VERSION").to_owned(),
        small: args.small,
        seed: args.seed,
        device: device.kind.to_owned(),
    };
    let lock = claim(&args.out, &record, args.force)?;
    let settings = if args.small { &SMALL } else { &FULL };
    let demo = Demo { dir: &args.out, settings, seed: args.seed, device, session, _lock: lock };
    if demo.is_finished() {
        let dir = args.out.display();
        session.say(&format!("{dir} holds this demo already; `--force` starts it over"));
    }
    let (evaluation, interrupt) = (demo.run(), &session.interrupt);
    let evaluation = evaluation.on_interrupt(interrupt, || {
        format!("{} keeps what is done; the same command resumes it", args.out.display())
    })?;
    session::print(&results(&evaluation, demo.dir))?;
    session.say(&format!("took {}", number::seconds(begun.elapsed().as_secs_f64())));
    Ok(())
}

impl Demo<'_> {
    /// Does what is not done yet, in order.
    fn run(&self) -> Result<Evaluation> {
        assets::extract(self.dir)?;
        let lm = Lm::load(&self.path(assets::MODEL), &self.device.device)?;
        let Settings { rows, heldout_rows, .. } = *self.settings;
        let store = self.store(&lm, STORE, "text/train.parquet", rows)?;
        let heldout = self.store(&lm, HELDOUT, "text/heldout.parquet", heldout_rows)?;
        if !self.path(RUN).join(saekit_train::SUMMARY).is_file() {
            self.train(&store)?;
        }
        let trained = Trained::open(&self.path(RUN))?;
        let evaluation = self.evaluate(&lm, &trained, &heldout)?;
        for (name, folder) in EXPORTS {
            self.session.interrupt.check()?;
            let format = format::by_name(name).expect("both are in the list of formats");
            if !format.detect(&self.path(folder)) {
                export::perform(&trained, format, &self.path(folder), false)?;
            }
        }
        self.analyze(&lm, &trained, &heldout)?;
        Ok(evaluation)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn is_finished(&self) -> bool {
        let exported = |(name, folder): &(&str, &str)| {
            format::by_name(name).is_some_and(|format| format.detect(&self.path(folder)))
        };
        let analysed = Finished::open(&self.path(ANALYSIS)).is_ok();
        self.path(EVAL).is_file() && EXPORTS.iter().all(exported) && analysed
    }

    /// The store called `name`, harvested from `text` unless it is there.
    fn store(&self, lm: &Lm, name: &str, text: &str, rows: u64) -> Result<Store> {
        let out = self.path(name);
        if !out.join("manifest.json").is_file() {
            let config = HarvestConfig {
                inputs: vec![self.path(text)],
                hooks: vec![HookPoint::new(self.settings.hook)],
                dataset: Some(format!("{DATASET}/{text}")),
                seed: self.seed,
                max_rows: Some(rows),
                ..HarvestConfig::default()
            };
            let job = harvest::Job { config, lm, out: &out, force: false };
            harvest::perform(job, self.session)?;
        }
        Ok(Store::open(&out)?)
    }

    fn train(&self, store: &Store) -> Result<()> {
        let Settings { hook, epochs, batch, d_sae, k, lr, log_every, .. } = *self.settings;
        let mut learner = top_k::Config::new(d_sae, k);
        learner.adam = AdamConfig { lr, ..AdamConfig::default() };
        let location = Location::from(store.dir().to_owned());
        let job = stores::Job {
            shares: vec![Share { location: &location, store: store.clone(), weight: 1.0 }],
            hook: HookPoint::new(hook),
            choose: ChoiceOptions::default(),
            options: StoreOptions::default(),
            rows: RowOptions::default(),
            run: RunConfig {
                epochs: Some(epochs),
                batch,
                seed: self.seed,
                log_every,
                ..RunConfig::default()
            },
            learner: LearnerConfig::TopK(learner),
            device: &self.device,
            out: Output { dir: &self.path(RUN), replace: false },
        };
        stores::perform(&job, self.session)?;
        Ok(())
    }

    /// The figures on held-out text: those on disk, or new ones.
    fn evaluate(&self, lm: &Lm, trained: &Trained, heldout: &Store) -> Result<Evaluation> {
        let path = self.path(EVAL);
        if path.is_file() {
            return Ok(read_json(&path, "evaluation")?);
        }
        let Settings { hook, heldout_rows, sequences, .. } = *self.settings;
        let evaluation = eval::perform(
            &eval::Job {
                trained,
                name: self.path(RUN).display().to_string(),
                hook: HookPoint::new(hook),
                store: heldout,
                rows: heldout_rows,
                set: None,
                splice: Some(eval::Splice { lm, text: heldout, sequences }),
            },
            self.session,
        )?;
        write_json(&path, &evaluation)?;
        Ok(evaluation)
    }

    /// The pages of what the latents fire on in held-out text, unless they are there.
    fn analyze(&self, lm: &Lm, trained: &Trained, heldout: &Store) -> Result<()> {
        let out = self.path(ANALYSIS);
        if Finished::open(&out).is_ok() {
            return Ok(());
        }
        analyze::perform(
            &analyze::Job {
                trained,
                name: self.path(RUN).display().to_string(),
                column: HookPoint::new(self.settings.hook),
                store: heldout,
                rows: None,
                lm: Some(lm),
                out: &out,
                memory: ANALYSIS_MEMORY,
                settings: AnalysisSettings { seed: self.seed, ..AnalysisSettings::default() },
            },
            self.session,
        )?;
        Ok(())
    }
}

/// Takes `dir` for a demo made as `record` says; `force` removes one that is there.
fn claim(dir: &Path, record: &Record, force: bool) -> Result<FolderLock> {
    let path = dir.join(RECORD);
    let is_ours =
        |entry: std::io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() == LOCK);
    let is_empty = fs::read_dir(dir).map_or(true, |mut entries| entries.all(is_ours));
    if !is_empty && !path.is_file() {
        bail!(
            "{} holds something that is no demo; choose another folder with `--out`",
            dir.display()
        );
    }
    let held = FolderLock::take(dir, &dir.join(LOCK), "demo")?.temporary();
    if path.is_file() {
        let there: Record = read_json(&path, "record of a demo")?;
        if force {
            clear(dir)?;
        } else if there != *record {
            let Record { saekit, small, seed, device } = there;
            bail!(
                "{} holds a demo by saekit {saekit} with small = {small}, seed = {seed}, device = \
                 {device}; ask for the same, choose another folder with `--out`, or start over \
                 with `--force`",
                dir.display()
            );
        }
    }
    if !path.is_file() {
        write_json(&path, record)?;
    }
    Ok(held)
}

/// Removes what a demo writes, and nothing else; the record goes last.
fn clear(dir: &Path) -> Result<()> {
    let folders = [STORE, HELDOUT, RUN].into_iter().chain(EXPORTS.map(|(_, folder)| folder));
    for folder in folders {
        let path = dir.join(folder);
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(CoreError::io("remove", &path))?;
        }
    }
    for file in assets::names().chain([RECORD]) {
        let path = dir.join(file);
        if path.is_file() {
            fs::remove_file(&path).map_err(CoreError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// The table, where everything is, and what to try next.
fn results(evaluation: &Evaluation, dir: &Path) -> String {
    let four = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
    let rows = evaluation.reconstruction.as_ref();
    let losses = evaluation.cross_entropy.as_ref();
    let figures = [
        ("FVU", four(rows.and_then(|r| r.metrics.fvu))),
        ("CE recovered, zero ablation", number::percent(losses.and_then(|l| l.ce_recovered_zero))),
        ("CE recovered, mean ablation", number::percent(losses.and_then(|l| l.ce_recovered_mean))),
        ("L0", four(rows.and_then(|r| r.codes.l0))),
        ("dead latents", number::percent(rows.and_then(|r| r.codes.dead_fraction))),
    ];
    let figures = figures.map(|(name, value)| format!("  {name:<28}{value:>10}\n")).concat();
    let at = |name: &str| dir.join(name).display().to_string();
    let [(_, saelens), (_, native)] = EXPORTS;
    format!(
        "{evaluation}\non held-out text\n{figures}\n\
         model and text   {}, {}\n\
         stores           {}, {}\n\
         run              {}\n\
         exports          {}, {}\n\
         report           {analysis}/report.html\n\n\
         next:\n  saekit features {run} --token the\n  saekit inspect {run}\n  \
         saekit train --store {store} --out my-run --expansion 16 --k 16\n  \
         saekit eval my-run --store {heldout} --model {model}\n\
         in Python:\n  {python}\n\n\
         what its features mean, in a browser:\n  {analysis}/index.html\n",
        at(assets::MODEL),
        at("text"),
        at(STORE),
        at(HELDOUT),
        at(RUN),
        at(saelens),
        at(native),
        run = at(RUN),
        analysis = at(ANALYSIS),
        store = at(STORE),
        heldout = at(HELDOUT),
        model = at(assets::MODEL),
        python = export::python("saelens", &dir.join(saelens)),
    )
}
