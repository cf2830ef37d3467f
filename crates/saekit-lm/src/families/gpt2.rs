//! GPT-2 (Radford et al. 2019) as `transformers` keeps it: linear layers as `Conv1D`, `[d_in,
//! d_out]`; query, key and value in one; learned positions; the norms before attention and MLP.

use serde::Deserialize;

use super::Family;
use crate::Error;
use crate::blueprint::{Activation, Blueprint, ConfigFile, Norm, Residual};
use crate::checkpoint::Checkpoint;
use crate::weights::{Block, Loader, Positions, Weights};

pub(super) const FAMILY: Family =
    Family { model_type: "gpt2", blueprint, prefix, belongs_to_a_block, weights };

/// The settings that matter to the forward pass, with the defaults of `transformers`' `GPT2Config`.
/// The sizes have none: a configuration without them is not one of a particular model.
#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the settings are transformers' own")]
struct Config {
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    vocab_size: usize,
    /// Old configurations have `n_ctx` alone.
    n_positions: Option<usize>,
    n_ctx: Option<usize>,
    n_inner: Option<usize>,
    #[serde(default = "gelu_new")]
    activation_function: String,
    #[serde(default = "epsilon")]
    layer_norm_epsilon: f64,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default)]
    reorder_and_upcast_attn: bool,
    #[serde(default)]
    add_cross_attention: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
}

fn gelu_new() -> String {
    "gelu_new".to_owned()
}

fn epsilon() -> f64 {
    1e-5
}

fn yes() -> bool {
    true
}

fn blueprint(file: &ConfigFile) -> Result<Blueprint, Error> {
    let config: Config = file.parse(FAMILY.model_type)?;
    let n_ctx = config.n_positions.or(config.n_ctx).unwrap_or(0);
    check(file, &config, n_ctx)?;
    let d_head = config.n_embd / config.n_head;
    let activation = Activation::from_name(&config.activation_function).ok_or_else(|| {
        let found = format!("`{}`", config.activation_function);
        file.reject("activation_function", &found, Activation::NAMES)
    })?;
    Ok(Blueprint {
        d_model: config.n_embd,
        n_layers: config.n_layer,
        n_heads: config.n_head,
        d_head,
        d_mlp: config.n_inner.unwrap_or(4 * config.n_embd),
        n_ctx,
        d_vocab: config.vocab_size,
        norm: Norm::LayerNorm { eps: config.layer_norm_epsilon },
        attention_scale: if config.scale_attn_weights { (d_head as f64).powf(-0.5) } else { 1.0 },
        activation,
        residual: Residual::Sequential,
        tied: config.tie_word_embeddings,
    })
}

/// Fails where a size makes no sense or a switch asks for another forward pass.
fn check(file: &ConfigFile, config: &Config, n_ctx: usize) -> Result<(), Error> {
    file.check_sizes(&[
        ("n_embd", config.n_embd),
        ("n_layer", config.n_layer),
        ("n_head", config.n_head),
        ("vocab_size", config.vocab_size),
        ("n_positions", n_ctx),
        ("n_inner", config.n_inner.unwrap_or(1)),
    ])?;
    let eps = config.layer_norm_epsilon;
    if !(eps > 0.0 && eps < 1.0) {
        return Err(file.reject("layer_norm_epsilon", &eps, "a number between 0 and 1"));
    }
    if !config.n_embd.is_multiple_of(config.n_head) {
        let expected = format!("a multiple of `n_head`, {}", config.n_head);
        return Err(file.reject("n_embd", &config.n_embd, expected));
    }
    let switches = [
        ("scale_attn_by_inverse_layer_idx", config.scale_attn_by_inverse_layer_idx),
        ("reorder_and_upcast_attn", config.reorder_and_upcast_attn),
        ("add_cross_attention", config.add_cross_attention),
    ];
    match switches.iter().find(|(_, on)| *on) {
        Some((setting, _)) => Err(file.reject(setting, &"true", "false (the other is not run)")),
        None => Ok(()),
    }
}

/// A bare `GPT2Model` has no prefix; one with a head on it has `transformer.`.
fn prefix(checkpoint: &Checkpoint) -> &'static str {
    if checkpoint.contains("transformer.wte.weight") { "transformer." } else { "" }
}

/// `attn.bias` and `attn.masked_bias` are causal masks that old checkpoints carry.
fn belongs_to_a_block(name: &str) -> bool {
    let is_mask = name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
    name.starts_with("h.") && !is_mask
}

fn weights(from: &mut Loader<'_>, b: &Blueprint) -> Result<Weights, Error> {
    let token_embedding = from.matrix("wte.weight", [b.d_vocab, b.d_model])?;
    let positions = Positions::Learned(from.matrix("wpe.weight", [b.n_ctx, b.d_model])?);
    let blocks = (0..b.n_layers).map(|l| block(from, b, l)).collect::<Result<_, _>>()?;
    let final_norm = from.norm("ln_f", b.d_model)?;
    let unembedding = if b.tied {
        token_embedding.clone()
    } else {
        from.unprefixed("lm_head.weight", [b.d_vocab, b.d_model])?
    };
    Ok(Weights { token_embedding, positions, blocks, final_norm, unembedding })
}

fn block(from: &mut Loader<'_>, b: &Blueprint, l: usize) -> Result<Block, Error> {
    let name = |part: &str| format!("h.{l}.{part}");
    let (d, d_mlp) = (b.d_model, b.d_mlp);
    Ok(Block {
        attn_norm: from.norm(&name("ln_1"), d)?,
        qkv: from.linear(&name("attn.c_attn"), [d, 3 * d])?,
        attn_out: from.linear(&name("attn.c_proj"), [d, d])?,
        mlp_norm: from.norm(&name("ln_2"), d)?,
        mlp_in: from.linear(&name("mlp.c_fc"), [d, d_mlp])?,
        mlp_out: from.linear(&name("mlp.c_proj"), [d_mlp, d])?,
    })
}
