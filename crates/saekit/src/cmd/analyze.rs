//! `saekit analyze`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use saekit_analysis::{Analysis, Feature, IndexSource, Settings, Subject, Summary};
use saekit_core::{
    Codec as _, Codes, HookPoint, LanguageModel as _, Observer as _, Tokenizer, number,
};
use saekit_pages::{FeatureLine, Report, SiteWriter};
use saekit_store::{RowSelection, RowSource as _, Store};

use crate::exit::{OnInterrupt as _, Usage};
use crate::models::{Lm, Trained};
use crate::options::device;
use crate::options::place::{ChoiceOptions, Location};
use crate::options::rows::RowOptions;
use crate::options::store::StoreOptions;
use crate::report;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit analyze run --store heldout --model gpt2
  saekit analyze sae-folder --store acts --model gpt2 --out features
  saekit analyze run --store acts --max-norm 3 --held-out 0.05 --part held-out

Encodes every row of the store once, or those that the flags under Rows choose, and says of each latent what it fires on: strongest and typical
examples, tokens, density, what it promotes, which latents are like it. Writes a site that opens from
disk, parquet tables, JSON and, for a run, a report. Without `--model` there are neither texts nor
promoted tokens. The same command resumes an analysis that was stopped. docs/analysis-format.md says what
is written.";

/// Where a run's analysis goes, in its folder.
pub(crate) const FOLDER: &str = "analysis";
/// Rows encoded for the quote.
const LOOKED_AT: usize = 256;
/// Bytes a firing takes in the index: itself, and its latent's number in the code of its row.
const INDEX_BYTES: u64 = 20;
/// Bytes an example takes as JSON, on a page and in the tables, with its share of what else is said.
const EXAMPLE_BYTES: u64 = 1400;
/// The report's file, beside the site.
const REPORT: &str = "report.html";

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of a run, or of a dictionary in any format
    #[arg(value_name = "RUN|DICTIONARY")]
    codec: PathBuf,
    /// Store with the rows to look at
    #[arg(long, value_name = "STORE", num_args = 1.., required = true)]
    store: Vec<PathBuf>,
    /// Hugging Face folder of the model, for texts of tokens and promoted tokens
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Column of the store [default: where the dictionary was trained]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// Where to write [default: analysis in the run's folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Strongest examples a latent
    #[arg(long, value_name = "N", default_value_t = Settings::default().top)]
    top: usize,
    /// Memory for firings, MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    memory: u64,
    /// Decides which examples are drawn
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Start over where an analysis is already there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    choose: ChoiceOptions,
    #[command(flatten)]
    rows: RowOptions,
    #[command(flatten)]
    options: StoreOptions,
}

/// An analysis to be made, for verbs that need one.
pub(crate) struct Job<'a> {
    /// The dictionary.
    pub(crate) trained: &'a Trained,
    /// Its file or folder, as it was given.
    pub(crate) name: String,
    /// The column it reads.
    pub(crate) column: HookPoint,
    /// The rows.
    pub(crate) store: &'a Store,
    /// Which of them, where not all are meant.
    pub(crate) rows: Option<RowSelection>,
    /// The model, for texts and promoted tokens.
    pub(crate) lm: Option<&'a Lm>,
    /// Where to write.
    pub(crate) out: &'a Path,
    /// Bytes for firings in memory.
    pub(crate) memory: u64,
    /// How much to show, and the seed.
    pub(crate) settings: Settings,
}

/// Analyses, and says where the pages are.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let trained = Trained::open(&args.codec)?;
    let store = args.options.open(&Location(args.store.clone()), &args.choose, session)?;
    let out = match (&args.out, &trained.run) {
        (Some(out), _) => out.clone(),
        (None, Some(run)) => run.join(FOLDER),
        (None, None) => {
            let text =
                format!("{} is no run; say where to write with `--out`", args.codec.display());
            return Err(Usage(text).into());
        }
    };
    let cpu = device::choose(device::Choice::Cpu)?;
    let lm = args.model.as_ref().map(|dir| Lm::load(dir, &cpu.device)).transpose()?;
    if args.force {
        remove(&out)?;
    }
    let column = column_of(args, &trained, &store)?;
    let job = Job {
        name: args.codec.display().to_string(),
        rows: args.rows.select(&store, std::slice::from_ref(&column), session)?,
        column,
        trained: &trained,
        store: &store,
        lm: lm.as_ref(),
        out: &out,
        memory: args.memory << 20,
        settings: Settings { top: args.top, seed: args.seed, ..Settings::default() },
    };
    let summary = perform(&job, session)?;
    Ok(session::print(&printed(&summary, &job))?)
}

/// Removes an analysis and its pages.
pub(super) fn remove(dir: &Path) -> Result<()> {
    Ok(Analysis::remove(dir, &[SiteWriter::ENTRIES, Report::ENTRIES].concat())?)
}

/// The column the dictionary reads: the one the user names, the one it was trained on, or the only
/// one.
fn column_of(args: &Args, trained: &Trained, store: &Store) -> Result<HookPoint> {
    let known = args.hook.as_ref().or(trained.dictionary.provenance.hook_point.as_ref());
    match (known, store.manifest().columns.as_slice()) {
        (Some(name), _) => Ok(HookPoint::new(name)),
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => Err(Usage(format!(
            "{} does not say where it was trained; name the column with `--hook`",
            args.codec.display()
        ))
        .into()),
    }
}

/// Analyses and writes everything.
pub(crate) fn perform(job: &Job<'_>, session: &Session) -> Result<Summary> {
    check_model(job)?;
    warn_of_other_model(job, session);
    let kept = || format!("{} keeps what is done; the same command resumes it", job.out.display());
    write(job, session).on_interrupt(&session.interrupt, kept)
}

fn write(job: &Job<'_>, session: &Session) -> Result<Summary> {
    let Job { trained, store, lm, .. } = job;
    let codec_sha256 = trained.weights_sha256().context("the dictionary has no weights file")?;
    let subject = Subject {
        source: IndexSource {
            codec: &trained.dictionary,
            codec_sha256: &codec_sha256,
            store,
            rows: job.rows.as_ref(),
            column: &job.column,
            memory: job.memory,
        },
        codec_name: &job.name,
        provenance: &trained.dictionary.provenance,
        model: lm.map(|lm| &lm.decoder as _),
        tokenizer: lm.and_then(Lm::vocabulary),
        settings: &job.settings,
    };
    let (interrupt, mut observer) = (&session.interrupt, session.observer());
    let analysis = Analysis::begin(job.out)?;
    session.say(&quote(job)?);
    let index = analysis.index(&subject, &mut observer, interrupt)?;
    let mut site = SiteWriter::create(job.out, trained.dictionary.d_sae())?;
    let mut lines = Vec::new();
    let mut visit = |feature: &Feature| {
        lines.push(FeatureLine::of(feature));
        site.push(feature).map_err(saekit_core::Error::from)
    };
    let summary = analysis.features(&subject, &index, &mut visit, &mut observer, interrupt)?;
    let report = match &trained.run {
        Some(run) => {
            report::of(title(&summary), run, &summary, lines)?.write(job.out)?;
            Some(REPORT)
        }
        None => None,
    };
    site.finish(&summary, &title(&summary), report)?;
    analysis.finish(summary.clone())?;
    Ok(summary)
}

/// What it will take: the index from the codes of the first rows, the pages from what those of the
/// demo took.
fn quote(job: &Job<'_>) -> Result<String> {
    let columns = [(job.column.clone(), 1.0)];
    let mut first = match &job.rows {
        None => job.store.scan(&columns)?,
        Some(rows) => job.store.scan_selection(&columns, rows)?,
    };
    let rows = first.rows_per_epoch();
    let batch = first.next_batch(LOOKED_AT)?.context("the store has no rows")?;
    let x = batch.columns[0].view();
    let fits = x.cols() == job.trained.dictionary.d_in(); // if not, whoever makes the index says so
    let fires = if fits { fires(&job.trained.dictionary.encode(x)?) } else { 0 };
    let latents = job.trained.dictionary.d_sae() as u64;
    let Settings { top, quantiles, per_quantile, .. } = job.settings;
    let examples = latents * (top + quantiles * per_quantile) as u64;
    Ok(format!(
        "to analyse: {} rows, {} latents, about {} of index and {} of pages on disk",
        number::count(rows),
        number::count(latents),
        number::bytes(rows * fires * INDEX_BYTES / batch.rows().max(1) as u64),
        number::bytes(examples * EXAMPLE_BYTES)
    ))
}

fn fires(codes: &Codes) -> u64 {
    let mut fires = 0;
    codes.for_each_active(|_, _, _| fires += 1);
    fires
}

/// What the pages are called.
pub(super) fn title(summary: &Summary) -> String {
    format!("{} · {}", summary.codec, summary.column)
}

/// Fails where the model is not the one whose tokens and activations the store holds.
fn check_model(job: &Job<'_>) -> Result<()> {
    let Some(lm) = job.lm else { return Ok(()) };
    let (manifest, info) = (job.store.manifest(), lm.decoder.info());
    let dir = job.store.dir().display();
    if let Some(model) = &manifest.model
        && model.sha256 != info.sha256
    {
        bail!(
            "{dir} was harvested from {} ({}), and `--model` is {} ({}); give the model that the \
             store was harvested from",
            model.name,
            short(&model.sha256),
            info.name,
            short(&info.sha256)
        );
    }
    let found = lm.tokenizer.as_ref().map(Tokenizer::sha256);
    if let (Some(expected), Some(found)) = (manifest.tokenizer_sha256.as_deref(), found)
        && expected != found
    {
        bail!(
            "{dir} was tokenized by another tokenizer ({}) than the model's ({}); give the model \
             that the store was harvested from",
            short(expected),
            short(found)
        );
    }
    Ok(())
}

/// As much of a hash as people compare.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

fn warn_of_other_model(job: &Job<'_>, session: &Session) {
    let expected = job.trained.dictionary.provenance.model_sha256.as_ref();
    let found = job.store.manifest().model.as_ref().map(|model| &model.sha256);
    if expected.zip(found).is_some_and(|(expected, found)| expected != found) {
        session.observer().warn(&format!(
            "{} was harvested from another model than the dictionary was trained on",
            job.store.dir().display()
        ));
    }
}

/// What came out and where it is.
fn printed(summary: &Summary, job: &Job<'_>) -> String {
    let at = |name: &str| job.out.join(name).display().to_string();
    let mut lines = saekit_pages::facts(summary);
    let missing = summary.missing.iter();
    lines.extend(missing.map(|missing| (format!("no {}", missing.section), missing.why.clone())));
    lines.push((String::new(), String::new()));
    let mut add = |name: &str, value: String| lines.push((name.to_owned(), value));
    add("open in a browser", at("index.html"));
    if job.trained.run.is_some() {
        add("report", at(REPORT));
    }
    add("tables", format!("{}, {}", at("features.parquet"), at("examples.parquet")));
    let line = |(name, value): (String, String)| format!("{name:<25}{value}").trim_end().to_owned();
    lines.into_iter().map(line).collect::<Vec<_>>().join("\n")
}
