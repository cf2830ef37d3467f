//! `saekit inspect`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use saekit_analysis::Finished;
use saekit_core::files::read_json;
use saekit_core::text::{first_few, ranges};
use saekit_core::{Error as CoreError, number};
use saekit_dictionary::{Activation, Dictionary, format};
use saekit_store::{ColumnInfo, ColumnProfile, Manifest, OpenError, Store};
use serde_json::Value;

use crate::exit::{OnInterrupt as _, Usage};
use crate::massive;
use crate::models;
use crate::options::place::{ChoiceOptions, Location};
use crate::options::store::StoreOptions;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit inspect acts
  saekit inspect acts --stats
  saekit inspect 'mine/*.parquet'
  saekit inspect s3://bucket/acts --verify
  saekit inspect run
  saekit inspect run/analysis";

/// As much of the end of `metrics.jsonl` as holds its last line.
const TAIL_BYTES: u64 = 1 << 16;

/// The figures of a line of `metrics.jsonl` that are shown.
const FIGURES: [&str; 8] =
    ["step", "rows", "loss", "fvu", "l0", "dead_fraction", "lr_scale", "rows_per_s"];

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A store (a folder, files, or an address), or the folder of a run, a dictionary or an analysis
    #[arg(value_name = "STORE|RUN|DICTIONARY|ANALYSIS", required = true)]
    path: Vec<PathBuf>,
    /// Read every byte of a store, as `saekit verify` does
    #[arg(long)]
    verify: bool,
    /// Norms, massive rows, mean, variance, outlier dimensions and values that are not finite, over
    /// some rows
    #[arg(long, value_name = "ROWS", num_args = 0..=1, default_missing_value = "65536")]
    stats: Option<u64>,
    #[command(flatten)]
    choose: ChoiceOptions,
    #[command(flatten)]
    options: StoreOptions,
}

/// Prints what is there.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let location = Location(args.path.clone());
    if let Some(path) = location.path()
        && !path.join("manifest.json").is_file()
        && path.is_dir()
        && let Some(text) = other_text(path)?
    {
        if args.verify || args.stats.is_some() {
            let text =
                format!("`--verify` and `--stats` are for stores, and {} is none", path.display());
            return Err(Usage(text).into());
        }
        return Ok(session::print(&text)?);
    }
    let store = open(&location, args, session)?;
    let mut text = store_text(&store, &location.to_string());
    let interrupt = &session.interrupt;
    if let Some(rows) = args.stats {
        for column in &store.manifest().columns {
            let profile = store.profile(&column.name, rows, &mut session.observer(), interrupt);
            let profile = profile.on_interrupt(interrupt, || "nothing was changed".to_owned())?;
            text += &profile_text(&profile, column.mean_norm);
        }
    }
    if args.verify {
        store
            .verify(&mut session.observer(), interrupt)
            .on_interrupt(interrupt, || "nothing was changed".to_owned())?;
        text += &field("verified", "every page, value and hash is as it should be");
    }
    Ok(session::print(&text)?)
}

fn open(location: &Location, args: &Args, session: &Session) -> Result<Store> {
    let store = args.options.open(location, &args.choose, session);
    let is_nothing = |error: &anyhow::Error| {
        matches!(error.downcast_ref(), Some(saekit_store::Error::Open(OpenError::NotAStore { .. })))
    };
    match store {
        Err(error) if location.is_dir() && is_nothing(&error) => {
            let dictionaries: Vec<_> =
                format::FORMATS.iter().map(|format| format.files()).collect();
            bail!(
                "{error}; it is no run ({}) and no dictionary ({}) either",
                saekit_train::PLAN,
                dictionaries.join(", or ")
            );
        }
        store => store,
    }
}

fn profile_text(profile: &ColumnProfile, mean_norm: f64) -> String {
    let ColumnProfile { column, rows, non_finite_rows, norms, massive, mean, .. } = profile;
    let mut text = format!("\n{column}, over {} rows\n", number::count(*rows));
    text += &field(
        "norms",
        format!("{:.4} to {:.4}, mean {:.4}", norms.least, norms.largest, norms.mean),
    );
    let quantiles = [norms.percent_1, norms.median, norms.percent_99, norms.percent_99_9];
    let quantiles = quantiles.map(|norm| format!("{norm:.4}")).join(", ");
    text += &field("  at 1, 50, 99, 99.9 %", quantiles);
    text += &field("massive rows", massive::counted(massive, mean_norm));
    text += &field("mean of values", format!("{mean:.6}"));
    text += &field("variance per dimension", format!("{:.6}", profile.variance));
    text += &field("outlier dimensions", outliers_text(&profile.outliers));
    text + &field("rows not finite", number::count(*non_finite_rows))
}

/// The dimensions that stand out the most.
fn outliers_text(outliers: &[(usize, f64)]) -> String {
    let named = first_few(outliers.iter().map(|(at, times)| format!("{at} ({times:.1} x)")));
    if named.is_empty() { "none".to_owned() } else { named }
}

/// A line that says how well a column was stored.
pub(super) fn stored(column: &ColumnInfo) -> String {
    let ColumnInfo { name, width, dtype, mean_norm, scale, storage_error, .. } = column;
    let error = storage_error
        .map_or_else(String::new, |error| format!(", {error:.2e} of its power lost to rounding"));
    format!("{name}: width {width}, {dtype}, mean norm {mean_norm:.4}, scale {scale:.6}{error}\n")
}

/// What is said of a folder that is a run, an analysis or a dictionary.
fn other_text(path: &Path) -> Result<Option<String>> {
    if models::is_run(path) {
        return run_text(path).map(Some);
    }
    if let Ok(analysis) = Finished::open(path) {
        return Ok(Some(analysis_text(&analysis)));
    }
    if format::FORMATS.iter().any(|format| format.detect(path)) {
        return dictionary_text(path).map(Some);
    }
    Ok(None)
}

fn analysis_text(analysis: &Finished) -> String {
    let facts = saekit_pages::facts(analysis.summary()).into_iter();
    field("analysis", analysis.dir().display())
        + &facts.map(|(name, value)| field(&name, value)).collect::<String>()
}

/// A label and its value on a line.
fn field(label: &str, value: impl std::fmt::Display) -> String {
    format!("{label:<25}{value}\n")
}

/// [`field`], where there is a value.
fn optional(label: &str, value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(String::new, |value| field(label, value))
}

fn store_text(store: &Store, location: &str) -> String {
    let Manifest { rows, sequences, columns, shards, tokens, .. } = store.manifest();
    let manifest = store.manifest();
    let bytes = shards.iter().map(|shard| shard.bytes).chain(tokens.iter().map(|file| file.bytes));
    let mut text = field("store", location);
    text += &field("manifest sha256", store.sha256());
    text += &field("rows", number::count(*rows));
    text += &field(
        "on disk",
        format!(
            "{} in {} shard{}",
            number::bytes(bytes.sum()),
            number::count(shards.len() as u64),
            if shards.len() == 1 { "" } else { "s" }
        ),
    );
    text += &field(
        "sequences",
        match (tokens.is_some(), store.has_sequences()) {
            (true, _) => number::count(*sequences),
            (false, true) => "numbers only (no tokens)".to_owned(),
            (false, false) => "none (no tokens)".to_owned(),
        },
    );
    text += &optional("context size", manifest.context_size);
    text += &optional("begins with BOS", manifest.prepend_bos);
    if tokens.is_some() {
        text += &field("excluded tokens", tokens_text(&manifest.excluded_tokens));
    }
    text += &field("seed", manifest.seed);
    if let Some(model) = &manifest.model {
        let (layers, d_model) = (model.n_layers, model.d_model);
        let shape = format!("{}, {layers} layers, d_model {d_model}", model.family);
        text += &field("model", format!("{} ({shape})", model.name));
        text += &field("model sha256", &model.sha256);
    }
    text += &optional("tokenizer sha256", manifest.tokenizer_sha256.as_ref());
    text += &optional("dataset", manifest.dataset.as_ref().map(|dataset| &dataset.name));
    let widest = columns.iter().map(|column| column.name.as_str().len()).max().unwrap_or(0).max(6);
    let line = |hook: &str, rest: [&str; 4]| {
        let [width, dtype, norm, scale] = rest;
        format!("{hook:<widest$}  {width:>6}  {dtype:<5}  {norm:>12}  {scale:>12}\n")
    };
    text += &line("\ncolumn", ["width", "dtype", "mean norm", "scale"]).replacen("  ", "   ", 1);
    for column in columns {
        let (width, norm) = (column.width.to_string(), format!("{:.4}", column.mean_norm));
        let scale = format!("{:.6}", column.scale);
        text += &line(column.name.as_str(), [&width, column.dtype.name(), &norm, &scale]);
    }
    text
}

/// How many tokens there are, and the first of their ids.
fn tokens_text(ids: &[u32]) -> String {
    match ids {
        [] => "none".to_owned(),
        ids => {
            let mut sorted = ids.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            format!("{}: {}", number::count(sorted.len() as u64), first_few(ranges(&sorted)))
        }
    }
}

fn run_text(dir: &Path) -> Result<String> {
    let mut text = field("run", dir.display());
    let finished = dir.join(saekit_train::SUMMARY).is_file();
    text += &field(
        "state",
        if finished { "finished" } else { "not finished: the same command resumes it" },
    );
    if finished {
        let path = dir.join(saekit_train::SUMMARY);
        let summary: saekit_train::Summary = read_json(&path, "summary of a run")?;
        for problem in &summary.problems {
            text += &field("problem", problem);
        }
    }
    let metrics = dir.join(saekit_train::METRICS);
    if let Some(last) = last_line(&metrics)? {
        text += &metrics_text(&last);
    }
    let plan = dir.join(saekit_train::PLAN);
    let plan = std::fs::read_to_string(&plan).map_err(CoreError::io("read", &plan))?;
    write!(text, "\nplan\n{plan}").expect("writing to a string does not fail");
    if finished {
        text += "\n";
        text += &dictionary_text(&dir.join(saekit_train::DICTIONARY))?;
    }
    Ok(text)
}

/// The last whole line of the file, parsed, where there is one.
fn last_line(path: &Path) -> Result<Option<Value>> {
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    let mut read = || {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(CoreError::io("read", path))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().rev().find_map(|line| serde_json::from_str(line).ok()))
}

/// The figures of a line of metrics.
fn metrics_text(line: &Value) -> String {
    let figure = |name: &&str| {
        let value = line.get(*name)?;
        let count = value.as_u64().map(number::count);
        let value = count.or_else(|| Some(format!("{:.6}", value.as_f64()?)));
        Some(field(&name.replace('_', " "), value?))
    };
    FIGURES.iter().filter_map(figure).collect()
}

fn dictionary_text(dir: &Path) -> Result<String> {
    let dictionary = format::read(dir)?;
    let format = format::FORMATS.iter().find(|format| format.detect(dir));
    let mut text = field("dictionary", dir.display());
    text += &optional("format", format.map(|format| format.name()));
    text += &shape_text(&dictionary);
    let provenance = serde_json::to_value(&dictionary.provenance);
    if let Ok(Value::Object(known)) = provenance {
        for (name, value) in known.iter().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text += &field(&name.replace('_', " "), value);
        }
    }
    Ok(text)
}

fn shape_text(dictionary: &Dictionary) -> String {
    let (d_in, d_out, d_sae) = (dictionary.d_in(), dictionary.d_out(), dictionary.d_sae());
    let activation = match &dictionary.activation {
        Activation::Relu => "relu".to_owned(),
        Activation::TopK { k, signed, rescale } => {
            let by = if *signed { ", by magnitude" } else { "" };
            let unit = if *rescale { ", in units of the decoder norm" } else { "" };
            format!("topk, k {k}{by}{unit}")
        }
        Activation::JumpRelu { .. } => "jumprelu".to_owned(),
        Activation::Gated { .. } => "gated".to_owned(),
        Activation::GroupMax { k } => format!("groupmax, k {k}"),
    };
    let norms = dictionary.decoder_norms();
    let mean = norms.iter().map(|norm| f64::from(*norm)).sum::<f64>() / norms.len().max(1) as f64;
    let mut text = field("d_in", d_in);
    if d_out != d_in {
        text += &field("d_out", d_out);
    }
    text += &field("d_sae", format!("{d_sae} ({:.1} d_in)", d_sae as f64 / d_in.max(1) as f64));
    text += &field("activation", activation);
    text += &field("subtracts b_dec", dictionary.subtract_b_dec);
    text + &field("mean decoder norm", format!("{mean:.6}"))
}
