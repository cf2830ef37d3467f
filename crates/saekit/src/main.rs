//! The `saekit` binary: wires the crates together, one verb a file in `cmd/`.

mod assets;
mod cmd;
mod exit;
mod massive;
mod models;
mod options;
mod output;
mod progress;
mod report;
mod session;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    exit::install_panic_hook();
    let cli = match cmd::Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return exit::answer(&answer),
    };
    let session = session::Session::new(cli.quiet);
    let done = cli.command.run(&session);
    exit::exit_code(done, &session)
}
