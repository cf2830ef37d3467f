//! The training configuration: a TOML file with the flags laid over it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use saekit_learners::LearnerConfig;
use saekit_train::RunConfig;
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use super::explain::{Source, explain};
use crate::exit::Usage;
use crate::options::harvest::HarvestOptions;
use crate::options::place::{ChoiceOptions, Location};
use crate::options::rows::RowOptions;
use crate::options::store::StoreOptions;

/// What is trained where no `architecture` is named.
const ARCHITECTURE: &str = "topk";

/// What `saekit train` was asked for, from file and flags.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainConfig {
    /// The store, relative to the current folder, or several to be mixed.
    #[serde(default, deserialize_with = "one_or_several")]
    pub(crate) store: Vec<Location>,
    /// The share of each of several stores; as many rows as it has unless given.
    #[serde(default)]
    pub(crate) weight: Vec<f64>,
    /// What to harvest while training, in the place of a store.
    pub(crate) harvest: Option<HarvestOptions>,
    /// Which files of a place, for stores and for texts.
    #[serde(default)]
    pub(crate) choose: ChoiceOptions,
    /// What is to be said of it.
    #[serde(default)]
    pub(crate) store_options: StoreOptions,
    /// Column of the rows; the only one unless given.
    pub(crate) hook: Option<String>,
    /// Which rows.
    #[serde(default)]
    pub(crate) rows: RowOptions,
    /// The loop.
    #[serde(default)]
    pub(crate) run: RunConfig,
    /// The method; looked into by [`learner`](Self::learner), when the width of the rows is known.
    #[serde(default)]
    learner: Table,
    /// The file, for messages.
    #[serde(skip)]
    source: Option<Source>,
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Location>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "`store` is a path, or a list of paths or of lists of paths")]
    enum Stores {
        One(PathBuf),
        Several(Vec<Location>),
    }
    Ok(match Stores::deserialize(deserializer)? {
        Stores::One(path) => vec![path.into()],
        Stores::Several(stores) => stores,
    })
}

impl TrainConfig {
    /// Reads `file`, if there is one, and lays `flags` over it.
    pub(crate) fn read(file: Option<&Path>, flags: Table) -> Result<Self> {
        let source = file.map(Source::read).transpose()?;
        let table = match &source {
            None => Table::new(),
            // The file by itself first: flags have no lines to name.
            Some(source) => source.parse::<Self>().and_then(|_| source.parse::<Table>())?,
        };
        let mut config = Self::merged(table, flags, source.as_ref())?;
        config.source = source;
        Ok(config)
    }

    fn merged(mut table: Table, flags: Table, source: Option<&Source>) -> Result<Self> {
        // Two keys that say the same thing: a flag for one replaces the file's other.
        for (section, a, b) in [("run", "rows", "epochs"), ("learner", "d_sae", "expansion")] {
            for (given, replaced) in [(a, b), (b, a)] {
                let is_given = flags.get(section).is_some_and(|keys| keys.get(given).is_some());
                if let (true, Some(Value::Table(keys))) = (is_given, table.get_mut(section)) {
                    keys.remove(replaced);
                }
            }
        }
        lay_over(&mut table, flags);
        if !table.contains_key("store") && !table.contains_key("harvest") {
            let missing = "no store was named; give `--store DIR`, or `store = \"DIR\"` in the \
                           configuration file";
            return Err(Usage(missing.to_owned()).into());
        }
        table.try_into().map_err(|error| explain(&error, source, &[]))
    }

    /// The method for rows of width `d_in`, with `expansion = X` turned into `d_sae = X * d_in`.
    pub(crate) fn learner(&self, d_in: usize) -> Result<LearnerConfig> {
        let mut table = self.learner.clone();
        table.entry("architecture").or_insert_with(|| ARCHITECTURE.into());
        let expansion = table.remove("expansion");
        match (table.contains_key("d_sae"), expansion) {
            (true, None) => {}
            (false, Some(expansion)) => {
                table.insert("d_sae".to_owned(), d_sae_of(&expansion, d_in)?);
            }
            (true, Some(_)) => {
                let text = "`d_sae` and `expansion` are both set in [learner]; give one of them";
                return Err(Usage(text.to_owned()).into());
            }
            (false, None) => {
                let text = "`d_sae` is not set; give `--d-sae N` or `--expansion X`, or `d_sae` or \
                            `expansion` in [learner] of the configuration file";
                return Err(Usage(text.to_owned()).into());
            }
        }
        let learner = Value::Table(table).try_into::<LearnerConfig>();
        learner.map_err(|error| explain(&error, self.source.as_ref(), &["expansion"]))
    }
}

/// The number of latents that are `expansion` times `d_in`.
fn d_sae_of(expansion: &Value, d_in: usize) -> Result<Value> {
    let factor = expansion.as_float().or_else(|| Some(expansion.as_integer()? as f64));
    let d_sae = factor.map(|factor| (factor * d_in as f64).round());
    match d_sae.filter(|d_sae| (1.0..1e9).contains(d_sae)) {
        Some(d_sae) => Ok(Value::Integer(d_sae as i64)),
        None => Err(Usage(format!(
            "`expansion` is {expansion}, expected a positive factor such as 8, which gives 8 * \
             {d_in} latents"
        ))
        .into()),
    }
}

/// Replaces in `table` what `over` says, table by table.
fn lay_over(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    const FILE: &str = r#"
        store = "acts"
        [run]
        epochs = 2.0
        seed = 3
        [learner]
        architecture = "topk"
        d_sae = 64
        k = 4
        adam = { lr = 1e-3 }
    "#;

    #[test]
    fn flags_override_the_file_key_by_key() {
        let flags = table("hook = 'h'\n[run]\nseed = 9\n[learner]\nk = 8\nadam = { beta1 = 0.8 }");
        let config = TrainConfig::merged(table(FILE), flags, None).unwrap();
        let hook = config.hook.as_deref();
        assert_eq!((&config.store[..], hook), (&[PathBuf::from("acts").into()][..], Some("h")));
        assert_eq!((config.run.seed, config.run.epochs), (9, Some(2.0)));
        let LearnerConfig::TopK(top_k) = config.learner(16).unwrap();
        assert_eq!((top_k.d_sae, top_k.k), (64, 8));
        assert_eq!((top_k.adam.lr, top_k.adam.beta1), (1e-3, 0.8));
    }

    #[test]
    fn rows_on_the_command_line_replace_epochs_in_the_file() {
        let config = TrainConfig::merged(table(FILE), table("[run]\nrows = 100"), None).unwrap();
        assert_eq!((config.run.rows, config.run.epochs), (Some(100), None));
    }

    #[test]
    fn an_expansion_is_of_the_width_in_a_file_and_as_a_flag() {
        let width = |file: &str, flags: &str, d_in| {
            let config = TrainConfig::merged(table(file), table(flags), None).unwrap();
            let LearnerConfig::TopK(top_k) = config.learner(d_in)?;
            Ok::<_, anyhow::Error>(top_k.d_sae)
        };
        let file = "store = 's'\n[learner]\nk = 2\n";
        assert_eq!(width(file, "[learner]\nexpansion = 8.0", 192).unwrap(), 1536);
        let of_file = format!("{file}expansion = 16");
        assert_eq!(width(&of_file, "", 24).unwrap(), 384);
        assert_eq!(width(&of_file, "[learner]\nd_sae = 7", 24).unwrap(), 7);
        let message = width(file, "", 192).unwrap_err().to_string();
        assert!(message.contains("--d-sae") && message.contains("--expansion"), "{message}");
        let message = width(&format!("{of_file}\nd_sae = 5"), "", 24).unwrap_err().to_string();
        assert!(message.contains("both set"), "{message}");
        let message = width(&format!("{file}expansion = -1.0"), "", 24).unwrap_err().to_string();
        assert!(message.contains("`expansion` is -1"), "{message}");
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line_and_the_nearest_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.toml");
        for (text, parts) in [
            ("stores = 'x'\nstore = 'y'", ["line 1", "`stores`", "nearest is `store`"]),
            ("store = 'y'\n[run]\nbtach = 3", ["line 3", "`btach`", "nearest is `batch`"]),
            ("store = 'y'\n[run]\nbatch_rows = 3", ["line 3", "`batch_rows`", "`batch` now"]),
            ("store = 'y'\n[run]\nbatch = 'x'", ["line 3", "invalid type", "string"]),
            ("store = 'y'\n[run\n", ["line 2", "not valid", "train.toml"]),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = TrainConfig::read(Some(&path), Table::new()).unwrap_err().to_string();
            assert!(message.contains("train.toml"), "{message}");
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
        for (line, parts) in [
            ("kaux = 3", ["line 11", "`kaux`", "nearest is `k_aux`"]),
            ("expantion = 3", ["line 11", "`expantion`", "nearest is `expansion`"]),
            ("auxk_coefficient = 3", ["line 11", "`auxk_coefficient`", "called `auxk` now"]),
        ] {
            std::fs::write(&path, format!("{}\n{line}", FILE.trim_end())).unwrap();
            let config = TrainConfig::read(Some(&path), Table::new()).unwrap();
            let message = config.learner(16).unwrap_err().to_string();
            assert!(message.contains("train.toml"), "{message}");
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
    }

    #[test]
    fn a_setting_that_is_missing_is_named_with_its_flag() {
        let flags = table("store = 's'\n[learner]\nd_sae = 2");
        let config = TrainConfig::merged(Table::new(), flags, None).unwrap();
        let error = config.learner(16).unwrap_err();
        assert!(error.is::<Usage>(), "{error}");
        assert!(error.to_string().contains("`--k`"), "{error}");
    }
}
