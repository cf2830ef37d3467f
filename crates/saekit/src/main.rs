//! The `saekit` binary: wires the crates together, one verb a file in `cmd/`.

mod assets;
mod cmd;
mod exit;
mod models;
mod options;
mod progress;
mod report;
mod session;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    exit::install_panic_hook();
    let cli = cmd::Cli::parse();
    let session = session::Session::new(cli.quiet);
    exit::exit_code(cli.command.run(&session))
}
