//! What verbs are pointed at: a language model's folder, a run or a dictionary.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use saekit_core::files::sha256_file;
use saekit_core::{LanguageModel as _, Tokenizer};
use saekit_dictionary::{Dictionary, format};
use saekit_lm::{Decoder, Device, HfTokenizer, check_tokenizer};

/// A model and, where its folder has one, its tokenizer.
pub(crate) struct Lm {
    /// The model.
    pub(crate) decoder: Decoder,
    /// Its vocabulary.
    pub(crate) tokenizer: Option<HfTokenizer>,
}

impl Lm {
    /// Reads the Hugging Face folder `dir`.
    pub(crate) fn load(dir: &Path, device: &Device) -> Result<Self> {
        let decoder = Decoder::load(dir, device).context("cannot load the model")?;
        let tokenizer = dir.join("tokenizer.json").exists().then(|| HfTokenizer::load(dir));
        let tokenizer = tokenizer.transpose().context("cannot load the tokenizer")?;
        if let Some(tokenizer) = &tokenizer {
            check_tokenizer(decoder.info(), tokenizer)?;
        }
        Ok(Self { decoder, tokenizer })
    }

    /// The tokenizer as its contract.
    pub(crate) fn vocabulary(&self) -> Option<&dyn Tokenizer> {
        self.tokenizer.as_ref().map(|tokenizer| tokenizer as _)
    }
}

/// A dictionary, by itself or at the end of a run.
pub(crate) struct Trained {
    /// What it is.
    pub(crate) dictionary: Dictionary,
    /// Where it lies.
    pub(crate) dir: PathBuf,
    /// The run it came from, where a run was given.
    pub(crate) run: Option<PathBuf>,
}

impl Trained {
    /// Reads `path`: a run's folder, or a dictionary's in any format.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let run = is_run(path).then(|| path.to_owned());
        let dir =
            run.as_ref().map_or_else(|| path.to_owned(), |run| run.join(saekit_train::DICTIONARY));
        if run.is_some() && !path.join(saekit_train::SUMMARY).is_file() {
            bail!(
                "{} is a run that is not finished; give the same `saekit train` command again to \
                 finish it",
                path.display()
            );
        }
        if !path.exists() {
            bail!("{} does not exist; give the folder of a run or of a dictionary", path.display());
        }
        let dictionary = format::read(&dir)?;
        Ok(Self { dictionary, dir, run })
    }

    /// SHA-256 of the weights, hex.
    pub(crate) fn weights_sha256(&self) -> Option<String> {
        let entries = fs::read_dir(&self.dir).ok()?;
        let weights = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
        // SAELens puts `sparsity.safetensors` beside `sae_weights.safetensors`
        sha256_file(&weights.min()?).ok()
    }
}

/// Whether `dir` is the folder of a training run.
pub(crate) fn is_run(dir: &Path) -> bool {
    dir.join(saekit_train::PLAN).is_file()
}
