//! The resolved plan of a run.

use anyhow::Result;
use saekit_learners::LearnerPlan;
use saekit_train::RunPlan;
use serde::{Deserialize, Serialize};

use crate::exit::Usage;
use crate::options::place::ChoiceOptions;
use crate::options::rows::RowOptions;
use crate::options::store::StoreOptions;

/// Everything that decides a run: `plan.toml`. A run is resumed where every field is the same but
/// those that say where rows lie.
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
    pub(crate) learner: LearnerPlan,
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
    use saekit_learners::{LearnerConfig, top_k};
    use saekit_train::RunConfig;

    use super::*;

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
