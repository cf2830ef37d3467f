//! The training configuration: a TOML file with the flags laid over it, and the resolved plan.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use saekit_learners::LearnerConfig;
use saekit_train::{RunConfig, RunPlan};
use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

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
    pub(crate) weights: Vec<f64>,
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
    /// Where it came from, for messages.
    #[serde(skip)]
    origin: Option<PathBuf>,
}

/// Everything that decides a run: `plan.toml`. A run is resumed where this is the same, but for
/// where rows lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The version that planned it.
    pub(crate) saekit: String,
    /// The kind of device.
    pub(crate) device: String,
    /// Where rows come from.
    pub(crate) store: PlannedStore,
    /// Which of them.
    #[serde(default, skip_serializing_if = "RowOptions::is_all")]
    pub(crate) rows: RowOptions,
    /// The loop.
    pub(crate) run: RunPlan,
    /// The method.
    pub(crate) learner: LearnerConfig,
    /// Other stores whose rows are mixed with those of the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mixed: Vec<PlannedStore>,
}

/// The rows of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlannedStore {
    /// The folder, as it was given; an address without what may be secret.
    pub(crate) path: String,
    /// Which version was read, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<String>,
    /// Hash of its manifest, hex.
    pub(crate) sha256: String,
    /// Column of the rows.
    pub(crate) hook: String,
    /// Its share of the rows, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<f64>,
    /// Which of its files, where not all.
    #[serde(default, skip_serializing_if = "ChoiceOptions::is_default")]
    pub(crate) choose: ChoiceOptions,
    /// What was said of the store.
    #[serde(default, skip_serializing_if = "StoreOptions::is_default")]
    pub(crate) options: StoreOptions,
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
        let table = match file {
            None => Table::new(),
            Some(path) => fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?
                .parse::<Table>()
                .map_err(|error| anyhow!("{} is not valid TOML: {error}", path.display()))?,
        };
        let mut config = Self::merged(table, flags).map_err(|error| explain(error, file))?;
        config.origin = file.map(Path::to_owned);
        Ok(config)
    }

    fn merged(mut table: Table, flags: Table) -> Result<Self> {
        // The two say the same thing, so a flag for one replaces the file's other.
        for (given, replaced) in [("rows", "epochs"), ("epochs", "rows")] {
            let is_given = flags.get("run").is_some_and(|run| run.get(given).is_some());
            if let (true, Some(Value::Table(run))) = (is_given, table.get_mut("run")) {
                run.remove(replaced);
            }
        }
        lay_over(&mut table, flags);
        if !table.contains_key("store") && !table.contains_key("harvest") {
            let missing = "no store was named; give `--store DIR`, or `store = \"DIR\"` in the \
                           configuration file";
            return Err(Usage(missing.to_owned()).into());
        }
        Ok(table.try_into()?)
    }

    /// The method for rows of width `d_in`; `expansion` asks for that many latents a dimension.
    pub(crate) fn learner(&self, d_in: usize, expansion: Option<f64>) -> Result<LearnerConfig> {
        let mut table = self.learner.clone();
        table.entry("architecture").or_insert_with(|| ARCHITECTURE.into());
        if let Some(expansion) = expansion {
            let d_sae = (expansion * d_in as f64).round();
            if !(1.0..1e9).contains(&d_sae) {
                let found = format!("`--expansion` {expansion} asks for {d_sae} latents");
                return Err(Usage(format!("{found}; give a positive factor such as 8")).into());
            }
            table.insert("d_sae".to_owned(), Value::Integer(d_sae as i64));
        }
        let needed = [("d_sae", "`--d-sae N` or `--expansion X`"), ("k", "`--k K`")];
        for (key, flags) in needed {
            if !table.contains_key(key) && table["architecture"].as_str() == Some(ARCHITECTURE) {
                let text = format!(
                    "`{key}` is not set; give {flags}, or `{key}` in [learner] of the configuration file"
                );
                return Err(Usage(text).into());
            }
        }
        let learner = Value::Table(table).try_into::<LearnerConfig>();
        learner.map_err(|error| explain(anyhow!("[learner]: {error}"), self.origin.as_deref()))
    }
}

/// Sets `key` to `value`, where there is one.
pub(crate) fn put<T: Serialize>(table: &mut Table, key: &str, value: Option<T>) -> Result<()> {
    if let Some(value) = value {
        let value = Value::try_from(value)
            .map_err(|error| Usage(format!("`{key}` is out of range: {error}")))?;
        table.insert(key.to_owned(), value);
    }
    Ok(())
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

/// The error on one line, with the file named.
fn explain(error: anyhow::Error, file: Option<&Path>) -> anyhow::Error {
    if error.is::<Usage>() {
        return error;
    }
    let text = error.to_string();
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let place = file.map_or_else(|| "the flags".to_owned(), |path| path.display().to_string());
    anyhow!("the training configuration ({place}) is not valid: {}", lines.join(", "))
}

impl Plan {
    /// The plan as it is saved and compared.
    pub(crate) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| {
            Usage(format!("a setting does not fit the plan: {error}; integers go up to 2^63 - 1"))
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saekit_learners::top_k;

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
        let config = TrainConfig::merged(table(FILE), flags).unwrap();
        let hook = config.hook.as_deref();
        assert_eq!((&config.store[..], hook), (&[PathBuf::from("acts").into()][..], Some("h")));
        assert_eq!((config.run.seed, config.run.epochs), (9, Some(2.0)));
        let LearnerConfig::TopK(top_k) = config.learner(16, None).unwrap();
        assert_eq!((top_k.d_sae, top_k.k), (64, 8));
        assert_eq!((top_k.adam.lr, top_k.adam.beta1), (1e-3, 0.8));
    }

    #[test]
    fn rows_on_the_command_line_replace_epochs_in_the_file() {
        let config = TrainConfig::merged(table(FILE), table("[run]\nrows = 100")).unwrap();
        assert_eq!((config.run.rows, config.run.epochs), (Some(100), None));
    }

    #[test]
    fn an_expansion_is_of_the_width() {
        let flags = table("store = 's'\n[learner]\nk = 2");
        let config = TrainConfig::merged(Table::new(), flags).unwrap();
        let LearnerConfig::TopK(top_k) = config.learner(192, Some(8.0)).unwrap();
        assert_eq!(top_k.d_sae, 1536);
        let message = config.learner(192, None).unwrap_err().to_string();
        assert!(message.contains("--d-sae") && message.contains("--expansion"), "{message}");
    }

    #[test]
    fn unknown_keys_are_named_with_their_table_and_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.toml");
        for (text, key) in [
            ("stores = 'x'\nstore = 'y'", "stores"),
            ("store = 'y'\n[run]\nbtach_rows = 3", "btach_rows"),
        ] {
            fs::write(&path, text).unwrap();
            let message = TrainConfig::read(Some(&path), Table::new()).unwrap_err().to_string();
            assert!(message.contains(key) && message.contains("train.toml"), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
        fs::write(&path, format!("{FILE}\nkaux = 3")).unwrap();
        let config = TrainConfig::read(Some(&path), Table::new()).unwrap();
        let message = config.learner(16, None).unwrap_err().to_string();
        assert!(message.contains("kaux") && message.contains("train.toml"), "{message}");
    }

    #[test]
    fn a_plan_is_written_and_read_as_it_is() {
        let run = RunConfig { rows: Some(4096), ..RunConfig::default() }.resolve(4096).unwrap();
        let learner = LearnerConfig::TopK(top_k::Config::new(64, 4)).resolve(16, 4096).unwrap();
        let plan = Plan {
            saekit: "0.1.0".to_owned(),
            device: "cpu".to_owned(),
            store: PlannedStore {
                path: "acts".to_owned(),
                revision: None,
                sha256: "00ff".to_owned(),
                hook: "blocks.1.hook_resid_post".to_owned(),
                weight: None,
                choose: ChoiceOptions::default(),
                options: StoreOptions::default(),
            },
            rows: RowOptions::default(),
            run,
            learner,
            mixed: Vec::new(),
        };
        let text = plan.to_toml().unwrap();
        assert_eq!(text, include_str!("../../../tests/plan.toml"));
        assert_eq!(toml::from_str::<Plan>(&text).unwrap(), plan);
    }
}
