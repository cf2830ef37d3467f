//! `saekit bench ingest`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use clap::ValueEnum;
use half::f16;
use half::slice::{HalfBitsSliceExt as _, HalfFloatSliceExt as _};
use saekit_core::{Batch, Error as CoreError, HookPoint, MatrixView, Progress};
use saekit_learners::{Context as LearnerContext, LearnerConfig, top_k};
use saekit_store::{
    ColumnSpec, DType, ReadAhead, RowBlock, RowSource, Store, StoreSpec, StoreWriter, StreamConfig,
};

use super::{Repeat, Report, median, synthetic};
use crate::exit::Usage;
use crate::options::place::{ChoiceOptions, Location};
use crate::options::store::StoreOptions;
use crate::session::Session;

/// Training steps before those that count.
const WARMUP_STEPS: u64 = 2;

/// Arguments of the case.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Store or files on a disk to read [default: a temporary store of random rows]
    #[arg(long, value_name = "STORE", num_args = 1..)]
    store: Vec<PathBuf>,
    #[command(flatten)]
    choose: ChoiceOptions,
    /// Width of the random rows
    #[arg(long, value_name = "N", default_value_t = 768)]
    d_in: usize,
    /// Number of random rows
    #[arg(long, value_name = "ROWS", default_value_t = 262_144)]
    rows: usize,
    /// Rows a batch
    #[arg(long, value_name = "ROWS", default_value_t = 4096)]
    batch_rows: usize,
    /// In which order: shuffled, as training reads, or disk, as analysis and verification do
    #[arg(long, value_enum, value_name = "ORDER", default_value_t, hide_possible_values = true)]
    order: Order,
    /// Memory for mixing rows
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pool_mib: u64,
    /// Training steps to see how long they wait for rows, of a TopK SAE with 12,288 latents and k 32
    #[arg(long, value_name = "N", default_value_t = 8)]
    train_steps: u64,
    #[command(flatten)]
    pub(super) repeat: Repeat,
}

/// The order of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    #[default]
    Shuffled,
    Disk,
}

/// Reads all rows of a column as often as is asked for, and the same bytes plainly in turn.
pub(super) fn measure(args: &Args, session: &Session) -> Result<Report> {
    if args.d_in == 0 || args.rows == 0 || args.batch_rows == 0 {
        bail!("sizes have to be at least 1");
    }
    let dir = tempfile::tempdir()?;
    if args.store.iter().any(|path| saekit_remote::is_remote(&path.to_string_lossy())) {
        let text = "a plain read is measured beside it, so the store has to be on a disk";
        return Err(Usage(text.to_owned()).into());
    }
    let location = match args.store.as_slice() {
        [] => Location::from(random_store(&dir.path().join("store"), args)?),
        words => Location(words.to_vec()),
    };
    let store = StoreOptions::default().open(&location, &args.choose, session)?;
    let rows = store.manifest().rows;
    let Turns { seconds, raw, cpu } = take_turns(&store, args, session)?;
    let mut report = Report::new("ingest", rows, seconds);
    report.set("rows", rows);
    report.set("batch_rows", args.batch_rows);
    report.set("order", format!("{:?}", args.order).to_lowercase());
    if args.order == Order::Shuffled {
        report.set("pool_mib", args.pool_mib);
    }
    describe(&store, &raw, &mut report);
    if cpu > Duration::ZERO {
        let all = rows as f64 * report.seconds.len() as f64;
        report.figures.push(("cpu_tokens_per_s", all / cpu.as_secs_f64()));
    }
    if args.train_steps > 0 {
        report.figures.push(("step_waits_share", waits(&store, args, session)?));
    }
    Ok(report)
}

/// What was measured.
#[derive(Default)]
struct Turns {
    /// Of each epoch.
    seconds: Vec<f64>,
    /// Of a plain read after each epoch.
    raw: Vec<f64>,
    /// CPU time of all epochs.
    cpu: Duration,
}

fn take_turns(store: &Store, args: &Args, session: &Session) -> Result<Turns> {
    let mut turns = Turns::default();
    let mut source = open(store, args)?;
    for step in 0..args.repeat.warmup + args.repeat.steps {
        session.interrupt.check()?;
        let (begun, cpu_before) = (Instant::now(), cpu_time());
        if args.order == Order::Disk {
            source = open(store, args)?;
        }
        read_epoch(&mut *source, args.batch_rows)?;
        let (took, used) = (begun.elapsed(), cpu_time().saturating_sub(cpu_before));
        let plain = read_plainly(store, args.batch_rows)?;
        if step >= args.repeat.warmup {
            turns.seconds.push(took.as_secs_f64());
            turns.raw.push(plain);
            turns.cpu += used;
        }
    }
    Ok(turns)
}

/// Rates in bytes of values, and what a plain read of the same files reaches.
fn describe(store: &Store, raw: &[f64], report: &mut Report) {
    let manifest = store.manifest();
    let column = &manifest.columns[0];
    let bytes = manifest.rows as f64 * column.dtype.row_bytes(column.width) as f64 / 1e6;
    let files: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
    report.figures.push(("mb_per_s", bytes / median(&report.seconds)));
    report.figures.push(("raw_pread_convert_mb_per_s", files as f64 / 1e6 / median(raw)));
    let ratios =
        report.seconds.iter().zip(raw).map(|(s, raw)| raw / s * bytes * 1e6 / files as f64);
    report.figures.push(("of_raw", median(&ratios.collect::<Vec<_>>())));
}

fn open(store: &Store, args: &Args) -> Result<Box<dyn RowSource>> {
    let columns = vec![(store.manifest().columns[0].name.clone(), 1.0)];
    let pool_bytes = args.pool_mib << 20;
    Ok(match args.order {
        Order::Disk => Box::new(store.scan(&columns)?),
        Order::Shuffled => Box::new(store.stream(&StreamConfig {
            pool_bytes,
            columns,
            ..StreamConfig::default()
        })?),
    })
}

fn read_epoch(source: &mut dyn RowSource, batch_rows: usize) -> Result<()> {
    let mut left = source.rows_per_epoch();
    while left > 0 {
        let batch = source.next_batch(left.min(batch_rows as u64) as usize)?;
        let batch = batch.context("the rows ended early")?;
        left -= batch.rows() as u64;
        source.recycle(batch);
    }
    Ok(())
}

/// Seconds to read the bytes of the files one after the other, and to make singles of them as if all
/// were halves, a batch after the other.
fn read_plainly(store: &Store, batch_rows: usize) -> Result<f64> {
    let begun = Instant::now();
    let width = store.manifest().columns[0].width;
    let values = batch_rows * width;
    let (mut words, mut batch) = (vec![0_u16; values], vec![0.0; values]);
    for shard in &store.manifest().shards {
        let path = store.dir().join(&shard.file);
        let mut file = File::open(&path).map_err(CoreError::io("open", &path))?;
        loop {
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
            let read = file.read(bytes).map_err(CoreError::io("read", &path))?;
            if read == 0 {
                break;
            }
            let halves = words[..read / 2].reinterpret_cast::<f16>();
            halves.convert_to_f32_slice(&mut batch[..halves.len()]);
        }
    }
    std::hint::black_box(&batch);
    Ok(begun.elapsed().as_secs_f64())
}

/// The share of their time that training steps wait for rows, which a thread makes ready meanwhile.
fn waits(store: &Store, args: &Args, session: &Session) -> Result<f64> {
    let column = &store.manifest().columns[0];
    let (d_in, steps) = (column.width, args.train_steps + WARMUP_STEPS);
    let config = LearnerConfig::TopK(top_k::Config::new(12_288, 32));
    let context = LearnerContext { d_in, rows: 1_000_000_000, seed: 0, device: Device::flex() };
    let mut learner = config.build(&context)?;
    let columns = vec![(column.name.clone(), column.scale)];
    let pool_bytes = args.pool_mib << 20;
    let stream = store.stream(&StreamConfig { pool_bytes, columns, ..StreamConfig::default() })?;
    let mut source = ReadAhead::new(stream, None);
    let (mut begun, mut waited) = (Instant::now(), Duration::ZERO);
    for step in 0..steps {
        session.interrupt.check()?;
        if step == WARMUP_STEPS {
            (begun, waited) = (Instant::now(), source.waited());
        }
        let batch = source.next_batch(args.batch_rows)?.context("the rows ended early")?;
        let x = batch.columns[0].view();
        let at = Progress { step, steps, lr_scale: 1.0 };
        learner.step(&Batch { input: x, target: x }, at)?;
        learner.report()?;
        source.recycle(batch);
    }
    let waited = source.waited().saturating_sub(waited);
    Ok(waited.as_secs_f64() / begun.elapsed().as_secs_f64())
}

/// The time that this process has had a CPU; zero where the system does not tell.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(unix))]
fn cpu_time() -> Duration {
    Duration::ZERO
}

fn random_store(dir: &Path, args: &Args) -> Result<PathBuf> {
    let columns = vec![ColumnSpec { name: HookPoint::new("bench"), width: args.d_in }];
    let dtype = DType::F16;
    // Several shards, and not much memory while they are written.
    let shard_bytes = 64 << 20;
    let spec = StoreSpec { columns, dtype, shard_bytes, has_tokens: false, ..StoreSpec::default() };
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
