//! The analysis of a codec, in a folder of its own.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use saekit_core::files::{FolderLock, partial_path, read_json, write_json};
use saekit_core::{
    Error as CoreError, Interrupt, LanguageModel, Matrix, MatrixView, Observer, Provenance,
    Tokenizer,
};

use crate::blocks::{Products, Together, unit_rows};
use crate::folds::{Context, Example, Latent, sample, scale_end};
use crate::index::{IndexSource, LatentIndex};
use crate::summary::ChosenRows;
use crate::tables::{self, Tables};
use crate::vocabulary::Vocabulary;
use crate::{Error, Feature, Flag, Missing, Result, Settings, Summary};

const SUMMARY: &str = "analysis.json";
const LOCK: &str = "analysis.lock";
const INDEX: &str = "index";
const FEATURES: &str = "features";
/// Latents folded at a time.
const BLOCK: usize = 256;

/// What is to be analysed, and what to understand it with.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Codec, store and memory.
    pub source: IndexSource<'a>,
    /// The codec, as its path was given.
    pub codec_name: &'a str,
    /// Where the codec comes from.
    pub provenance: &'a Provenance,
    /// The model whose activations the store holds: for promoted and suppressed tokens.
    pub model: Option<&'a dyn LanguageModel>,
    /// Its vocabulary: for the texts of tokens.
    pub tokenizer: Option<&'a dyn Tokenizer>,
    /// How much to show, and the seed.
    pub settings: &'a Settings,
}

/// A folder in which an analysis is being made.
#[derive(Debug)]
pub struct Analysis {
    dir: PathBuf,
    /// Holds the folder while it lasts.
    _lock: FolderLock,
}

/// A finished analysis.
#[derive(Debug)]
pub struct Finished {
    dir: PathBuf,
    summary: Summary,
}

impl Analysis {
    /// Takes `dir` for an analysis: a new folder, or one where an analysis was begun.
    ///
    /// Fails where the folder is in use, holds a whole analysis or something else.
    pub fn begin(dir: &Path) -> Result<Self> {
        let path = dir.join(LOCK);
        let is_empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
        if !is_empty && !path.is_file() {
            return Err(Error::NotAnAnalysis { dir: dir.to_owned() });
        }
        let lock = FolderLock::take(dir, &path, "analyze")?;
        if dir.join(SUMMARY).is_file() {
            return Err(Error::Finished { dir: dir.to_owned() });
        }
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// Removes the analysis in `dir`, finished or not, with the entries `pages` of its folder that
    /// others made of it, and nothing else. Does nothing where there is no folder; fails where it is
    /// in use or holds no analysis.
    pub fn remove(dir: &Path, pages: &[&str]) -> Result<()> {
        let is_empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
        if is_empty {
            return Ok(());
        }
        if !dir.join(LOCK).is_file() {
            return Err(Error::NotAnAnalysis { dir: dir.to_owned() });
        }
        let held = FolderLock::take(dir, &dir.join(LOCK), "analyze --force")?;
        // the summary first: what is left when this is stopped is not finished
        let own = [SUMMARY, tables::FEATURES, tables::EXAMPLES, FEATURES, INDEX];
        for name in own.iter().chain(pages) {
            let path = dir.join(name);
            remove_entry(&path).map_err(CoreError::io("remove", &path))?;
            let partial = partial_path(&path);
            remove_entry(&partial).map_err(CoreError::io("remove", &partial))?;
        }
        drop(held);
        let mut left = fs::read_dir(dir).map_err(CoreError::io("read", dir))?;
        if left.all(|entry| entry.is_ok_and(|entry| entry.file_name() == LOCK)) {
            fs::remove_dir_all(dir).map_err(CoreError::io("remove", dir))?;
        }
        Ok(())
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The latent index of `subject`: made, or gone on with.
    pub fn index(
        &self,
        subject: &Subject<'_>,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<LatentIndex> {
        LatentIndex::build(&self.dir.join(INDEX), &subject.source, observer, interrupt)
    }

    /// Folds every latent, writes tables and JSON, and calls `visit` with each feature in order.
    ///
    /// Nothing is finished until [`finish`](Self::finish) is given the summary.
    pub fn features(
        &self,
        subject: &Subject<'_>,
        index: &LatentIndex,
        visit: &mut dyn FnMut(&Feature) -> saekit_core::Result<()>,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<Summary> {
        let vocabulary = Vocabulary::new(subject.tokenizer);
        vocabulary.write(&self.dir.join(INDEX))?;
        let context = Context::new(subject.settings, index, &vocabulary)?;
        let directions = Directions::new(subject)?;
        let mut summary = summary(subject, index, &directions);
        let features = self.dir.join(FEATURES);
        fs::create_dir_all(&features).map_err(CoreError::io("create", &features))?;
        let mut tables = Tables::create(&self.dir)?;
        let per_pass = latents_a_pass(subject)?;
        observer.begin("fold", Some(index.d_code() as u64), "latents");
        for first in (0..index.d_code()).step_by(per_pass) {
            let latents = per_pass.min(index.d_code() - first);
            let together = Together::count(index, first as u32, latents)?;
            for start in (first..first + latents).step_by(BLOCK) {
                interrupt.check()?;
                let end = (start + BLOCK).min(first + latents);
                let ids = start as u32..end as u32;
                let features = fold(&context, &directions, &together, ids, &self.dir)?;
                tables.push(&features)?;
                for feature in &features {
                    count(&mut summary, feature);
                    visit(feature)?;
                }
                observer.advance(end as u64, "");
            }
        }
        observer.end();
        tables.finish()?;
        Ok(summary)
    }

    /// Declares the analysis whole.
    pub fn finish(self, summary: Summary) -> Result<Finished> {
        write_json(&self.dir.join(SUMMARY), &summary)?;
        Ok(Finished { dir: self.dir, summary })
    }
}

impl Finished {
    /// Opens the analysis in `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(SUMMARY);
        if !path.is_file() {
            return Err(Error::NoAnalysis { dir: dir.to_owned() });
        }
        Ok(Self { dir: dir.to_owned(), summary: read_json(&path, "analysis")? })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was analysed.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What is known of `latent`.
    pub fn feature(&self, latent: u32) -> Result<Feature> {
        self.check(latent)?;
        Ok(read_json(&feature_path(&self.dir, latent), "feature")?)
    }

    /// `n` firings of `latent` drawn with `seed` from all its firings, sorted by place. Needs the
    /// latent index.
    pub fn sample(&self, latent: u32, n: usize, seed: u64) -> Result<Vec<Example>> {
        self.check(latent)?;
        let dir = self.dir.join(INDEX);
        let index = LatentIndex::open(&dir)?;
        let settings = Settings { seed, ..self.summary.settings.clone() };
        let vocabulary = Vocabulary::read(&dir)?;
        let context = Context::new(&settings, &index, &vocabulary)?;
        let firings = index.stretch(latent)?;
        let latent = Latent {
            id: latent,
            firings: &firings,
            scale_end: None,
            together: &[],
            cosines: None,
            logits: None,
        };
        sample(&latent, &context, n)
    }

    /// What `pick` makes of every feature, in order. Features are read in parallel, and are in
    /// memory no longer than `pick` takes.
    pub fn each<T: Send>(&self, pick: impl Fn(Feature) -> T + Sync) -> Result<Vec<T>> {
        let latents = 0..self.summary.shape.d_code as u32;
        latents.into_par_iter().map(|latent| Ok(pick(self.feature(latent)?))).collect()
    }

    fn check(&self, latent: u32) -> Result<()> {
        let d_code = self.summary.shape.d_code;
        if (latent as usize) < d_code {
            return Ok(());
        }
        Err(Error::NoSuchLatent { latent, d_code })
    }
}

/// Removes a file or a folder, where there is one.
fn remove_entry(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    }
}

fn feature_path(dir: &Path, latent: u32) -> PathBuf {
    dir.join(FEATURES).join(format!("{latent}.json"))
}

/// Latents whose co-firing counts fit into half of the memory allowed.
fn latents_a_pass(subject: &Subject<'_>) -> Result<usize> {
    let (memory, d_code) = (subject.source.memory, subject.source.codec.shape().d_code);
    match Together::latents_in(memory / 2, d_code) {
        0 => Err(Error::Memory { memory, d_code, needed: 8 * d_code as u64 }),
        latents => Ok(latents),
    }
}

/// The directions latents write, and what they are compared with.
struct Directions<'a> {
    rows: Option<MatrixView<'a>>,
    unit: Option<Matrix>,
    unembedding: Option<Matrix>,
    /// Why there is no unembedding.
    why: &'static str,
}

impl<'a> Directions<'a> {
    fn new(subject: &Subject<'a>) -> Result<Self> {
        let rows = subject.source.codec.decoder_rows();
        let unit = rows.map(unit_rows);
        let mut directions = Self { rows, unit, unembedding: None, why: "" };
        let d_out = subject.source.codec.shape().d_out;
        match subject.model {
            None => directions.why = "no model was given: analyse again with `--model`",
            Some(model) if model.info().d_model != d_out => {
                directions.why = "the codec does not write into the residual stream";
            }
            Some(_) if rows.is_none() => directions.why = "the codec has no decoder rows",
            Some(model) => directions.unembedding = Some(model.unembedding()?),
        }
        Ok(directions)
    }

    fn missing(&self, subject: &Subject<'_>) -> Vec<Missing> {
        let no_tokens = subject.source.store.tokens().is_none();
        let why = [
            ("tokens", no_tokens, "the store has no tokens: harvest one with `saekit harvest`"),
            (
                "texts",
                subject.tokenizer.is_none(),
                "no tokenizer was given: analyse again with `--model`",
            ),
            ("logits", self.unembedding.is_none(), self.why),
            ("neighbours", self.rows.is_none(), "the codec has no decoder rows"),
        ];
        let missing = why.into_iter().filter(|(_, missing, _)| *missing);
        let named = |(section, _, why): (&str, _, &str)| Missing {
            section: section.to_owned(),
            why: why.to_owned(),
        };
        missing.map(named).collect()
    }
}

/// The features of latents `ids`, in order; each is written to its file in the folder `dir`.
fn fold(
    context: &Context<'_>,
    directions: &Directions<'_>,
    together: &Together,
    ids: Range<u32>,
    dir: &Path,
) -> Result<Vec<Feature>> {
    let n = ids.len();
    let with = |rows, matrix| Products::of_block(rows, matrix, ids.start, n);
    let cosines = directions.unit.as_ref().map(|unit| with(unit.view(), unit.view()));
    let logits = directions.unembedding.as_ref().zip(directions.rows);
    let logits = logits.map(|(unembedding, rows)| with(rows, unembedding.view()));
    let feature = |id: u32| {
        let firings = context.index.stretch(id)?;
        let latent = Latent {
            id,
            firings: &firings,
            scale_end: scale_end(&firings),
            together: together.of(id),
            cosines: cosines.as_ref().map(|cosines| cosines.of(id)),
            logits: logits.as_ref().map(|logits| logits.of(id)),
        };
        let feature = Feature::of(&latent, context)?;
        write_feature(dir, &feature)?;
        Ok(feature)
    };
    ids.clone().into_par_iter().map(feature).collect()
}

fn summary(subject: &Subject<'_>, index: &LatentIndex, directions: &Directions<'_>) -> Summary {
    let source = &subject.source;
    let manifest = source.store.manifest();
    Summary {
        format: Summary::FORMAT.to_owned(),
        version: Summary::VERSION,
        saekit_version: env!("CARGO_PKG_VERSION").to_owned(),
        codec: subject.codec_name.to_owned(),
        codec_sha256: source.codec_sha256.to_owned(),
        shape: source.codec.shape(),
        provenance: subject.provenance.clone(),
        store: source.store.dir().display().to_string(),
        store_sha256: source.store.sha256().to_owned(),
        column: source.column.to_string(),
        dataset: manifest.dataset.as_ref().map(|dataset| dataset.name.clone()),
        model: subject.model.map(|model| model.info().name.clone()),
        rows: index.rows(),
        chosen: source.rows.map(ChosenRows::of),
        l0: index.len() as f64 / index.rows().max(1) as f64,
        dead: 0,
        dense: 0,
        duplicates: 0,
        settings: subject.settings.clone(),
        missing: directions.missing(subject),
    }
}

fn count(summary: &mut Summary, feature: &Feature) {
    for flag in &feature.flags {
        match flag {
            Flag::Dead => summary.dead += 1,
            Flag::Dense => summary.dense += 1,
            Flag::Duplicate => summary.duplicates += 1,
        }
    }
}

fn write_feature(dir: &Path, feature: &Feature) -> Result<()> {
    let path = feature_path(dir, feature.latent);
    let mut json = serde_json::to_string(feature).expect("features have no odd keys");
    json.push('\n');
    // Not each flushed to the disk: nothing counts before the summary is there.
    Ok(fs::write(&path, json).map_err(CoreError::io("write", &path))?)
}
