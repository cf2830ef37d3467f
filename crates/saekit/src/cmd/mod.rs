//! The verbs, one a file.

mod analyze;
mod bench;
mod completions;
mod convert_store;
mod demo;
mod eval;
mod export;
mod features;
mod harvest;
mod inspect;
mod train;
mod verify;

use anyhow::Result;
use clap::builder::styling::Styles;
use clap::{Parser, Subcommand};

use crate::session::Session;

const ABOUT: &str = "Sparse autoencoders on language-model activations: from sentences to a \
                     trained, evaluated, exported dictionary";

const EXAMPLES: &str = "\
Examples:
  saekit demo
  saekit harvest --model gpt2 --text corpus/ --hook blocks.6.hook_resid_post --out acts
  saekit train --store acts --out run --expansion 16 --k 32
  saekit eval run --store heldout --model gpt2
  saekit analyze run --store heldout --model gpt2
  saekit features run --token God
  saekit export run --format saelens --out sae

Results go to stdout, progress to stderr. Exit codes: 0 done, 1 failed, 2 not a valid command,
130 stopped by Ctrl-C (143 by SIGTERM).";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "saekit",
    version,
    about = ABOUT,
    after_help = EXAMPLES,
    max_term_width = 100,
    styles = Styles::plain(),
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Show neither progress nor remarks; warnings and errors remain
    #[arg(short, long, global = true, display_order = 900)]
    pub(crate) quiet: bool,
}

/// A verb with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything on a small model and text that come with the binary
    Demo(demo::Args),
    /// Run a language model over text and store activations
    Harvest(harvest::Args),
    /// Write any store of activations again as saekit's own
    ConvertStore(convert_store::Args),
    /// Read a store and check every byte, count and value
    Verify(verify::Args),
    /// Say what a store, a run, a dictionary or an analysis holds
    Inspect(inspect::Args),
    /// Train a sparse autoencoder on a store
    Train(Box<train::Args>),
    /// Measure a dictionary on a store, and spliced into its model
    Eval(eval::Args),
    /// Find out what each latent of a dictionary stands for, and make pages of it
    Analyze(analyze::Args),
    /// Show features of an analysis in the terminal
    Features(features::Args),
    /// Write a dictionary in another tool's format
    Export(export::Args),
    /// Measure how fast this machine does each part, beside what it could do
    Bench(bench::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self, session: &Session) -> Result<()> {
        match self {
            Self::Demo(args) => demo::run(&args, session),
            Self::Harvest(args) => harvest::run(args, session),
            Self::ConvertStore(args) => convert_store::run(&args, session),
            Self::Verify(args) => verify::run(&args, session),
            Self::Inspect(args) => inspect::run(&args, session),
            Self::Train(args) => train::run(&args, session),
            Self::Eval(args) => eval::run(&args, session),
            Self::Analyze(args) => analyze::run(&args, session),
            Self::Features(args) => features::run(&args),
            Self::Export(args) => export::run(&args, session),
            Self::Bench(args) => bench::run(&args, session),
            Self::Completions(args) => completions::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
