//! `saekit features`.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use saekit_analysis::{Feature, Finished};
use saekit_pages::{FeatureLine, terminal as pages};

use super::analyze::FOLDER;
use crate::terminal;

const EXAMPLES: &str = "\
Examples:
  saekit features run
  saekit features run --token \" the\"
  saekit features run --id 42
  saekit features run --id 42 --sample 20 --seed 7

Lists the most legible features, or those that fire most on a token, or shows one. `--sample` draws
firings at random from all there are, to test an idea of what a feature means. `--json` prints what
docs/analysis-format.md specifies.";

/// Columns where the output is no terminal.
const COLUMNS: usize = 100;

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of a run that was analysed, or of an analysis
    #[arg(value_name = "RUN|ANALYSIS")]
    path: PathBuf,
    /// Show this feature
    #[arg(long, value_name = "N", conflicts_with = "token")]
    id: Option<u32>,
    /// List features by their mean value on this token; spaces around it may be left out
    #[arg(long, value_name = "TEXT")]
    token: Option<String>,
    /// Show so many firings drawn at random instead
    #[arg(long, value_name = "N", requires = "id")]
    sample: Option<usize>,
    /// Decides which are drawn
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "sample")]
    #[arg(value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Features to list at most
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "id")]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what is asked for.
pub(crate) fn run(args: &Args) -> Result<()> {
    let analysis = open(&args.path)?;
    let text = match (args.id, &args.token) {
        (Some(id), _) => one(args, &analysis, id)?,
        (None, Some(token)) => many(args, &analysis, on_token(&analysis, token)?)?,
        (None, None) => {
            let mut lines = analysis.each(|feature| FeatureLine::of(&feature))?;
            lines.sort_by(FeatureLine::by_legibility);
            many(args, &analysis, lines)?
        }
    };
    let _: () =
        if args.json { terminal::print_json(&text)? } else { terminal::print_painted(&text)? };
    Ok(())
}

/// The analysis in `path`, or in the run there.
fn open(path: &Path) -> Result<Finished> {
    if !path.exists() {
        bail!("{} does not exist; give the folder of a run or of an analysis", path.display());
    }
    let inside = path.join(FOLDER);
    Ok(Finished::open(if inside.is_dir() { &inside } else { path })?)
}

fn one(args: &Args, analysis: &Finished, id: u32) -> Result<String> {
    let mut feature = analysis.feature(id)?;
    if let Some(n) = args.sample {
        let examples = analysis.sample(id, n, args.seed)?;
        return Ok(if args.json {
            json(&examples)
        } else {
            pages::firings(&feature, &examples, width(), colour())
        });
    }
    if args.json {
        return Ok(json(&feature));
    }
    feature.examples.top.truncate(10);
    Ok(pages::render(&feature, width(), colour()))
}

/// Features with `token` among their top tokens, those with the largest mean first.
fn on_token(analysis: &Finished, token: &str) -> Result<Vec<FeatureLine>> {
    let meant = |text: &str| text == token || text.trim() == token;
    let found = analysis.each(|feature| {
        let tops = feature.tokens.iter().flat_map(|tokens| &tokens.top);
        let mean = tops.filter(|top| meant(&top.text)).map(|top| top.mean).reduce(f64::max);
        mean.map(|mean| (mean, FeatureLine::of(&feature)))
    })?;
    let mut found: Vec<_> = found.into_iter().flatten().collect();
    if found.is_empty() {
        bail!("no feature has {token:?} among its top tokens; try another spelling");
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.latent.cmp(&b.1.latent)));
    Ok(found.into_iter().map(|(_, line)| line).collect())
}

/// The first of `lines`, as a list or as JSON.
fn many(args: &Args, analysis: &Finished, mut lines: Vec<FeatureLine>) -> Result<String> {
    lines.truncate(args.limit);
    if !args.json {
        return Ok(pages::list(&lines, width(), colour()));
    }
    let features = lines.iter().map(|line| analysis.feature(line.latent));
    Ok(json(&features.collect::<Result<Vec<Feature>, _>>()?))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain data serialises")
}

fn width() -> usize {
    let terminal = console::Term::stdout();
    terminal.size_checked().map_or(COLUMNS, |(_, columns)| usize::from(columns))
}

/// Whether to colour: in a terminal, unless the user says otherwise (<https://no-color.org>).
fn colour() -> bool {
    let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !asked_not_to
}
