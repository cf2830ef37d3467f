//! `saekit bench harvest`.

use std::time::Instant;

use anyhow::Result;
use saekit_core::HookPoint;
use saekit_harvest::HarvestConfig;

use super::Report;
use crate::assets;
use crate::cmd::harvest::{Job, perform};
use crate::models::Lm;
use crate::options::device;
use crate::session::Session;

/// Arguments of the case.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Rows to store
    #[arg(long, value_name = "ROWS", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    #[command(flatten)]
    device: device::Arg,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

const HOOK: &str = "blocks.1.hook_resid_post";

/// Harvests from the demo's text with the demo's model, once, into a temporary folder.
pub(super) fn measure(args: &Args, session: &Session) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    assets::extract(dir.path())?;
    let device = device::choose(args.device.device)?;
    let lm = Lm::load(&dir.path().join(assets::MODEL), &device.device)?;
    let config = HarvestConfig {
        inputs: vec![dir.path().join("text/train.parquet")],
        hooks: vec![HookPoint::new(HOOK)],
        max_rows: Some(args.rows),
        ..HarvestConfig::default()
    };
    let out = dir.path().join("store");
    let begun = Instant::now();
    perform(Job { config, lm: &lm, out: &out, force: false }, session)?;
    let seconds = begun.elapsed().as_secs_f64();
    let rows = saekit_store::Store::open(&out)?.manifest().rows;
    let mut report = Report::new("harvest", rows, vec![seconds]);
    report.set("device", device.kind);
    report.set("rows", rows);
    report.set("hook", HOOK);
    Ok(report)
}
