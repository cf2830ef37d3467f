use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use saekit_core::{Edit, HookPoint, LanguageModel, Matrix, ModelInfo, Result, TokenBatch, files};

use crate::Error;
use crate::blueprint::{Blueprint, ConfigFile};
use crate::checkpoint::Checkpoint;
use crate::families::Family;
use crate::hook::Hook;
use crate::network::{Halt, Network, Taps, to_matrix};
use crate::weights::Loader;

/// Logits that are in memory at once while losses are computed: 32 MiB of them.
const LOGIT_BUDGET: usize = 1 << 23;

/// A causal decoder from a Hugging Face folder, with TransformerLens' hook points.
///
/// Weights of any precision are computed with in `f32`. Activations need memory in proportion to
/// the batch: about `rows * width * (8 d_model + d_mlp)` values; on a CPU, batches of one to four
/// thousand tokens are fastest.
pub struct Decoder {
    network: Network,
    info: ModelInfo,
}

impl Decoder {
    /// Reads `config.json` and `model.safetensors` (or the files that
    /// `model.safetensors.index.json` lists) in `dir`, and puts the weights on `device`.
    ///
    /// Every tensor is checked by name and shape against the configuration, and block weights that
    /// the configuration has no place for are an error. [`ModelInfo::sha256`] is the hash of what
    /// `sha256sum config.json *.safetensors` prints for the files that were read, weights in
    /// ascending order of their names.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, Error> {
        let config = ConfigFile::read(dir)?;
        let family = Family::of(&config)?;
        let blueprint = (family.blueprint)(&config)?;
        let checkpoint = Checkpoint::open(dir)?;
        let mut loader = Loader::new(&checkpoint, device, (family.prefix)(&checkpoint));
        let weights = (family.weights)(&mut loader, &blueprint)?;
        loader.check_all_used(family.belongs_to_a_block)?;
        let info = ModelInfo {
            name: name_of(dir),
            family: family.model_type.to_owned(),
            d_model: blueprint.d_model,
            n_layers: blueprint.n_layers,
            n_ctx: blueprint.n_ctx,
            d_vocab: blueprint.d_vocab,
            sha256: hash(config.path(), &checkpoint)?,
        };
        let network = Network { blueprint, weights, device: device.clone() };
        Ok(Self { network, info })
    }

    /// The logits of every position, `[rows * width, d_vocab]`. All of them are in memory at once:
    /// meant for a prompt, not for a corpus.
    pub fn logits(&self, tokens: &TokenBatch) -> Result<Matrix> {
        self.check(tokens)?;
        if tokens.ids().is_empty() {
            return Ok(Matrix::zeros(0, self.info.d_vocab));
        }
        let x = self.run_to_end(tokens, Taps::default())?;
        Ok(to_matrix(self.network.unembed(self.network.final_norm(x)))?)
    }

    /// The residual stream after the last block, or nothing where the pass stopped before.
    fn run(&self, tokens: &TokenBatch, taps: &mut Taps<'_>) -> Result<Option<Tensor<2>>> {
        match self.network.run(tokens, taps) {
            Ok(x) => Ok(Some(x)),
            Err(Halt::Done) => Ok(None),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    /// The residual stream after the last block; `taps` must not stop the pass.
    fn run_to_end(&self, tokens: &TokenBatch, mut taps: Taps<'_>) -> Result<Tensor<2>> {
        Ok(self.run(tokens, &mut taps)?.expect("nothing stops the pass"))
    }

    fn blueprint(&self) -> &Blueprint {
        &self.network.blueprint
    }

    fn hook(&self, point: &HookPoint) -> Result<Hook> {
        Hook::find(point, self.blueprint()).ok_or_else(|| saekit_core::Error::UnknownHook {
            hook: point.to_string(),
            model: self.info.name.clone(),
            available: Hook::listing(self.blueprint()),
        })
    }

    /// Fails at a token id or a length that the model does not take.
    fn check(&self, tokens: &TokenBatch) -> Result<(), Error> {
        let ModelInfo { name, n_ctx, d_vocab, .. } = &self.info;
        if tokens.width() > *n_ctx {
            let (found, model) = (tokens.width(), name.clone());
            return Err(Error::TooLong { found, model, n_ctx: *n_ctx });
        }
        match tokens.ids().iter().find(|id| **id as usize >= *d_vocab) {
            Some(id) => Err(Error::TokenId { id: *id, model: name.clone(), d_vocab: *d_vocab }),
            None => Ok(()),
        }
    }
}

impl LanguageModel for Decoder {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn hook_points(&self) -> Vec<(HookPoint, usize)> {
        let blueprint = self.blueprint();
        Hook::all(blueprint)
            .map(|hook| (HookPoint::new(hook.to_string()), hook.width(blueprint)))
            .collect()
    }

    fn capture(&self, tokens: &TokenBatch, hooks: &[HookPoint]) -> Result<Vec<Matrix>> {
        self.check(tokens)?;
        let hooks: Vec<Hook> = hooks.iter().map(|h| self.hook(h)).collect::<Result<_>>()?;
        let width = |hook: &Hook| hook.width(self.blueprint());
        if tokens.ids().is_empty() || hooks.is_empty() {
            return Ok(hooks.iter().map(|hook| Matrix::zeros(0, width(hook))).collect());
        }
        let reads = hooks.iter().map(|hook| (*hook, None)).collect();
        let mut taps = Taps { reads, stop_after_reads: true, edits: BTreeMap::new() };
        self.run(tokens, &mut taps)?;
        let mut reads = taps.reads;
        let mut matrices = Vec::with_capacity(hooks.len());
        for (i, hook) in hooks.iter().enumerate() {
            let asked_again = hooks[i + 1..].contains(hook);
            let read = if asked_again { reads[hook].clone() } else { reads.remove(hook).flatten() };
            matrices.push(to_matrix(read.expect("the pass came by every hook"))?);
        }
        Ok(matrices)
    }

    fn nll(&self, tokens: &TokenBatch, edit: Option<Edit<'_>>) -> Result<Matrix> {
        self.check(tokens)?;
        let mut taps = Taps::default();
        if let Some(edit) = edit {
            taps.edits.insert(self.hook(edit.hook)?, edit.replace);
        }
        let (rows, scored) = (tokens.rows(), tokens.width().saturating_sub(1));
        if rows * scored == 0 {
            return Ok(Matrix::zeros(rows, scored));
        }
        let x = self.run_to_end(tokens, taps)?;
        let x = self.network.final_norm(x).reshape([rows, scored + 1, self.info.d_model]);
        let x = x.narrow(1, 0, scored).reshape([rows * scored, self.info.d_model]);
        let targets: Vec<u32> =
            tokens.ids().chunks(scored + 1).flat_map(|ids| &ids[1..]).copied().collect();
        let chunk = (LOGIT_BUDGET / self.info.d_vocab).max(1);
        let mut losses = Vec::with_capacity(targets.len());
        for (i, targets) in targets.chunks(chunk).enumerate() {
            let rows = x.clone().narrow(0, i * chunk, targets.len());
            losses.extend(self.network.cross_entropy(rows, targets)?);
        }
        Ok(Matrix::new(rows, scored, losses))
    }

    fn unembedding(&self) -> Result<Matrix> {
        Ok(to_matrix(self.network.weights.unembedding.clone())?)
    }
}

/// The folder's name.
fn name_of(dir: &Path) -> String {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
}

/// See [`Decoder::load`].
fn hash(config: &Path, checkpoint: &Checkpoint) -> Result<String, Error> {
    let line = |path: &Path| -> Result<String, Error> {
        let name = path.file_name().expect("a file has a name").to_string_lossy();
        Ok(format!("{}  {name}\n", files::sha256_file(path)?))
    };
    let paths = std::iter::once(config).chain(checkpoint.paths());
    let listing = paths.map(line).collect::<Result<String, Error>>()?;
    Ok(files::sha256(listing.as_bytes()))
}
