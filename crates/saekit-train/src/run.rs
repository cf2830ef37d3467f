use std::fs;
use std::path::Path;
use std::time::Instant;

use saekit_core::files::{partial_path, write_json};
use saekit_core::{
    Error as CoreError, Interrupt, Learner, Observer, Progress, Provenance, RowBatch, RowSource,
    Scales, StepReport,
};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Standing;
use crate::columns::Columns;
use crate::first_rows::{FirstRows, FirstRowsSummary};
use crate::folder::{DICTIONARY, METRICS, RunFolder, SUMMARY};
use crate::metrics_log::{self, Line, MetricsLog};
use crate::problems::problems;
use crate::{Error, Result, RunPlan, lr_scale};

/// Most rows from which a learner takes what depends on the data before the first step.
const SAMPLE_ROWS: usize = 16_384;
/// Memory for them, bytes.
const SAMPLE_BYTES: usize = 12 << 20;

/// One training run: everything it needs, until [`execute`](Self::execute).
pub struct Run<'a> {
    /// The steps.
    pub plan: &'a RunPlan,
    /// Where it writes.
    pub folder: &'a RunFolder,
    /// Where rows come from, scaled by [`scales`](Self::scales).
    pub source: &'a mut dyn RowSource,
    /// What is trained.
    pub learner: &'a mut dyn Learner,
    /// Which columns are input and target.
    pub columns: Columns,
    /// What the source multiplies them with.
    pub scales: Scales,
    /// The first rows of the source, where they were looked at: the summary says of them how far
    /// massive rows decide the figures.
    pub first_rows: Option<&'a FirstRows>,
    /// What is known of the rows' origin; plan, rows and version are added.
    pub provenance: Provenance,
}

/// What a run came to: `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Updates.
    pub steps: u64,
    /// Rows trained on.
    pub rows: u64,
    /// Means over the last logged steps.
    pub last: StepReport,
    /// What the first rows of the stream say, where they were looked at.
    #[serde(default)]
    pub first_rows: Option<FirstRowsSummary>,
    /// Why the run means nothing, one sentence each; empty for a run that may mean something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// The loop's own state.
struct Loop<'a> {
    run: Run<'a>,
    log: MetricsLog,
    metrics_bytes: u64,
    last: StepReport,
    logged: (Instant, u64),
    rows_per_s: f64,
}

impl Run<'_> {
    /// Trains from where the folder stands to the end of the plan, writes the codec and the summary.
    ///
    /// The same plan over the same rows gives the same codec, bit for bit on a CPU, however often
    /// the run was stopped on the way.
    ///
    /// # Errors
    /// [`saekit_core::Error::Interrupted`] where the user asked to stop, after a checkpoint was
    /// written; whatever the source, the learner or the file system reports.
    pub fn execute(self, interrupt: &Interrupt, observer: &mut dyn Observer) -> Result<Summary> {
        let plan = self.plan;
        let (mut state, start) = Loop::begin(self)?;
        observer.begin("training", Some(plan.rows), "rows");
        for step in start..plan.steps {
            interrupt.check()?;
            let rows = state.next_batch(step)?;
            // What was learnt since the last checkpoint is in memory alone.
            let _unsaved = interrupt.hold();
            state.step(step, rows)?;
            let done = step + 1;
            state.after(done, observer)?;
            if interrupt.is_raised() && done < plan.steps {
                state.checkpoint(done)?;
                return Err(CoreError::Interrupted.into());
            }
        }
        observer.end();
        let _unsaved = interrupt.hold();
        state.finish(interrupt, observer)
    }
}

/// How many rows of `source` are looked at before the first step.
fn sample_rows(source: &dyn RowSource) -> usize {
    let values: usize = source.columns().iter().map(|column| column.width).sum();
    let fit = SAMPLE_BYTES / (size_of::<f32>() * values);
    fit.clamp(1, SAMPLE_ROWS).min(source.rows_per_epoch() as usize)
}

impl<'a> Loop<'a> {
    /// Restores the last checkpoint or initialises the learner; returns the first step to do.
    fn begin(run: Run<'a>) -> Result<(Self, u64)> {
        let (mut start, mut metrics_bytes) = (0, 0);
        if let Some((standing, state)) = run.folder.restore()? {
            check(&standing, &run)?;
            run.learner.restore(&state)?;
            run.source.seek(&standing.cursor)?;
            (start, metrics_bytes) = (standing.step, standing.metrics_bytes);
        } else {
            let first = run.source.cursor();
            let rows = sample_rows(&*run.source);
            if let Some(sample) = run.source.next_batch(rows)? {
                run.learner.initialise(&run.columns.of(&sample))?;
            }
            run.source.seek(&first)?;
        }
        let log = MetricsLog::open(&run.folder.dir().join(METRICS), metrics_bytes)?;
        let logged = (Instant::now(), start);
        let last = StepReport::default();
        Ok((Self { run, log, metrics_bytes, last, logged, rows_per_s: 0.0 }, start))
    }

    /// The rows of step number `step`.
    fn next_batch(&mut self, step: u64) -> Result<RowBatch> {
        let Run { plan, source, .. } = &mut self.run;
        let rows = source.next_batch(plan.batch)?;
        let rows = rows.filter(|rows| rows.rows() == plan.batch);
        rows.ok_or(Error::RowsEnded { step, steps: plan.steps })
    }

    fn step(&mut self, step: u64, rows: RowBatch) -> Result<()> {
        let Run { plan, source, learner, columns, .. } = &mut self.run;
        let at = Progress { step, steps: plan.steps, lr_scale: lr_scale(plan, step) };
        learner.step(&columns.of(&rows), at)?;
        source.recycle(rows);
        Ok(())
    }

    /// Logs and checkpoints where `done` steps ask for it.
    fn after(&mut self, done: u64, observer: &mut dyn Observer) -> Result<()> {
        let plan = self.run.plan;
        let checkpoint = done.is_multiple_of(plan.checkpoint_every) && done < plan.steps;
        if checkpoint || done.is_multiple_of(plan.log_every) || done == plan.steps {
            self.log(done)?;
        }
        observer.advance(done * plan.batch as u64, &note(&self.last, self.rows_per_s));
        if checkpoint { self.checkpoint(done) } else { Ok(()) }
    }

    fn log(&mut self, done: u64) -> Result<()> {
        let plan = self.run.plan;
        self.last = self.run.learner.report()?;
        let (since, step) = std::mem::replace(&mut self.logged, (Instant::now(), done));
        let rows = (done - step) * plan.batch as u64;
        self.rows_per_s = rows as f64 / since.elapsed().as_secs_f64().max(f64::EPSILON);
        self.metrics_bytes = self.log.append(&Line {
            step: done,
            rows: done * plan.batch as u64,
            lr_scale: lr_scale(plan, done.saturating_sub(1)),
            report: &self.last,
            rows_per_s: self.rows_per_s,
        })?;
        Ok(())
    }

    fn checkpoint(&mut self, done: u64) -> Result<()> {
        self.log.sync()?; // a checkpoint is refused where its metrics are not there
        let standing = Standing {
            step: done,
            cursor: self.run.source.cursor(),
            metrics_bytes: self.metrics_bytes,
        };
        self.run.folder.save(&standing, &self.run.learner.state()?)
    }

    /// Writes the codec, then the summary that marks the run as finished.
    fn finish(self, interrupt: &Interrupt, observer: &mut dyn Observer) -> Result<Summary> {
        let Run { plan, folder, source, learner, scales, first_rows, mut provenance, .. } =
            self.run;
        provenance.plan_sha256 = Some(folder.plan_sha256());
        provenance.rows = Some(plan.rows);
        env!("CARGO_PKG_VERSION").clone_into(&mut provenance.saekit_version);
        let codec = learner.finish(scales)?;
        let first_rows = first_rows
            .map(|first| first.summary(codec.as_ref(), source, interrupt, observer))
            .transpose()?;
        write_folder(&folder.dir().join(DICTIONARY), |dir| codec.save(dir, &provenance))?;
        let problems = problems(&self.last);
        let summary =
            Summary { steps: plan.steps, rows: plan.rows, last: self.last, first_rows, problems };
        write_json(&folder.dir().join(SUMMARY), &summary)?;
        folder.drop_checkpoints()?;
        Ok(summary)
    }
}

/// Fails where a checkpoint does not fit the plan, the rows or the metrics, which hashes do not tell: it
/// may be that of another run.
fn check(standing: &Standing, run: &Run<'_>) -> Result<()> {
    let Standing { step, cursor, metrics_bytes } = standing;
    let (steps, rows_per_epoch) = (run.plan.steps, run.source.rows_per_epoch());
    let given = cursor.epoch.checked_mul(rows_per_epoch).and_then(|r| r.checked_add(cursor.row));
    let expected = step.checked_mul(run.plan.batch as u64);
    let metrics = run.folder.dir().join(METRICS);
    let problem = if *step > steps {
        format!("it is of step {step} of {steps}")
    } else if given.is_none() || given != expected {
        format!("row {} of epoch {} is not that of step {step}", cursor.row, cursor.epoch)
    } else if !metrics_log::ends_a_line(&metrics, *metrics_bytes)? {
        format!("no line of {METRICS} ends at byte {metrics_bytes}")
    } else {
        return Ok(());
    };
    Err(run.folder.damaged(problem))
}

fn note(report: &StepReport, rows_per_s: f64) -> String {
    let StepReport { loss, fvu, l0, dead_fraction, .. } = report;
    let dead = 100.0 * dead_fraction;
    format!("loss {loss:.4}  FVU {fvu:.4}  L0 {l0:.1}  dead {dead:.1} %  {rows_per_s:.0} rows/s")
}

/// Fills a folder under another name and renames it to `path`, replacing a leftover there.
fn write_folder(
    path: &Path,
    fill: impl FnOnce(&Path) -> saekit_core::Result<()>,
) -> saekit_core::Result<()> {
    let partial = partial_path(path);
    for leftover in [&partial, path] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).map_err(CoreError::io("remove", leftover))?;
        }
    }
    fs::create_dir_all(&partial).map_err(CoreError::io("create", &partial))?;
    fill(&partial)?;
    fs::rename(&partial, path).map_err(CoreError::io("write", path))
}
