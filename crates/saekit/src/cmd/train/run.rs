//! A run whose rows are known: from the settings to the finished folder.

use anyhow::Result;
use saekit_core::{Provenance, Scales, number};
use saekit_kernels::Screen;
use saekit_learners::{Context, LearnerConfig, LearnerPlan};
use saekit_store::RowSource;
use saekit_train::{Columns, FirstRows, Run, RunConfig, RunFolder, RunPlan, Summary};

use super::plan::{Plan, PlannedStore};
use crate::cmd::analyze::{self, FOLDER};
use crate::exit::OnInterrupt as _;
use crate::options::device::Chosen;
use crate::options::rows::RowOptions;
use crate::output::Output;
use crate::session::Session;

/// A run whose rows are known, wherever they come from.
pub(super) struct Training<'a> {
    /// What they are called in the plan; the first, and others that are mixed with it.
    pub(super) stores: Vec<PlannedStore>,
    /// Which of them.
    pub(super) rows: RowOptions,
    /// Values per row.
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
    pub(super) out: Output<'a>,
}

impl Training<'_> {
    const COLUMNS: Columns = Columns { input: 0, target: 0 };

    fn scales(&self) -> Scales {
        Scales { input: self.scale, target: self.scale }
    }

    /// Looks at the first rows of `source`, at most `rows`, which are left to be trained on.
    pub(super) fn look(
        &self,
        source: &mut dyn RowSource,
        rows: u64,
        session: &Session,
    ) -> Result<FirstRows> {
        let (interrupt, rows) = (&session.interrupt, rows.min(self.plan.rows));
        let (columns, scales) = (Self::COLUMNS, self.scales());
        FirstRows::survey(source, columns, scales, rows, interrupt, &mut session.observer())
            .on_interrupt(interrupt, || "nothing was changed".to_owned())
    }

    /// Trains on the rows of `source`, the first of which were looked at.
    pub(super) fn execute(
        self,
        source: &mut dyn RowSource,
        first_rows: &FirstRows,
        session: &Session,
    ) -> Result<Summary> {
        let plan = &self.plan;
        let learner_plan = self.learner.clone().resolve(self.width, plan.rows)?;
        let (dir, config) = (self.out.dir, learner_plan.config());
        // Before the folder is touched: not every device can do what the settings ask for.
        let mut learner = learner_plan.build(&Context {
            d_in: self.width,
            rows: plan.rows,
            seed: plan.seed,
            device: self.device.device.clone(),
        })?;
        let text = self.written_plan(&learner_plan).to_toml()?;
        if self.out.replace {
            analyze::remove(&dir.join(FOLDER))?; // it was of the dictionary that goes
        }
        let folder = RunFolder::claim(dir, &text, self.out.replace)?;
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
            columns: Self::COLUMNS,
            scales: self.scales(),
            first_rows: Some(first_rows),
            provenance: Provenance { learner: learner_name, ..self.provenance.clone() },
        };
        let (interrupt, out) = (&session.interrupt, dir.display());
        run.execute(interrupt, &mut session.observer()).on_interrupt(interrupt, || {
            format!("the run so far is kept in {out}; the same command resumes it")
        })
    }

    fn written_plan(&self, learner: &LearnerPlan) -> Plan {
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

/// The loop for `rows` rows per epoch; warns where the warm-up that was requested does not fit.
pub(super) fn plan(config: RunConfig, rows: u64, session: &Session) -> Result<RunPlan> {
    let warmup = config.warmup;
    let plan = config.resolve(rows)?;
    if let Some(warning) = plan.warmup_warning(warmup) {
        session.warn(&warning);
    }
    Ok(plan)
}

fn begin_line(plan: &RunPlan, folder: &RunFolder) -> String {
    let (steps, rows) = (number::count(plan.steps), number::count(plan.rows));
    let from = folder
        .resumes_at()
        .map_or_else(String::new, |step| format!(", resuming at step {}", number::count(step)));
    format!("to train: {steps} steps of {} rows, {rows} rows in all{from}", plan.batch)
}
