//! The `saekit` binary: wires the crates together, one verb a file in `cmd/`.

mod assets;
mod cmd;
mod config;
mod device;
mod failure;
mod human;
mod inputs;
mod location;
mod progress;
mod report;
mod rows;
mod session;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    failure::install_panic_hook();
    let cli = cmd::Cli::parse();
    let session = session::Session::new(cli.quiet);
    failure::exit_code(cli.command.run(&session))
}
