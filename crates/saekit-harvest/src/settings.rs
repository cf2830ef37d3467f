//! The checks of a configuration against the model and its tokenizer.

use saekit_core::{Error as CoreError, LanguageModel, Tokenizer};
use saekit_store::ColumnSpec;

use crate::config::HarvestConfig;
use crate::error::{Error, Result};

/// The columns of the store: each hook point, once, with its width in `model`.
pub(crate) fn columns(
    config: &HarvestConfig,
    model: &dyn LanguageModel,
) -> Result<Vec<ColumnSpec>> {
    let known = model.hook_points();
    let expected = || "one or several hook points, each once".to_owned();
    if config.hooks.is_empty() {
        return Err(Error::Setting {
            name: "hooks",
            found: "empty".to_owned(),
            expected: expected(),
        });
    }
    let mut columns: Vec<ColumnSpec> = Vec::new();
    for hook in &config.hooks {
        let (name, width) = known.iter().find(|(name, _)| name == hook).ok_or_else(|| {
            let names = known.iter().map(|(name, _)| name.as_str());
            CoreError::UnknownHook {
                hook: hook.to_string(),
                model: model.info().name.clone(),
                available: in_words(names),
            }
        })?;
        if columns.iter().any(|column| column.name == *name) {
            let found = format!("`{hook}` twice");
            return Err(Error::Setting { name: "hooks", found, expected: expected() });
        }
        columns.push(ColumnSpec { name: name.clone(), width: *width });
    }
    Ok(columns)
}

/// Tokens a context.
pub(crate) fn context_size(config: &HarvestConfig, n_ctx: usize) -> Result<usize> {
    let size = config.context_size.unwrap_or(n_ctx.min(HarvestConfig::CONTEXT_SIZE));
    if (2..=n_ctx).contains(&size) {
        return Ok(size);
    }
    Err(Error::Setting {
        name: "context_size",
        found: size.to_string(),
        expected: format!("2 to {n_ctx}, the longest sequence the model takes"),
    })
}

/// Ids whose rows are left out, ascending.
pub(crate) fn special(
    config: &HarvestConfig,
    tokenizer: Option<&dyn Tokenizer>,
    d_vocab: usize,
) -> Result<Vec<u32>> {
    let Some(tokenizer) = tokenizer else { return Ok(Vec::new()) };
    if let Some(id) = tokenizer.bos().filter(|id| *id as usize >= d_vocab) {
        return Err(Error::Bos { id, last: d_vocab.saturating_sub(1) });
    }
    if config.keep_special {
        return Ok(Vec::new());
    }
    let mut ids = tokenizer.special_ids().to_vec();
    ids.extend(tokenizer.bos());
    // A padding token may have been added that the model was never resized for.
    ids.retain(|id| (*id as usize) < d_vocab);
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// What the manifest calls the data. Only a name: a store says nothing of the machine it was made
/// on.
pub(crate) fn dataset_name(config: &HarvestConfig) -> String {
    let first = config.inputs.first().and_then(|path| path.file_name());
    config.dataset.clone().unwrap_or_else(|| {
        let name = first.map_or_else(|| "data".into(), |name| name.to_string_lossy());
        if config.choice.is_default() { name.into() } else { format!("{name} ({})", config.choice) }
    })
}

/// Hook points of equal form as one: `blocks.{0..3}.hook_mlp_out`.
fn in_words<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut forms: Vec<(String, Option<(usize, usize)>)> = Vec::new();
    for name in names {
        let number = name.split('.').find_map(|part| part.parse::<usize>().ok());
        let form = name
            .split('.')
            .map(|part| if part.parse::<usize>().is_ok() { "#" } else { part })
            .collect::<Vec<_>>()
            .join(".");
        match (forms.iter_mut().find(|(known, _)| *known == form), number) {
            (Some((_, Some((low, high)))), Some(n)) => {
                (*low, *high) = ((*low).min(n), (*high).max(n));
            }
            _ => forms.push((form, number.map(|n| (n, n)))),
        }
    }
    let words = forms.into_iter().map(|(form, range)| match range {
        Some((low, high)) if low < high => {
            format!("`{}`", form.replace('#', &format!("{{{low}..{high}}}")))
        }
        Some((n, _)) => format!("`{}`", form.replace('#', &n.to_string())),
        None => format!("`{form}`"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn names_of_equal_form_are_said_once() {
        let names = ["hook_embed", "blocks.0.a", "blocks.0.b", "blocks.1.a"];
        assert_eq!(in_words(names.into_iter()), "`hook_embed`, `blocks.{0..1}.a`, `blocks.0.b`");
    }
}
