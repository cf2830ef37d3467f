//! `saekit harvest`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use saekit_core::text::first_few;
use saekit_core::{HookPoint, Tokenizer, number};
use saekit_harvest::{Harvest, HarvestConfig, HarvestReport, Quote};
use saekit_store::{Choice, DType, Store, StoreSpec};

use crate::exit::OnInterrupt as _;
use crate::models::Lm;
use crate::options::device;
use crate::options::place::ChoiceOptions;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit harvest --model gpt2 --text corpus/ --hook blocks.6.hook_resid_post --out acts
  saekit harvest --model gpt2 --text a.jsonl b.parquet --rows 10000000 --context 256 \\
      --hook blocks.4.hook_mlp_out --hook blocks.8.hook_mlp_out --out acts

Documents are shuffled and packed into contexts that begin with BOS. Rows of special tokens
(begin, end, padding) are left out unless `--keep-special` is given. Records of token ids (`input_ids`)
are taken as they are.";

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Hugging Face folder of the model: config.json, safetensors, tokenizer.json
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Files (.txt, .jsonl, .parquet) or folders of them
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    text: Vec<PathBuf>,
    /// Hook points to read, by their TransformerLens names; all in one forward pass
    #[arg(long, value_name = "NAME", num_args = 1.., required = true)]
    hook: Vec<String>,
    /// Folder of the new store
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Tokens a context, BOS included [default: the model's longest, at most 1024]
    #[arg(long, value_name = "TOKENS")]
    context: Option<usize>,
    /// How values are stored: f16, bf16, f32, or i8 (one byte per value and one scale per row)
    #[arg(long, value_name = "DTYPE", default_value_t = DType::F16)]
    dtype: DType,
    /// Decides the order of documents and rows
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Stop after this many rows [default: all text]
    #[arg(long, value_name = "ROWS")]
    rows: Option<u64>,
    /// Store the rows of special tokens too
    #[arg(long)]
    keep_special: bool,
    /// Field that holds a record's text or token ids [default: `text`, else `input_ids`]
    #[arg(long, value_name = "NAME")]
    text_field: Option<String>,
    /// Name of the data in the manifest [default: the first input's file name]
    #[arg(long, value_name = "NAME")]
    dataset_name: Option<String>,
    /// Size of a shard; one is held in memory
    #[arg(long, value_name = "MIB", default_value_t = StoreSpec::SHARD_BYTES >> 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..1 << 20))]
    shard_mib: u64,
    /// Tokens in a forward pass
    #[arg(long, value_name = "TOKENS", default_value_t = HarvestConfig::BATCH_TOKENS)]
    batch_tokens: usize,
    #[command(flatten)]
    choose: ChoiceOptions,
    #[command(flatten)]
    device: device::Arg,
    /// Replace the store that is in the output folder
    #[arg(long)]
    force: bool,
}

/// A harvest of one model, for verbs that need one.
pub(crate) struct Job<'a> {
    /// What and how.
    pub(crate) config: HarvestConfig,
    /// The model.
    pub(crate) lm: &'a Lm,
    /// Folder of the store.
    pub(crate) out: &'a Path,
    /// Whether a store there may be replaced.
    pub(crate) force: bool,
}

/// Harvests, and prints what came of it.
pub(crate) fn run(args: Args, session: &Session) -> Result<()> {
    refuse_existing(&args.out, args.force)?;
    let device = device::choose(args.device.device)?;
    session.say(&device.line());
    let lm = Lm::load(&args.model, &device.device)?;
    let (out, force) = (args.out.clone(), args.force);
    let config = HarvestConfig { choice: args.choose.choice()?, ..args.into() };
    let report = perform(Job { config, lm: &lm, out: &out, force }, session)
        .on_interrupt(&session.interrupt, || kept(&out))?;
    session::print(&summary(&report, &lm, &out))?;
    Ok(())
}

impl From<Args> for HarvestConfig {
    fn from(args: Args) -> Self {
        Self {
            inputs: args.text,
            choice: Choice::default(),
            hooks: args.hook.into_iter().map(HookPoint::new).collect(),
            text_field: args.text_field,
            dataset: args.dataset_name,
            context_size: args.context,
            seed: args.seed,
            keep_special: args.keep_special,
            max_rows: args.rows,
            batch_tokens: args.batch_tokens,
            dtype: args.dtype,
            shard_bytes: args.shard_mib << 20,
        }
    }
}

/// Harvests, with the quote before and progress during.
pub(crate) fn perform(job: Job<'_>, session: &Session) -> Result<HarvestReport> {
    let Job { config, lm, out, force } = job;
    let (interrupt, mut observer) = (&session.interrupt, session.observer());
    refuse_existing(out, force)?;
    let model = &lm.decoder;
    let harvest = Harvest::prepare(config, model, lm.vocabulary(), out, interrupt, &mut observer)?;
    session.say(&quote_line(&harvest.quote(interrupt)?));
    if force {
        Store::remove(out)?;
    }
    Ok(harvest.run(interrupt, &mut observer)?)
}

/// What is said where a harvest into `out` was stopped.
pub(crate) fn kept(out: &Path) -> String {
    format!(
        "{} holds no store yet; the same command resumes after the last whole shard",
        out.display()
    )
}

/// Fails where `out` holds a store that may not be replaced, before any work is done.
fn refuse_existing(out: &Path, force: bool) -> Result<()> {
    if !force && out.join("manifest.json").exists() {
        return Err(saekit_store::WriteError::StoreExists { dir: out.to_owned() }.into());
    }
    Ok(())
}

fn quote_line(quote: &Quote) -> String {
    let about = if quote.exact { "" } else { "about " };
    format!(
        "to harvest: {} documents, {about}{} tokens, {about}{} rows, about {} on disk, about {}",
        number::count(quote.documents),
        number::count(quote.tokens),
        number::count(quote.rows),
        number::bytes(quote.bytes),
        number::seconds(quote.seconds),
    )
}

fn summary(report: &HarvestReport, lm: &Lm, out: &Path) -> String {
    let HarvestReport { rows, tokens, sequences, documents, seconds, bytes, .. } = report;
    let head = format!(
        "{}: {} rows of {} tokens ({} sequences, {} documents), {} in {}, {:.0} rows/s\n",
        out.display(),
        number::count(*rows),
        number::count(*tokens),
        number::count(*sequences),
        number::count(*documents),
        number::bytes(*bytes),
        number::seconds(*seconds),
        report.rows_per_second(),
    );
    let excluded = &report.manifest.excluded_tokens;
    let names: Vec<_> = excluded.iter().map(|id| token(lm.vocabulary(), *id)).collect();
    let excluded = match names.as_slice() {
        [] => "none".to_owned(),
        names => format!("{} ({} rows)", first_few(names), number::count(report.excluded)),
    };
    let columns: Vec<_> = report.manifest.columns.iter().map(super::inspect::stored).collect();
    format!("{head}special tokens excluded: {excluded}\n{}", columns.concat())
}

/// A token as people know it, with its id.
fn token(vocabulary: Option<&dyn Tokenizer>, id: u32) -> String {
    let name = vocabulary.and_then(|vocabulary| vocabulary.token(id));
    name.map_or_else(|| id.to_string(), |name| format!("{name} ({id})"))
}
