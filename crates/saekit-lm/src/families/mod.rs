//! One file a model family: what its configuration means and where its checkpoint keeps what.

mod gpt2;

use crate::Error;
use crate::blueprint::{Blueprint, ConfigFile};
use crate::checkpoint::Checkpoint;
use crate::weights::{Loader, Weights};

/// A model family.
pub(crate) struct Family {
    /// `model_type` in `config.json`.
    pub(crate) model_type: &'static str,
    /// The architecture that a configuration describes, or which setting cannot be run.
    pub(crate) blueprint: fn(&ConfigFile) -> Result<Blueprint, Error>,
    /// What this checkpoint puts before every name, such as `transformer.`; may be nothing.
    pub(crate) prefix: fn(&Checkpoint) -> &'static str,
    /// Whether this tensor, by its name without the prefix, is weights of a block. Such a tensor
    /// must be used; others (buffers, heads for other tasks) may be left over.
    pub(crate) belongs_to_a_block: fn(&str) -> bool,
    /// Reads every weight under the name and in the layout this family has.
    pub(crate) weights: fn(&mut Loader<'_>, &Blueprint) -> Result<Weights, Error>,
}

/// All there are. A new one is a file beside this one and a line here.
const FAMILIES: &[Family] = &[gpt2::FAMILY];

impl Family {
    /// The family that `config` names.
    pub(crate) fn of(config: &ConfigFile) -> Result<&'static Self, Error> {
        let model_type = config.model_type();
        let known = FAMILIES.iter().find(|family| model_type == family.model_type);
        known.ok_or_else(|| {
            let names: Vec<_> = FAMILIES.iter().map(|f| format!("`{}`", f.model_type)).collect();
            Error::UnknownFamily {
                found: model_type.to_string(),
                supported: names.join(", "),
                path: config.path().to_owned(),
            }
        })
    }
}
