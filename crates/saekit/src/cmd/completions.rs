//! `saekit completions`.

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use crate::session;

const EXAMPLES: &str = "\
Examples:
  saekit completions bash > ~/.local/share/bash-completion/completions/saekit
  saekit completions fish > ~/.config/fish/completions/saekit.fish";

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "saekit", &mut script);
    Ok(session::print(&String::from_utf8_lossy(&script))?)
}
