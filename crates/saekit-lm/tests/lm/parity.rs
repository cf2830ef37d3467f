use std::path::Path;

use saekit_core::LanguageModel as _;
use saekit_lm::Decoder;

use crate::support::{
    assert_close, bytes_of, capture, demo_model, edit_json, edit_weights, floats, golden, input,
    load, read_tensors, tiny, tiny_copy, tiny_input,
};

/// Every hook, the logits and the losses of `model` against `file`.
fn assert_equals_transformers(model: &Decoder, file: &Path) {
    let expected = read_tensors(file);
    let tokens = input(&expected);
    let hooks: Vec<&str> =
        expected.keys().filter(|name| name.starts_with("blocks.")).map(String::as_str).collect();
    for (hook, found) in hooks.iter().zip(capture(model, &tokens, &hooks)) {
        assert_close(hook, found.as_slice(), &floats(&expected, hook));
    }
    let nll = model.nll(&tokens, None).unwrap();
    assert_close("nll", nll.as_slice(), &floats(&expected, "nll"));
    if expected.contains_key("logits") {
        assert_eq!(hooks.len(), model.hook_points().len());
        let logits = model.logits(&tokens).unwrap();
        assert_close("logits", logits.as_slice(), &floats(&expected, "logits"));
    }
}

#[test]
fn every_hook_equals_transformers() {
    assert_equals_transformers(&tiny(), &golden("tiny/golden.safetensors"));
}

#[test]
fn two_bf16_shards_equal_transformers() {
    let dir = golden("tiny-sharded-bf16");
    assert_equals_transformers(&load(&dir), &dir.join("golden.safetensors"));
}

#[test]
fn the_demo_model_equals_transformers() {
    let model = load(&demo_model());
    assert_equals_transformers(&model, &golden("demo.safetensors"));
    let expected = read_tensors(&golden("demo.safetensors"));
    let tokens = input(&expected);
    let logits = model.logits(&tokens).unwrap();
    let width = tokens.width();
    let last: Vec<f32> = (0..tokens.rows())
        .flat_map(|row| (width - 4..width).map(move |t| row * width + t))
        .flat_map(|position| logits.row(position))
        .copied()
        .collect();
    assert_close("logits", &last, &floats(&expected, "logits_last4"));
}

#[test]
fn weights_without_a_prefix_and_with_mask_buffers_are_the_same_model() {
    let dir = tiny_copy("tiny");
    edit_weights(dir.path(), |tensors| {
        let bare = |name: &String| name.strip_prefix("transformer.").unwrap().to_owned();
        *tensors = tensors.iter().map(|(name, tensor)| (bare(name), tensor.clone())).collect();
        let mask = (safetensors::Dtype::U8, vec![1, 1, 2, 2], vec![1, 0, 1, 1]);
        tensors.insert("h.0.attn.bias".to_owned(), mask);
        let masked = (safetensors::Dtype::F32, vec![], bytes_of(&[-1e4]));
        tensors.insert("h.0.attn.masked_bias".to_owned(), masked);
    });
    let model = load(dir.path());
    assert_equals_transformers(&model, &golden("tiny/golden.safetensors"));
    assert_ne!(model.info().sha256, tiny().info().sha256);
}

#[test]
fn f16_weights_are_read() {
    let dir = tiny_copy("tiny");
    edit_weights(dir.path(), |tensors| {
        for (dtype, _, bytes) in tensors.values_mut() {
            let values = bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes);
            *bytes = values.flat_map(|v| half::f16::from_f32(v).to_le_bytes()).collect();
            *dtype = safetensors::Dtype::F16;
        }
    });
    let (half, whole) = (load(dir.path()), tiny());
    let embedding = half.unembedding().unwrap();
    for (a, b) in embedding.as_slice().iter().zip(whole.unembedding().unwrap().as_slice()) {
        assert_eq!(*a, half::f16::from_f32(*b).to_f32());
    }
}

#[test]
fn an_untied_unembedding_is_its_own_tensor() {
    let dir = tiny_copy("tiny");
    edit_json(&dir.path().join("config.json"), |c| c["tie_word_embeddings"] = false.into());
    edit_weights(dir.path(), |tensors| {
        let (dtype, shape, bytes) = tensors["transformer.wte.weight"].clone();
        let values = bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes);
        let doubled: Vec<f32> = values.map(|v| 2.0 * v).collect();
        tensors.insert("lm_head.weight".to_owned(), (dtype, shape, bytes_of(&doubled)));
    });
    let logits = load(dir.path()).logits(&tiny_input()).unwrap();
    let tied = tiny().logits(&tiny_input()).unwrap();
    let doubled: Vec<f32> = tied.as_slice().iter().map(|v| 2.0 * v).collect();
    assert_close("logits", logits.as_slice(), &doubled);
}

#[test]
fn each_activation_function_is_another() {
    let logits = |name: &str| {
        let dir = tiny_copy("tiny");
        edit_json(&dir.path().join("config.json"), |c| c["activation_function"] = name.into());
        load(dir.path()).logits(&tiny_input()).unwrap()
    };
    let tanh = logits("gelu_new");
    assert_eq!(tanh, logits("gelu_pytorch_tanh"));
    assert_ne!(tanh, logits("gelu"));
    assert_ne!(tanh, logits("relu"));
}

#[test]
fn unscaled_attention_with_scaled_queries_is_scaled_attention() {
    let dir = tiny_copy("tiny");
    edit_json(&dir.path().join("config.json"), |c| c["scale_attn_weights"] = false.into());
    let (d, d_head) = (24, 8.0_f32);
    edit_weights(dir.path(), |tensors| {
        for (_, (_, _, bytes)) in tensors.iter_mut().filter(|(name, _)| name.contains("c_attn")) {
            let values = bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes).enumerate();
            let scaled = values.map(|(i, v)| if i % (3 * d) < d { v / d_head.sqrt() } else { v });
            *bytes = bytes_of(&scaled.collect::<Vec<f32>>());
        }
    });
    assert_equals_transformers(&load(dir.path()), &golden("tiny/golden.safetensors"));
}

#[test]
fn the_mlps_width_may_be_given() {
    let dir = tiny_copy("tiny");
    edit_json(&dir.path().join("config.json"), |c| c["n_inner"] = 96.into());
    assert_equals_transformers(&load(dir.path()), &golden("tiny/golden.safetensors"));
}

#[test]
fn the_hash_is_what_sha256sum_prints() {
    let dir = golden("tiny");
    let line = |name: &str| {
        format!("{}  {name}\n", saekit_core::files::sha256_file(&dir.join(name)).unwrap())
    };
    let listing = line("config.json") + &line("model.safetensors");
    assert_eq!(tiny().info().sha256, saekit_core::files::sha256(listing.as_bytes()));
}

#[test]
fn the_unembedding_gives_the_logits() {
    let model = tiny();
    assert_eq!(model.info().name, "tiny");
    let unembedding = model.unembedding().unwrap();
    assert_eq!((unembedding.rows(), unembedding.cols()), (61, 24));
    let tensors = read_tensors(&golden("tiny/model.safetensors"));
    assert_eq!(unembedding.as_slice(), floats(&tensors, "transformer.wte.weight"));
}
