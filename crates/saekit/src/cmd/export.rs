//! `saekit export`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use saekit_core::files::{FolderLock, partial_path};
use saekit_core::{Error as CoreError, Provenance, number};
use saekit_dictionary::format::{self, Format};

use crate::exit::Usage;
use crate::models::Trained;
use crate::session::{self, Session};

const EXAMPLES: &str = "\
Examples:
  saekit export run --format saelens --out sae
  saekit export run --format saelens --out sae --model-name gpt2 --hook-name blocks.6.hook_resid_post
  saekit export sae --format saekit --out dictionary";

/// Every file that an export of any format consists of: what `--force` may remove.
const EXPORTED: [&str; 4] =
    ["cfg.json", "dictionary.json", "dictionary.safetensors", "sae_weights.safetensors"];

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of a run, or of a dictionary in any format
    #[arg(value_name = "RUN|DICTIONARY")]
    from: PathBuf,
    /// Format to write: saelens or saekit
    #[arg(long, value_name = "FORMAT")]
    format: String,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the model the dictionary belongs to, such as gpt2 [default: as recorded]
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// Hook point the dictionary belongs to, by its `TransformerLens` name, such as
    /// `blocks.6.hook_resid_post` [default: as recorded]
    #[arg(long, value_name = "NAME")]
    hook_name: Option<String>,
    /// Replace the export that is in the output folder
    #[arg(long)]
    force: bool,
}

/// Exports, and says how to load it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<()> {
    let Some(format) = format::by_name(&args.format) else {
        let known: Vec<_> = format::FORMATS.iter().map(|f| format!("`{}`", f.name())).collect();
        let text = format!("there is no format `{}`; there is {}", args.format, known.join(", "));
        return Err(Usage(text).into());
    };
    let mut trained = Trained::open(&args.from)?;
    let from = &mut trained.dictionary.provenance;
    if let Some(warning) = missing(from, args) {
        session.warn(&warning);
    }
    from.model = args.model_name.clone().or(from.model.take());
    from.hook_point = args.hook_name.clone().or(from.hook_point.take());
    session.interrupt.check()?;
    perform(&trained, format, &args.out, args.force)?;
    session::print(&summary(format, &args.out)?)?;
    Ok(())
}

/// The warning for an export without a model or a hook point that other tools can look up. `from` is
/// what the dictionary records: without a model, its hook point is only the name of a column.
fn missing(from: &Provenance, args: &Args) -> Option<String> {
    let has_model = args.model_name.is_some() || from.model.is_some();
    let has_hook = args.hook_name.is_some() || (from.model.is_some() && from.hook_point.is_some());
    let (unknown, flags) = match (has_model, has_hook) {
        (true, true) => return None,
        (false, true) => ("the model", "`--model-name`"),
        (true, false) => ("the hook point", "`--hook-name`"),
        (false, false) => ("the model and the hook point", "`--model-name` and `--hook-name`"),
    };
    let column = from.hook_point.as_ref().filter(|_| !has_hook);
    let column =
        column.map_or_else(String::new, |name| format!(" (the rows were a column `{name}`)"));
    Some(format!(
        "the dictionary does not record {unknown} it belongs to{column}; tools that read \
         `model_name` and `hook_name` need them: give {flags}"
    ))
}

/// Writes `trained` into `out` as a whole: under another name first, then renamed.
pub(crate) fn perform(
    trained: &Trained,
    format: &dyn Format,
    out: &Path,
    force: bool,
) -> Result<()> {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    // Beside the folder, which is replaced as a whole.
    let _held = FolderLock::take(out, &out.with_file_name(name), "export")?.temporary();
    check_replaceable(out, force)?;
    let partial = partial_path(out);
    check_replaceable(&partial, true)?;
    remove(&partial)?;
    fs::create_dir_all(&partial).map_err(CoreError::io("create", &partial))?;
    if let Err(error) = format.write(&trained.dictionary, &partial) {
        remove(&partial)?;
        return Err(error.into());
    }
    remove(out)?;
    fs::rename(&partial, out).map_err(CoreError::io("write", out))?;
    Ok(())
}

/// Fails unless `out` may be replaced: it is absent or empty or, with `force`, holds nothing but an
/// export.
fn check_replaceable(out: &Path, force: bool) -> Result<()> {
    let entries = match fs::read_dir(out) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(CoreError::io("read", out))?,
    };
    for entry in entries {
        let name = entry.map_err(CoreError::io("read", out))?.file_name();
        let name = name.to_string_lossy();
        if !EXPORTED.contains(&name.trim_end_matches(".partial")) {
            bail!(
                "{} holds `{name}`, which no export has; choose another output folder",
                out.display()
            );
        }
        if !force {
            bail!(
                "{} already holds an export; choose another folder, or overwrite it with `--force`",
                out.display()
            );
        }
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CoreError::io("remove", dir)(error).into())
        }
        _ => Ok(()),
    }
}

fn summary(format: &dyn Format, out: &Path) -> Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(out).map_err(CoreError::io("read", out))? {
        let path = entry.map_err(CoreError::io("read", out))?.path();
        let bytes = path.metadata().map_err(CoreError::io("read", &path))?.len();
        files.push(format!("{} ({})", path.display(), number::bytes(bytes)));
    }
    files.sort();
    Ok(format!("{}\nin Python: {}\n", files.join("\n"), python(format.name(), out)))
}

/// A line of Python that loads an export.
pub(crate) fn python(format: &str, out: &Path) -> String {
    // Debug of a string escapes as Python does, but for exotic characters.
    let dir = out.display().to_string();
    if format == "saelens" {
        return format!("from sae_lens import SAE; sae = SAE.load_from_disk({dir:?})");
    }
    let file = out.join("dictionary.safetensors").display().to_string();
    format!("from safetensors.torch import load_file; tensors = load_file({file:?})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_export_is_replaced_and_only_when_forced() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("sae");
        check_replaceable(&out, false).unwrap();
        fs::create_dir(&out).unwrap();
        check_replaceable(&out, false).unwrap();
        fs::write(out.join("cfg.json"), "{}").unwrap();
        let message = check_replaceable(&out, false).unwrap_err().to_string();
        assert!(message.contains("--force"), "{message}");
        check_replaceable(&out, true).unwrap();
        fs::write(out.join("thesis.tex"), "").unwrap();
        let message = check_replaceable(&out, true).unwrap_err().to_string();
        assert!(message.contains("thesis.tex"), "{message}");
    }
}
