//! `saekit convert-store`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use saekit_core::{HookPoint, number};
use saekit_store::{ConvertConfig, DType, Store, StoreSpec};

use crate::exit::{OnInterrupt as _, Usage};
use crate::options::place::{ChoiceOptions, Location};
use crate::options::rows::RowOptions;
use crate::options::store::StoreOptions;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit convert-store 'mine/*.parquet' --out acts --shuffle
  saekit convert-store hf://datasets/owner/activations --out acts --dtype bf16
  saekit convert-store acts --out small --hook blocks.6.hook_resid_post --dtype i8 --max-norm 10

Writes any store that can be read as saekit's own: with hashes, checksums and statistics, rows permuted
within each shard, or over the whole store with `--shuffle`, which needs four bytes a value of space on
the disk while it works. The same command resumes a conversion that was stopped.";

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Store to read: a folder, files, or an address
    #[arg(value_name = "STORE", required = true)]
    store: Vec<PathBuf>,
    /// Folder of the new store
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Columns to keep [default: all]
    #[arg(long, value_name = "NAME", num_args = 1..)]
    hook: Vec<String>,
    /// How values are stored: f16, bf16, f32, or i8 (one byte per value and one scale per row)
    #[arg(long, value_name = "DTYPE", default_value_t = DType::F16)]
    dtype: DType,
    /// Put rows in a random order over the whole store
    #[arg(long)]
    shuffle: bool,
    /// Decides the order of rows
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Size of a shard; one is held in memory
    #[arg(long, value_name = "MIB", default_value_t = StoreSpec::SHARD_BYTES >> 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..1 << 20))]
    shard_mib: u64,
    /// Replace the store that is in the output folder
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    choose: ChoiceOptions,
    #[command(flatten)]
    rows: RowOptions,
    #[command(flatten)]
    options: StoreOptions,
}

/// Converts, and prints what came of it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    if !args.force && args.out.join("manifest.json").exists() {
        return Err(saekit_store::WriteError::StoreExists { dir: args.out.clone() }.into());
    }
    let location = Location(args.store.clone());
    let store = args.options.open(&location, &args.choose, session)?;
    if is_inside(store.dir(), &args.out) {
        let out = args.out.display();
        let text =
            format!("{location} is in {out}, which would be written over; give another `--out`");
        return Err(Usage(text).into());
    }
    let columns: Vec<_> = args.hook.iter().map(HookPoint::new).collect();
    let all = store.manifest().columns.iter().map(|column| column.name.clone());
    let judged = if columns.is_empty() { all.collect() } else { columns.clone() };
    let rows = args.rows.select(&store, &judged, session)?;
    if args.force {
        Store::remove(&args.out)?;
    }
    let config = ConvertConfig {
        columns,
        rows,
        dtype: args.dtype,
        shuffle: args.shuffle,
        seed: args.seed,
        shard_bytes: args.shard_mib << 20,
    };
    let (interrupt, out) = (&session.interrupt, args.out.display());
    let manifest = store
        .convert(&args.out, &config, &mut session.observer(), interrupt)
        .on_interrupt(interrupt, || {
            format!("{out} is not finished; the same command resumes it")
        })?;
    let bytes = manifest.shards.iter().map(|shard| shard.bytes).sum();
    let (rows, shards) =
        (number::count(manifest.rows), number::count(manifest.shards.len() as u64));
    let mut text = format!("{out}: {rows} rows in {shards} shards, {}\n", number::bytes(bytes));
    for column in &manifest.columns {
        text += &super::inspect::stored(column);
    }
    Ok(session::print(&text)?)
}

/// Whether the folder `dir` is `outer` or in it.
fn is_inside(dir: &Path, outer: &Path) -> bool {
    matches!((dir.canonicalize(), outer.canonicalize()), (Ok(a), Ok(b)) if a.starts_with(&b))
}
