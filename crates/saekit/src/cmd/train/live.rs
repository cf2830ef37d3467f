//! `saekit train` on rows that are harvested while it trains; nothing is stored.

use anyhow::Result;
use saekit_core::{HookPoint, Interrupt, Provenance};
use saekit_harvest::Harvest;
use saekit_store::{LiveConfig, LiveRows, RowSink, Shuffle, StreamConfig, scale_of_first};
use saekit_train::Summary;

use super::config::TrainConfig;
use super::plan::PlannedStore;
use super::run::{self, Training};
use crate::exit::{OnInterrupt as _, Usage};
use crate::massive;
use crate::models::Lm;
use crate::options::device::Chosen;
use crate::options::harvest::HarvestOptions;
use crate::options::place::ChoiceOptions;
use crate::options::store::StoreOptions;
use crate::output::Output;
use crate::session::Session;

/// Rows whose mean norm decides the scale where nothing is said: that of all is not known.
const SCALE_ROWS: u64 = 16_384;

/// Harvests as `options` say and trains into `out` as `config` says.
pub(super) fn perform(
    options: &HarvestOptions,
    config: &TrainConfig,
    device: &Chosen,
    out: Output<'_>,
    session: &Session,
) -> Result<Summary> {
    let hook = check(options, config)?;
    let Some(model) = &options.model else { return Err(missing("a model, with `--model`")) };
    let lm = Lm::load(model, &device.device)?;
    let (interrupt, nothing) = (&session.interrupt, || "nothing was changed".to_owned());
    let harvest = Harvest::prepare(
        options.config(&hook, config.run.seed, config.choose.choice()?),
        &lm.decoder,
        lm.vocabulary(),
        out.dir,
        interrupt,
        &mut session.observer(),
    );
    let harvest = harvest.on_interrupt(interrupt, nothing)?;
    let stream = StreamConfig {
        seed: config.run.seed,
        shuffle: Shuffle::Window,
        pool_bytes: config.run.pool_mib << 20,
        columns: vec![(hook.clone(), 1.0)],
        rows: None,
        limit: None,
    };
    let live = harvest.live(stream, interrupt).on_interrupt(interrupt, nothing)?;
    let width = live.spec.columns[0].width;
    let mut run = config.run.clone();
    run.shuffle = Shuffle::Window;
    run.scale_rows = run.scale_rows.or(Some(SCALE_ROWS));
    let plan = run::plan(run, live.rows, session)?;
    let produce = |sink: &mut dyn RowSink, stop: &Interrupt| Ok(harvest.produce(sink, stop)?);
    let sample = plan.scale_rows.unwrap_or(SCALE_ROWS);
    let scale = LiveRows::scope(live.clone(), produce, |rows| scale_of_first(rows, sample))?;
    let scale = scale.on_interrupt(interrupt, nothing)?;
    let training = Training {
        stores: vec![planned(options, &config.choose, &live, &hook)],
        rows: config.rows.clone(),
        width,
        plan,
        learner: config.learner(width)?,
        scale,
        provenance: provenance(&live, &hook),
        device,
        out,
    };
    let scaled = StreamConfig { columns: vec![(hook, scale)], ..live.stream.clone() };
    let live = LiveConfig { stream: scaled, ..live };
    let mean_norm = (width as f64).sqrt() / f64::from(scale);
    let remedy = |flag: &str| {
        format!("to leave them out, harvest into a store and train on that with `{flag}`")
    };
    LiveRows::scope(live, produce, |rows| {
        let first_rows = training.look(rows, sample, session)?;
        if let Some(warning) = massive::warning(first_rows.massive(), mean_norm, remedy) {
            session.warn(&warning);
        }
        training.execute(rows, &first_rows, session)
    })?
}

/// The hook point; fails where something is missing, or asked for that only a store can do.
fn check(options: &HarvestOptions, config: &TrainConfig) -> Result<HookPoint> {
    let Some(hook) = &config.hook else { return Err(missing("a hook point, with `--hook`")) };
    if options.text.is_empty() {
        return Err(missing("text, with `--text`"));
    }
    if !config.rows.is_all() || !config.store_options.is_default() {
        let text = "rows cannot be chosen while they are harvested; harvest into a store first";
        return Err(Usage(text.to_owned()).into());
    }
    Ok(HookPoint::new(hook))
}

fn missing(what: &str) -> anyhow::Error {
    Usage(format!("to harvest while training, give {what}")).into()
}

fn planned(
    options: &HarvestOptions,
    choose: &ChoiceOptions,
    live: &LiveConfig,
    hook: &HookPoint,
) -> PlannedStore {
    let text: Vec<_> = options.text.iter().map(|path| path.display().to_string()).collect();
    PlannedStore {
        path: format!("harvested from {}", text.join(" ")),
        revision: None,
        sha256: live.sha256.clone(),
        hook: hook.to_string(),
        weight: None,
        choose: choose.clone(),
        options: StoreOptions::default(),
    }
}

fn provenance(live: &LiveConfig, hook: &HookPoint) -> Provenance {
    let spec = &live.spec;
    Provenance {
        saekit_version: env!("CARGO_PKG_VERSION").to_owned(),
        model: spec.model.as_ref().map(|model| model.name.clone()),
        model_sha256: spec.model.as_ref().map(|model| model.sha256.clone()),
        tokenizer_sha256: spec.tokenizer_sha256.clone(),
        hook_point: Some(hook.to_string()),
        context_size: spec.context_size,
        prepend_bos: spec.prepend_bos,
        excludes_special_tokens: Some(!spec.excluded_tokens.is_empty()),
        dataset: spec.dataset.as_ref().map(|dataset| dataset.name.clone()),
        store_sha256: Some(live.sha256.clone()),
        ..Provenance::default()
    }
}
