//! `saekit bench ingest`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use saekit_core::{Error as CoreError, HookPoint, MatrixView};
use saekit_store::{
    ColumnSpec, RowBlock, RowSource as _, Store, StoreSpec, StoreWriter, StreamConfig,
};

use super::{Repeat, Report, median, repeat, synthetic};
use crate::session::Session;

/// Arguments of the case.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Store to read [default: a temporary one of random rows]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Width of the random rows
    #[arg(long, value_name = "N", default_value_t = 768)]
    d_in: usize,
    /// Number of random rows
    #[arg(long, value_name = "ROWS", default_value_t = 262_144)]
    rows: usize,
    /// Rows a batch
    #[arg(long, value_name = "ROWS", default_value_t = 4096)]
    batch_rows: usize,
    /// Memory for mixing rows
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pool_mib: u64,
    #[command(flatten)]
    pub(super) repeat: Repeat,
}

/// Streams epochs in shuffled order; every repetition is one.
pub(super) fn measure(args: &Args, session: &Session) -> Result<Report> {
    if args.d_in == 0 || args.rows == 0 || args.batch_rows == 0 {
        bail!("sizes have to be at least 1");
    }
    let dir = tempfile::tempdir()?;
    let path = match &args.store {
        Some(path) => path.clone(),
        None => random_store(&dir.path().join("store"), args)?,
    };
    let store = Store::open(&path)?;
    let columns = store.manifest().columns.iter().map(|c| (c.name.clone(), 1.0)).collect();
    let pool_bytes = args.pool_mib << 20;
    let mut source =
        store.stream(&StreamConfig { pool_bytes, columns, ..StreamConfig::default() })?;
    let rows = source.rows_per_epoch();
    let seconds = repeat(args.repeat, session, |_| {
        let mut left = rows;
        while left > 0 {
            let batch = source.next_batch(args.batch_rows.min(left as usize))?;
            left -= batch.context("the rows ended early")?.rows() as u64;
        }
        Ok(())
    })?;
    let mut report = Report::new("ingest", rows, seconds);
    report.set("rows", rows);
    report.set("batch_rows", args.batch_rows);
    report.set("pool_mib", args.pool_mib);
    let bytes: u64 = store.manifest().shards.iter().map(|shard| shard.bytes).sum();
    let raw: Vec<f64> = (0..3).map(|_| read(&store)).collect::<Result<_>>()?;
    report.figures.push(("mb_per_s", bytes as f64 / median(&report.seconds) / 1e6));
    report.figures.push(("raw_read_mb_per_s", bytes as f64 / median(&raw) / 1e6));
    Ok(report)
}

/// Seconds to read the shards' bytes one after the other, into one buffer.
fn read(store: &Store) -> Result<f64> {
    let begun = Instant::now();
    let mut buffer = vec![0; 8 << 20];
    for shard in &store.manifest().shards {
        let path = store.dir().join(&shard.file);
        let mut file = fs::File::open(&path).map_err(CoreError::io("open", &path))?;
        while std::io::Read::read(&mut file, &mut buffer).map_err(CoreError::io("read", &path))? > 0
        {
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn random_store(dir: &Path, args: &Args) -> Result<PathBuf> {
    let columns = vec![ColumnSpec { name: HookPoint::new("bench"), width: args.d_in }];
    let spec = StoreSpec { columns, has_tokens: false, ..StoreSpec::default() };
    let mut writer = StoreWriter::create(dir, spec)?;
    let source = synthetic::Source::new(args.d_in);
    for start in (0..args.rows).step_by(8192) {
        let rows = (args.rows - start).min(8192);
        let x = source.rows(start as u64, rows);
        writer.push_rows(&RowBlock {
            sequences: &[],
            positions: &[],
            columns: &[MatrixView::new(rows, args.d_in, x.as_slice())],
        })?;
    }
    writer.finish()?;
    Ok(dir.to_owned())
}
