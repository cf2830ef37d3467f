use std::fs;
use std::path::Path;

use saekit_core::{HookPoint, LanguageModel as _, TokenBatch};
use saekit_lm::{Decoder, Device};

use crate::support::{edit_json, edit_weights, tiny, tiny_copy};

/// Loads `dir`, which must fail with a message that has all of `parts`.
fn assert_refused(dir: &Path, parts: &[&str]) {
    let message = Decoder::load(dir, &Device::flex()).err().expect("refused").to_string();
    for part in parts {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}

fn with_config(change: impl FnOnce(&mut serde_json::Value), parts: &[&str]) {
    let dir = tiny_copy("tiny");
    edit_json(&dir.path().join("config.json"), change);
    assert_refused(dir.path(), parts);
}

fn with_weight_bytes(change: impl FnOnce(&mut Vec<u8>), parts: &[&str]) {
    let dir = tiny_copy("tiny");
    let path = dir.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    assert_refused(dir.path(), parts);
}

#[test]
fn missing_config() {
    let dir = tiny_copy("tiny");
    fs::remove_file(dir.path().join("config.json")).unwrap();
    assert_refused(dir.path(), &["config.json does not exist; point at the folder"]);
}

#[test]
fn config_that_is_not_json() {
    let dir = tiny_copy("tiny");
    fs::write(dir.path().join("config.json"), "{\"model_type\": ").unwrap();
    assert_refused(dir.path(), &["config.json is not a valid model configuration"]);
}

#[test]
fn missing_config_key() {
    let remove = |c: &mut serde_json::Value| drop(c.as_object_mut().unwrap().remove("n_embd"));
    with_config(remove, &["config.json is not a valid gpt2", "missing field `n_embd`", "use the"]);
}

#[test]
fn config_key_of_the_wrong_kind() {
    with_config(|c| c["n_layer"] = "three".into(), &["config.json", "\"three\"", "use the one"]);
}

#[test]
fn unknown_model_type() {
    let parts =
        ["`model_type` is \"mamba\"", "choose a model of one of these: `gpt2`", "config.json"];
    with_config(|c| c["model_type"] = "mamba".into(), &parts);
}

#[test]
fn no_model_type() {
    let remove = |c: &mut serde_json::Value| drop(c.as_object_mut().unwrap().remove("model_type"));
    with_config(remove, &["`model_type` is null", "`gpt2`"]);
}

#[test]
fn unknown_activation_function() {
    let parts = ["`activation_function` is `swishish`, expected `gelu_new`", "config.json"];
    with_config(|c| c["activation_function"] = "swishish".into(), &parts);
}

#[test]
fn settings_that_ask_for_another_forward_pass() {
    for setting in
        ["scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"]
    {
        let expected = format!("setting `{setting}` is true, expected false");
        with_config(|c| c[setting] = true.into(), &[&expected, "config.json"]);
    }
}

#[test]
fn heads_that_do_not_divide_the_width() {
    let parts = ["`n_embd` is 24, expected a multiple of `n_head`, 5", "config.json"];
    with_config(|c| c["n_head"] = 5.into(), &parts);
}

#[test]
fn a_size_of_zero() {
    with_config(|c| c["n_head"] = 0.into(), &["`n_head` is 0, expected at least 1"]);
}

#[test]
fn missing_weights() {
    let dir = tiny_copy("tiny");
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    assert_refused(dir.path(), &["model.safetensors does not exist; download"]);
}

#[test]
fn truncated_safetensors() {
    let parts = ["model.safetensors is not a whole safetensors file", "download it again"];
    with_weight_bytes(|bytes| bytes.truncate(bytes.len() - 1), &parts);
    with_weight_bytes(|bytes| bytes.truncate(100), &parts);
    with_weight_bytes(|bytes| bytes.truncate(5), &parts);
    with_weight_bytes(Vec::clear, &parts);
}

#[test]
fn safetensors_with_bytes_to_spare() {
    with_weight_bytes(|bytes| bytes.push(0), &["is not a whole safetensors file"]);
}

#[test]
fn garbage_for_safetensors() {
    let parts = ["model.safetensors is not a whole safetensors file", "download it again"];
    let page = ["model.safetensors is a page of HTML", "download it again"];
    with_weight_bytes(|bytes| *bytes = b"<!DOCTYPE html><html></html>".to_vec(), &page);
    with_weight_bytes(|bytes| bytes[8..200].fill(b'x'), &parts);
}

#[test]
fn missing_tensor() {
    let dir = tiny_copy("tiny");
    edit_weights(dir.path(), |t| drop(t.remove("transformer.h.1.ln_2.bias")));
    let parts =
        ["tensor `transformer.h.1.ln_2.bias` is missing from ", "model.safetensors", "whole"];
    assert_refused(dir.path(), &parts);
}

#[test]
fn wrong_shape() {
    let dir = tiny_copy("tiny");
    edit_weights(dir.path(), |t| {
        t.get_mut("transformer.h.0.mlp.c_fc.weight").unwrap().1 = vec![96, 24];
    });
    let parts = [
        "tensor `transformer.h.0.mlp.c_fc.weight` has shape [96, 24], expected [24, 96]",
        "model.safetensors",
        "one model",
    ];
    assert_refused(dir.path(), &parts);
}

#[test]
fn weights_of_another_kind() {
    let dir = tiny_copy("tiny");
    edit_weights(dir.path(), |t| {
        t.get_mut("transformer.ln_f.bias").unwrap().0 = safetensors::Dtype::I32;
    });
    assert_refused(
        dir.path(),
        &["tensor `transformer.ln_f.bias` has dtype I32, expected F32, F16"],
    );
}

#[test]
fn fewer_layers_in_the_config_than_in_the_weights() {
    let parts = ["tensor `transformer.h.2.", "has no place in the model", "model.safetensors"];
    with_config(|c| c["n_layer"] = 2.into(), &parts);
}

#[test]
fn missing_shard() {
    let dir = tiny_copy("tiny-sharded-bf16");
    fs::remove_file(dir.path().join("model-00002-of-00002.safetensors")).unwrap();
    assert_refused(dir.path(), &["model-00002-of-00002.safetensors does not exist; the index"]);
}

#[test]
fn index_that_names_a_tensor_no_shard_has() {
    let dir = tiny_copy("tiny-sharded-bf16");
    edit_json(&dir.path().join("model.safetensors.index.json"), |index| {
        index["weight_map"]["transformer.h.9.x"] = "model-00001-of-00002.safetensors".into();
    });
    assert_refused(dir.path(), &["index.json", "`transformer.h.9.x`", "does not have it"]);
}

#[test]
fn an_index_that_names_another_file_than_where_a_tensor_lies() {
    let dir = tiny_copy("tiny-sharded-bf16");
    edit_json(&dir.path().join("model.safetensors.index.json"), |index| {
        let map = index["weight_map"].as_object_mut().unwrap();
        let name = "model-00001-of-00002.safetensors";
        let tensor = map.iter().find(|(_, file)| *file != name).unwrap().0.clone();
        map[&tensor] = name.into();
    });
    assert_refused(
        dir.path(),
        &["index.json", "lies in model-00001", "but it lies in model-00002"],
    );
}

#[test]
fn an_index_that_leaves_the_folder() {
    let dir = tiny_copy("tiny-sharded-bf16");
    edit_json(&dir.path().join("model.safetensors.index.json"), |index| {
        index["weight_map"]["x"] = "../model.safetensors".into();
    });
    assert_refused(dir.path(), &["index.json", "outside of its folder"]);
}

#[test]
fn a_git_lfs_pointer_is_called_that() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    let parts = ["model.safetensors is a git-lfs pointer", "`git lfs pull`"];
    with_weight_bytes(|bytes| *bytes = pointer.to_vec(), &parts);
}

#[test]
fn a_model_that_is_a_file() {
    let dir = tiny_copy("tiny");
    let parts = ["the model's path is a file; give the folder"];
    assert_refused(&dir.path().join("model.safetensors"), &parts);
}

#[test]
fn sizes_and_epsilons_beyond_all_reason() {
    with_config(|c| c["n_layer"] = u32::MAX.into(), &["`n_layer` is 4294967295, expected at most"]);
    with_config(|c| c["n_embd"] = u64::MAX.into(), &["config.json", "`n_embd`"]);
    with_config(|c| c["layer_norm_epsilon"] = (-1.0).into(), &["`layer_norm_epsilon` is -1"]);
    with_config(|c| c["n_head"] = (-2).into(), &["config.json", "-2"]);
}

#[test]
fn hook_that_does_not_exist() {
    for hook in ["blocks.3.hook_resid_post", "blocks.0.hook_resid", "blocks.00.hook_resid_pre", ""]
    {
        let error = tiny().capture(&tokens(1, 0), &[HookPoint::new(hook)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "hook point `{hook}` does not exist in tiny; it has `blocks.{{0..2}}.hook_resid_pre\
                 |hook_attn_out|hook_resid_mid|hook_mlp_out|hook_resid_post`"
            )
        );
    }
}

fn tokens(width: usize, id: u32) -> TokenBatch {
    TokenBatch::new(&[vec![id; width]])
}

#[test]
fn token_id_past_the_vocabulary() {
    let error = tiny().nll(&tokens(4, 61), None).unwrap_err().to_string();
    assert!(error.starts_with("token id 61 does not exist in model `tiny`, whose ids end at 60"));
    assert!(tiny().nll(&tokens(4, 60), None).is_ok());
}

#[test]
fn sequence_longer_than_the_context() {
    let error = tiny().logits(&tokens(17, 1)).unwrap_err().to_string();
    assert!(error.starts_with("a sequence has 17 tokens, but model `tiny` takes at most 16"));
    assert!(tiny().logits(&tokens(16, 1)).is_ok());
}
