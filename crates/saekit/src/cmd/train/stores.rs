//! `saekit train` on the rows of a store, or of several.

use std::time::Instant;

use anyhow::Result;
use saekit_core::text::first_few;
use saekit_core::{HookPoint, Provenance, number};
use saekit_learners::LearnerConfig;
use saekit_store::{
    ColumnInfo, Mixture, ReadAhead, RowSource, Store, StreamConfig, StreamError, scale,
    scale_of_first,
};
use saekit_train::{FirstRows, RunConfig, RunPlan, Summary};

use super::config::TrainConfig;
use super::plan::PlannedStore;
use super::run::{self, Training};
use crate::exit::Usage;
use crate::massive;
use crate::options::device::Chosen;
use crate::options::place::{ChoiceOptions, Location};
use crate::options::rows::RowOptions;
use crate::options::store::StoreOptions;
use crate::output::Output;
use crate::session::Session;

/// The fraction of a run that may wait for data before that is said.
const PATIENCE: f64 = 0.1;

/// A run to be done, for verbs that need one.
pub(crate) struct Job<'a> {
    /// The rows.
    pub(crate) shares: Vec<Share<'a>>,
    /// Their column.
    pub(crate) hook: HookPoint,
    /// Which of their files.
    pub(crate) choose: ChoiceOptions,
    /// What was said of the stores.
    pub(crate) options: StoreOptions,
    /// Which of their rows.
    pub(crate) rows: RowOptions,
    /// The loop.
    pub(crate) run: RunConfig,
    /// The method.
    pub(crate) learner: LearnerConfig,
    /// Where it trains.
    pub(crate) device: &'a Chosen,
    /// Folder of the run.
    pub(crate) out: Output<'a>,
}

/// A store, and how often rows are its own.
pub(crate) struct Share<'a> {
    /// Where it is, as it was given.
    pub(crate) location: &'a Location,
    /// Its rows.
    pub(crate) store: Store,
    pub(crate) weight: f64,
}

impl Share<'_> {
    /// Where it is, without what may be secret.
    fn shown(&self) -> String {
        self.location.to_string()
    }
}

/// Opens the stores of `config` and trains into `out`.
pub(super) fn open(
    config: &TrainConfig,
    device: &Chosen,
    out: Output<'_>,
    session: &Session,
) -> Result<Summary> {
    let shares = shares(config, session)?;
    let column = column(&shares[0].store, config.hook.as_deref())?;
    let job = Job {
        hook: column.name.clone(),
        choose: config.choose.clone(),
        options: config.store_options.clone(),
        rows: config.rows.clone(),
        run: config.run.clone(),
        learner: config.learner(column.width)?,
        device,
        out,
        shares,
    };
    perform(&job, session)
}

fn shares<'a>(config: &'a TrainConfig, session: &Session) -> Result<Vec<Share<'a>>> {
    let (locations, weights) = (&config.store, &config.weight);
    if !weights.is_empty() && weights.len() != locations.len() {
        let (stores, weights) = (locations.len(), weights.len());
        let text = format!("{stores} stores and {weights} weights; give each store its `--weight`");
        return Err(Usage(text).into());
    }
    let mut shares = Vec::new();
    for (i, location) in locations.iter().enumerate() {
        let store = config.store_options.open(location, &config.choose, session)?;
        let weight = weights.get(i).copied().unwrap_or(store.manifest().rows as f64);
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(Usage(format!("`--weight` is {weight}, expected more than 0")).into());
        }
        shares.push(Share { location, store, weight });
    }
    check_model(&shares)?;
    Ok(shares)
}

/// Fails where stores have rows of different models.
fn check_model(shares: &[Share<'_>]) -> Result<()> {
    let models = shares.iter().filter_map(|share| {
        share.store.manifest().model.as_ref().map(|model| (share.shown(), model))
    });
    let models: Vec<_> = models.collect();
    for pair in models.windows(2) {
        let [(first, a), (second, b)] = [&pair[0], &pair[1]];
        if a.sha256 != b.sha256 {
            let text = format!(
                "{first} has activations of {}, {second} of {}; a dictionary is of one model",
                a.name, b.name
            );
            return Err(Usage(text).into());
        }
    }
    Ok(())
}

/// The column called `name`, or the only one.
fn column<'a>(store: &'a Store, name: Option<&str>) -> Result<&'a ColumnInfo> {
    if let Some(name) = name {
        return Ok(store.column(&HookPoint::new(name))?);
    }
    match store.manifest().columns.as_slice() {
        [only] => Ok(only),
        several => {
            let names: Vec<_> = several.iter().map(|column| format!("`{}`", column.name)).collect();
            Err(Usage(format!(
                "{} has several columns; choose one with `--hook`: {}",
                store.dir().display(),
                first_few(names)
            ))
            .into())
        }
    }
}

/// Trains into the job's folder, from where it stands.
pub(crate) fn perform(job: &Job<'_>, session: &Session) -> Result<Summary> {
    let width = job.width()?;
    let (streams, count) = streams(job, session)?;
    let plan = run::plan(job.run.clone(), count, session)?;
    let scale = job.scale(&streams, &plan, width)?;
    let rows = plan.rows;
    let training = Training {
        stores: job.planned(),
        rows: job.rows.clone(),
        width,
        plan,
        learner: job.learner.clone(),
        scale,
        provenance: job.provenance(),
        device: job.device,
        out: job.out,
    };
    let mut mixed = job.mixed(&streams, scale, rows)?;
    let first_rows = training.look(&mut *mixed, FirstRows::ROWS, session)?;
    let remedy = |flag: &str| {
        format!("train with `{flag}` to leave them out (into another folder, or with `--force`)")
    };
    if let Some(warning) = massive::warning(first_rows.massive(), job.mean_norm()?, remedy) {
        session.warn(&warning);
    }
    let mut source = ReadAhead::new(mixed, Some(rows));
    let begun = Instant::now();
    let summary = training.execute(&mut source, &first_rows, session)?;
    let share = source.waited().as_secs_f64() / begun.elapsed().as_secs_f64();
    if share > PATIENCE {
        let share = number::percent(Some(share));
        session.say(&format!("{share} of the run waited for data"));
    }
    Ok(summary)
}

/// How to stream each store, without a scale, and the rows that are used of all.
fn streams(job: &Job<'_>, session: &Session) -> Result<(Vec<StreamConfig>, u64)> {
    let RunConfig { seed, shuffle, pool_mib, .. } = job.run;
    let (total, mut count, mut streams) = (job.total_weight(), 0, Vec::new());
    for (share, seed) in job.shares.iter().zip(seed..) {
        let rows = job.rows.select(&share.store, std::slice::from_ref(&job.hook), session)?;
        count += rows.as_ref().map_or(share.store.manifest().rows, |set| set.counts().kept);
        streams.push(StreamConfig {
            seed,
            shuffle,
            pool_bytes: ((pool_mib << 20) as f64 * (share.weight / total)) as u64,
            columns: vec![(job.hook.clone(), 1.0)],
            rows,
            limit: None,
        });
    }
    Ok((streams, count))
}

impl Job<'_> {
    fn total_weight(&self) -> f64 {
        self.shares.iter().map(|share| share.weight).sum()
    }

    fn column<'a>(&self, share: &'a Share<'_>) -> Result<&'a ColumnInfo> {
        Ok(share.store.column(&self.hook)?)
    }

    /// The largest mean norm that rows have in one of the stores.
    fn mean_norm(&self) -> Result<f64> {
        let mut largest: f64 = 0.0;
        for share in &self.shares {
            largest = largest.max(self.column(share)?.mean_norm);
        }
        Ok(largest)
    }

    /// Values a row, which has to be the same in all stores.
    fn width(&self) -> Result<usize> {
        let first = &self.shares[0];
        let width = self.column(first)?.width;
        for share in &self.shares {
            let found = self.column(share)?.width;
            if found != width {
                let [a, b] = [first, share].map(Share::shown);
                let hook = &self.hook;
                let text = format!("`{hook}` has rows of {width} values in {a}, of {found} in {b}");
                return Err(Usage(format!("{text}; a dictionary has one width")).into());
            }
        }
        Ok(width)
    }

    /// The rows of all stores, multiplied by `scale`, of which `rows` are wanted.
    fn mixed(&self, streams: &[StreamConfig], scale: f32, rows: u64) -> Result<Box<dyn RowSource>> {
        let scaled = |stream: &StreamConfig, limit| StreamConfig {
            columns: vec![(self.hook.clone(), scale)],
            limit: Some(limit),
            ..stream.clone()
        };
        if let ([share], [stream]) = (self.shares.as_slice(), streams) {
            return Ok(Box::new(share.store.stream(&scaled(stream, rows))?));
        }
        let sources = self.shares.iter().zip(streams).map(|(share, stream)| {
            // Rows are drawn: four standard deviations more than is expected.
            let expected = rows as f64 * share.weight / self.total_weight();
            let limit = (expected + 2.0 * (rows as f64).sqrt()) as u64;
            let stream = share.store.stream(&scaled(stream, limit));
            let stream = stream.map_err(|error| self.of_several(share, error))?;
            Ok::<_, anyhow::Error>((stream, share.weight))
        });
        Ok(Box::new(Mixture::new(sources.collect::<Result<_>>()?, self.run.seed)?))
    }

    /// What is wrong with the rows of `share`: the pool is given to stores by their weights.
    fn of_several(&self, share: &Share<'_>, error: saekit_store::Error) -> anyhow::Error {
        let saekit_store::Error::Stream(StreamError::PoolTooSmall { needed, .. }) = error else {
            return error.into();
        };
        let part = share.weight / self.total_weight();
        let (needed, percent) = (needed as f64 / part, number::percent(Some(part)));
        let text = format!(
            "{} has {percent} of the rows, and this part of the pool cannot hold two of its row \
             groups; say `--pool-mib {}`",
            share.shown(),
            (needed / f64::from(1 << 20)).ceil()
        );
        Usage(text).into()
    }

    /// The factor for all rows: from the mean norm of all, or of the first of the stream.
    fn scale(&self, streams: &[StreamConfig], plan: &RunPlan, width: usize) -> Result<f32> {
        if let Some(rows) = plan.scale_rows {
            return Ok(scale_of_first(&mut *self.mixed(streams, 1.0, rows)?, rows)?);
        }
        if let [share] = self.shares.as_slice() {
            return Ok(self.column(share)?.scale);
        }
        let mut norm = 0.0;
        for share in &self.shares {
            norm += self.column(share)?.mean_norm * share.weight / self.total_weight();
        }
        Ok(scale(width, norm))
    }

    fn planned(&self) -> Vec<PlannedStore> {
        let several = self.shares.len() > 1;
        // Where what was read is kept decides nothing about the rows.
        let options = StoreOptions { cache: None, cache_gib: None, ..self.options.clone() };
        let planned = |share: &Share<'_>| PlannedStore {
            path: share.shown(),
            revision: share.store.revision().map(str::to_owned),
            sha256: share.store.sha256().to_owned(),
            hook: self.hook.to_string(),
            weight: several.then_some(share.weight),
            choose: self.choose.clone(),
            options: options.clone(),
        };
        self.shares.iter().map(planned).collect()
    }

    fn provenance(&self) -> Provenance {
        let manifests: Vec<_> = self.shares.iter().map(|share| share.store.manifest()).collect();
        let first = manifests[0];
        let names = manifests.iter().filter_map(|manifest| manifest.dataset.as_ref());
        let names: Vec<_> = names.map(|dataset| dataset.name.as_str()).collect();
        Provenance {
            saekit_version: env!("CARGO_PKG_VERSION").to_owned(),
            model: first.model.as_ref().map(|model| model.name.clone()),
            model_sha256: first.model.as_ref().map(|model| model.sha256.clone()),
            tokenizer_sha256: first.tokenizer_sha256.clone(),
            hook_point: Some(self.hook.to_string()),
            context_size: first.context_size,
            prepend_bos: first.prepend_bos,
            excludes_special_tokens: first
                .has_tokens()
                .then_some(!first.excluded_tokens.is_empty()),
            dataset: (!names.is_empty()).then(|| names.join(" + ")),
            store_sha256: Some(self.store_sha256()),
            ..Provenance::default()
        }
    }

    /// The hash of the only store, or of the hashes of all.
    fn store_sha256(&self) -> String {
        let hashes: Vec<_> = self.shares.iter().map(|share| share.store.sha256()).collect();
        match hashes.as_slice() {
            [only] => (*only).to_owned(),
            several => saekit_core::files::sha256(several.join(" ").as_bytes()),
        }
    }
}
