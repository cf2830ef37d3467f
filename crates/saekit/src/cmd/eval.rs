//! `saekit eval`.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use saekit_core::files::{write_atomic, write_json};
use saekit_core::{
    Codec as _, Codes, HookPoint, LanguageModel as _, Matrix, Observer as _, Tokenizer as _,
};
use saekit_eval::{
    Ablated, CrossEntropyOptions, CrossEntropyReport, EvaluatedOn, Evaluation,
    ReconstructionOptions, cross_entropy, reconstruction,
};
use saekit_harvest::HarvestConfig;
use saekit_store::{Choice, RowSelection, RowSource as _, ScannedRows, Split, Store, Tokens};
use safetensors::tensor::{Dtype, TensorView};

use super::harvest;
use crate::exit::{OnInterrupt as _, Usage};
use crate::massive;
use crate::models::{Lm, Trained};
use crate::options::device;
use crate::options::place::{ChoiceOptions, Location};
use crate::options::rows::RowOptions;
use crate::options::store::StoreOptions;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit eval run --store heldout
  saekit eval run --store heldout --model gpt2
  saekit eval run --text heldout.parquet --model gpt2 --json figures.json
  saekit eval run --store acts --held-out 0.05 --part held-out

Give rows the dictionary was not trained on. With `--model`, its reconstruction is also put in
place of the activations and the next-token loss compared, on the sequences of the store or of
`--text`. With `--text` alone the rows are harvested from it too, into a temporary folder.
`--dump` writes the first 1000 rows as tensors `x`, `codes_dense` and `x_hat`, by which other tools
can be compared. docs/metrics.md defines every figure.";

/// Rows that `--dump` writes at most.
const DUMPED_ROWS: u64 = 1000;
/// Tokens in a forward pass.
const BATCH_TOKENS: usize = 4096;
/// Sequences read from a tokens table at a time.
const READ_AHEAD: u32 = 64;

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of a run, or of a dictionary in any format
    #[arg(value_name = "RUN|DICTIONARY")]
    codec: PathBuf,
    /// Store with the rows to reconstruct
    #[arg(long, value_name = "STORE", num_args = 1.., required_unless_present = "text")]
    store: Vec<PathBuf>,
    /// Hugging Face folder of the model, to measure what reconstruction costs it
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Held-out files (.txt, .jsonl, .parquet) or folders [default: the store's sequences]
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "model")]
    text: Vec<PathBuf>,
    /// Where the dictionary goes [default: where it was trained]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// Rows to reconstruct
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Sequences to run through the model
    #[arg(long, value_name = "N", default_value_t = 512)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    sequences: u32,
    /// Where to write all figures [default: eval.json in the run's folder]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the first rows, their codes and reconstructions
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    device: device::Arg,
    #[command(flatten)]
    filter: RowOptions,
    #[command(flatten)]
    choose: ChoiceOptions,
    #[command(flatten)]
    options: StoreOptions,
}

/// An evaluation to be done, for verbs that need one.
pub(crate) struct Job<'a> {
    /// The dictionary.
    pub(crate) trained: &'a Trained,
    /// Its file or folder, as it was given.
    pub(crate) name: String,
    /// Where it goes.
    pub(crate) hook: HookPoint,
    /// The rows.
    pub(crate) store: &'a Store,
    /// Rows at most.
    pub(crate) rows: u64,
    /// The rows to choose from, where not all are.
    pub(crate) set: Option<RowSelection>,
    /// What to splice it into, if anything.
    pub(crate) splice: Option<Splice<'a>>,
}

/// A model and the sequences it runs over.
pub(crate) struct Splice<'a> {
    /// The model.
    pub(crate) lm: &'a Lm,
    /// A store with the sequences.
    pub(crate) text: &'a Store,
    /// Sequences at most.
    pub(crate) sequences: u32,
}

/// Evaluates, prints the table and writes the files asked for.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let trained = Trained::open(&args.codec)?;
    let json =
        args.json.clone().or_else(|| Some(trained.run.as_ref()?.join(saekit_train::EVALUATION)));
    let mut written = json.iter().chain(&args.dump);
    if let Some(path) = written.find(|path| path.exists() && !args.force) {
        bail!("{} exists; choose another file, or overwrite it with `--force`", path.display());
    }
    let interrupt = &session.interrupt;
    let evaluation = evaluate(args, &trained, session)
        .on_interrupt(interrupt, || "nothing was written".to_owned())?;
    if let Some(path) = &json {
        write_json(path, &evaluation)?;
    }
    session::print(&evaluation.to_string())?;
    for path in json.iter().chain(&args.dump) {
        session::print(&format!("wrote {}", path.display()))?;
    }
    Ok(())
}

fn evaluate(args: &Args, trained: &Trained, session: &Session) -> Result<Evaluation> {
    let lm = match &args.model {
        None => None,
        Some(dir) => {
            let device = device::choose(args.device.device)?;
            session.say(&device.line());
            Some(Lm::load(dir, &device.device)?)
        }
    };
    let location = (!args.store.is_empty()).then(|| Location(args.store.clone()));
    let open = |location| args.options.open(&location, &args.choose, session);
    let store = location.map(open).transpose()?;
    let hook = hook_of(args, trained, store.as_ref())?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let text = match &lm {
        Some(lm) if !args.text.is_empty() => {
            Some(harvest_text(args, trained, &hook, lm, folder.path(), session)?)
        }
        _ => None,
    };
    let (Some(rows), Some(text)) =
        (store.as_ref().or(text.as_ref()), text.as_ref().or(store.as_ref()))
    else {
        return Err(Usage("there is nothing to evaluate on; give `--store`".to_owned()).into());
    };
    let splice = lm.as_ref().map(|lm| Splice { lm, text, sequences: args.sequences });
    if splice.is_some() && args.text.is_empty() && !args.filter.is_all() {
        let text = "the loss is measured on whole sequences, of which rows cannot be chosen; give \
                    held-out text with `--text`, or leave out `--model`";
        return Err(Usage(text.to_owned()).into());
    }
    let set = args.filter.select(rows, std::slice::from_ref(&hook), session)?;
    let name = args.codec.display().to_string();
    let job = Job { trained, name, hook, store: rows, rows: args.rows, set, splice };
    if let Some(path) = &args.dump {
        dump(path, &job)?;
    }
    perform(&job, session)
}

/// Where the dictionary goes: where the user says, where it was trained, or the store's only column.
fn hook_of(args: &Args, trained: &Trained, store: Option<&Store>) -> Result<HookPoint> {
    let provenance = &trained.dictionary.provenance;
    if provenance.target_hook_point.is_some() || trained.dictionary.transcoder {
        bail!("{} is a transcoder, which cannot be evaluated yet", args.codec.display());
    }
    let known = args.hook.as_ref().or(provenance.hook_point.as_ref());
    if let Some(name) = known {
        return Ok(HookPoint::new(name));
    }
    match store.map(|store| store.manifest().columns.as_slice()) {
        Some([only]) => Ok(only.name.clone()),
        _ => Err(Usage(format!(
            "{} does not say where it was trained; name the place with `--hook`",
            args.codec.display()
        ))
        .into()),
    }
}

/// Harvests `--text` into `dir`, in contexts like those the dictionary was trained on.
fn harvest_text(
    args: &Args,
    trained: &Trained,
    hook: &HookPoint,
    lm: &Lm,
    dir: &Path,
    session: &Session,
) -> Result<Store> {
    let longest = lm.decoder.info().n_ctx;
    let context = trained.dictionary.provenance.context_size.map(|size| size.min(longest));
    let config = HarvestConfig {
        inputs: args.text.clone(),
        hooks: vec![hook.clone()],
        context_size: context,
        max_rows: Some(args.rows),
        // Where there is a store, the choice is of its files.
        choice: if args.store.is_empty() { args.choose.choice()? } else { Choice::default() },
        ..HarvestConfig::default()
    };
    let out = dir.join("text");
    harvest::perform(harvest::Job { config, lm, out: &out, force: false }, session)?;
    Ok(Store::open(&out)?)
}

/// Measures.
pub(crate) fn perform(job: &Job<'_>, session: &Session) -> Result<Evaluation> {
    let Job { trained, store, .. } = job;
    let (interrupt, mut observer) = (&session.interrupt, session.observer());
    for warning in doubts(job) {
        observer.warn(&warning);
    }
    let mut evaluation = Evaluation::new(
        job.name.clone(),
        trained.dictionary.shape(),
        trained.dictionary.provenance.clone(),
        evaluated_on(job),
    );
    evaluation.codec_sha256 = trained.weights_sha256();
    let mut rows = job.scan()?;
    let options = ReconstructionOptions { limit: Some(job.rows), ..Default::default() };
    let report = reconstruction(&trained.dictionary, &mut rows, &options, interrupt, &mut observer)
        .with_context(|| format!("cannot evaluate on {}", store.dir().display()))?;
    let mean_norm = store.column(&job.hook)?.mean_norm;
    let remedy = |flag: &str| format!("read FVU without them, or leave them out with `{flag}`");
    let massive = report.metrics.massive.as_ref();
    if let Some(warning) = massive.and_then(|of| massive::warning(of, mean_norm, remedy)) {
        observer.warn(&warning);
    }
    evaluation.reconstruction = Some(report);
    if let Some(splice) = &job.splice {
        evaluation.cross_entropy = Some(spliced(job, splice, session)?);
    }
    Ok(evaluation)
}

fn evaluated_on(job: &Job<'_>) -> EvaluatedOn {
    let manifest = job.store.manifest();
    let info = job.splice.as_ref().map(|splice| splice.lm.decoder.info());
    let info = info.or(manifest.model.as_ref());
    EvaluatedOn {
        store: Some(job.store.dir().display().to_string()),
        store_sha256: Some(job.store.sha256().to_owned()),
        column: Some(job.hook.to_string()),
        dataset: manifest.dataset.as_ref().map(|dataset| dataset.name.clone()),
        model: info.map(|info| info.name.clone()),
        model_sha256: info.map(|info| info.sha256.clone()),
        tokenizer_sha256: manifest.tokenizer_sha256.clone(),
        rows: job.set.as_ref().map(|set| set.counts().to_string()),
    }
}

/// What the reader of the figures should know.
fn doubts(job: &Job<'_>) -> Vec<String> {
    let mut doubts = Vec::new();
    let from = &job.trained.dictionary.provenance;
    let dir = job.store.dir().display();
    let is_held_out = job.set.as_ref().is_some_and(|set| set.filter().part == Split::HeldOut);
    if from.store_sha256.as_deref() == Some(job.store.sha256()) && !is_held_out {
        doubts.push(format!(
            "{dir} is what it was trained on: the figures are not held-out (if it was trained with \
             `--held-out`, give that again, and `--part held-out`)"
        ));
    }
    let made_by = job.store.manifest().model.as_ref().map(|model| &model.sha256);
    if let (Some(expected), Some(found)) = (&from.model_sha256, made_by)
        && expected != found
    {
        doubts.push(format!("{dir} was harvested from another model than it was trained on"));
    }
    if let (Some(splice), Some(expected)) = (&job.splice, &from.model_sha256)
        && splice.lm.decoder.info().sha256 != *expected
    {
        doubts.push("the model is another than it was trained on".to_owned());
    }
    doubts
}

fn spliced(job: &Job<'_>, splice: &Splice<'_>, session: &Session) -> Result<CrossEntropyReport> {
    let text = splice.text;
    let Some(tokens) = text.tokens() else {
        bail!(
            "{} has no tokens to run the model over; give held-out text with `--text`",
            text.dir().display()
        );
    };
    let context = text.manifest().context_size.unwrap_or(splice.lm.decoder.info().n_ctx);
    let options = CrossEntropyOptions {
        hook: job.hook.clone(),
        special_ids: special_ids(splice),
        mean: job.store.column(&job.hook)?.mean.clone(),
        ablated: Ablated::default(),
        batch: (BATCH_TOKENS / context.max(1)).max(1),
    };
    let mut sequences = sequences(tokens, splice.sequences);
    Ok(cross_entropy(
        &splice.lm.decoder,
        &job.trained.dictionary,
        &mut sequences,
        &options,
        &session.interrupt,
        &mut session.observer(),
    )?)
}

/// The first `limit` sequences of a tokens table.
fn sequences(tokens: &Tokens, limit: u32) -> impl Iterator<Item = saekit_core::Result<Vec<u32>>> {
    let end = tokens.len().min(limit);
    let mut read = VecDeque::new();
    (0..end).map(move |next| {
        if read.is_empty() {
            read.extend(tokens.read(next..end.min(next + READ_AHEAD))?);
        }
        let sequence = read.pop_front();
        Ok(sequence.map(|sequence| sequence.ids).unwrap_or_default())
    })
}

/// The tokens that keep their activations: those whose rows a harvest leaves out.
fn special_ids(splice: &Splice<'_>) -> Vec<u32> {
    let Some(tokenizer) = &splice.lm.tokenizer else {
        return splice.text.manifest().excluded_tokens.clone();
    };
    let mut ids = tokenizer.special_ids().to_vec();
    ids.extend(tokenizer.bos());
    ids.sort_unstable();
    ids.dedup();
    ids
}

impl Job<'_> {
    /// The rows, in the order on disk.
    fn scan(&self) -> Result<ScannedRows> {
        let columns = [(self.hook.clone(), 1.0)];
        Ok(match &self.set {
            None => self.store.scan(&columns)?,
            Some(set) => self.store.scan_selection(&columns, set)?,
        })
    }
}

/// Writes the first rows, their codes and reconstructions.
fn dump(path: &Path, job: &Job<'_>) -> Result<()> {
    let mut rows = job.scan()?;
    let count = DUMPED_ROWS.min(rows.rows_per_epoch()) as usize;
    let batch = rows.next_batch(count)?.context("the store has no rows")?;
    let x = &batch.columns[0];
    let (codes, x_hat) = job.trained.dictionary.reconstruct(x.view())?;
    let codes = dense(&codes);
    let tensors = [("x", x), ("codes_dense", &codes), ("x_hat", &x_hat)];
    let bytes = tensors.map(|(_, matrix)| little_endian(matrix));
    let views = tensors.iter().zip(&bytes).map(|((name, matrix), bytes)| {
        TensorView::new(Dtype::F32, vec![matrix.rows(), matrix.cols()], bytes)
            .map(|view| (*name, view))
    });
    let file = safetensors::serialize(views.collect::<Result<Vec<_>, _>>()?, None)?;
    Ok(write_atomic(path, |writer| std::io::Write::write_all(writer, &file))?)
}

fn dense(codes: &Codes) -> Matrix {
    let mut matrix = Matrix::zeros(codes.rows(), codes.d_code());
    codes.for_each_active(|row, latent, value| matrix.row_mut(row)[latent] = value);
    matrix
}

fn little_endian(matrix: &Matrix) -> Vec<u8> {
    matrix.as_slice().iter().flat_map(|value| value.to_le_bytes()).collect()
}
