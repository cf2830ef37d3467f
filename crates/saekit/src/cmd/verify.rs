//! `saekit verify`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use saekit_core::number;

use crate::exit::OnInterrupt as _;
use crate::options::place::{ChoiceOptions, Location};
use crate::options::store::StoreOptions;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit verify acts
  saekit verify s3://bucket/acts
  saekit verify 'mine/*.parquet' --damaged skip

Reads everything: the hash of every file, the checksum of every page that has one, counts, widths, and
every value, which has to be finite. Compares the statistics in the manifest with those of the rows, and
sequence and position of every row with the tokens table. Says what it could not check. Stops at the
first fault, with exit code 1; with `--damaged skip`, damaged files are named and the others are read.";

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Store: a folder, files, or an address
    #[arg(value_name = "STORE", required = true)]
    store: Vec<PathBuf>,
    #[command(flatten)]
    choose: ChoiceOptions,
    #[command(flatten)]
    options: StoreOptions,
}

/// Reads the store and says that it is sound.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let store = args.options.open(&Location(args.store.clone()), &args.choose, session)?;
    let interrupt = &session.interrupt;
    let verified = store
        .verify(&mut session.observer(), interrupt)
        .on_interrupt(interrupt, || "nothing was changed".to_owned())?;
    let hashed = match verified.hashed {
        0 => "no hashes to compare".to_owned(),
        hashed => format!("{} hashes agree", number::count(hashed)),
    };
    let mut text = format!(
        "{}: {} rows in {} files ({}) are sound; {hashed}\n",
        store.dir().display(),
        number::count(verified.rows),
        number::count(verified.files),
        number::bytes(verified.bytes),
    );
    for what in &verified.unchecked {
        writeln!(text, "not checked: {what}")?;
    }
    Ok(session::print(&text)?)
}
