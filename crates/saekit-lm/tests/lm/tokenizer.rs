use std::fs;

use saekit_core::Tokenizer as _;
use saekit_lm::{HfTokenizer, check_tokenizer};
use serde::Deserialize;

use saekit_core::LanguageModel as _;

use crate::support::{demo_model, golden, load, tiny};

fn demo() -> HfTokenizer {
    HfTokenizer::load(&demo_model()).unwrap()
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

/// Offsets count characters.
#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    offsets: Vec<(usize, usize)>,
}

fn cases() -> Vec<Case> {
    let path = golden("demo_tokens.json");
    serde_json::from_slice::<Golden>(&fs::read(path).unwrap()).unwrap().cases
}

#[test]
fn ids_and_offsets_equal_those_of_the_python_library() {
    for case in cases() {
        let found = demo().encode(&case.text).unwrap();
        assert_eq!(found.ids, case.ids, "{:?}", case.text);
        let characters = |byte: u32| case.text[..byte as usize].chars().count();
        let offsets = found.offsets.iter().map(|(a, b)| (characters(*a), characters(*b)));
        assert_eq!(offsets.collect::<Vec<_>>(), case.offsets, "{:?}", case.text);
    }
}

#[test]
fn decoding_gives_the_text_back() {
    for case in cases() {
        assert_eq!(demo().decode(&case.ids).unwrap(), case.text);
    }
}

#[test]
fn tokens_are_readable() {
    let tokenizer = demo();
    for case in cases() {
        for (id, (start, end)) in case.ids.iter().zip(&case.offsets) {
            let covered: String = case.text.chars().skip(*start).take(end - start).collect();
            let token = tokenizer.token(*id).unwrap();
            let text = tokenizer.decode(&[*id]).unwrap();
            assert!(token == covered || text.contains('\u{FFFD}'), "{token:?} for {covered:?}");
            assert!(!token.contains('\u{FFFD}') && !token.is_empty());
        }
    }
    assert_eq!(tokenizer.token(tokenizer.d_vocab() as u32), None);
}

#[test]
fn special_tokens_come_from_all_three_files() {
    let tokenizer = demo();
    assert_eq!(tokenizer.bos(), Some(0));
    assert_eq!(tokenizer.special_ids(), [0]);
    assert_eq!(tokenizer.token(0).unwrap(), "<|endoftext|>");

    let dir = tempfile::tempdir().unwrap();
    fs::copy(demo_model().join("tokenizer.json"), dir.path().join("tokenizer.json")).unwrap();
    assert_eq!(HfTokenizer::load(dir.path()).unwrap().bos(), None);
    let config = r#"{"bos_token_id": 7, "eos_token_id": [9, 8, 1000000], "pad_token_id": null}"#;
    fs::write(dir.path().join("config.json"), config).unwrap();
    let own = r#"{"bos_token": {"content": "A"}, "pad_token": "B"}"#;
    fs::write(dir.path().join("tokenizer_config.json"), own).unwrap();
    let tokenizer = HfTokenizer::load(dir.path()).unwrap();
    let [a, b] = ["A", "B"].map(|text| tokenizer.encode(text).unwrap().ids[0]);
    let mut expected = vec![0, 7, 8, 9, a, b];
    expected.sort_unstable();
    assert_eq!(tokenizer.bos(), Some(7));
    assert_eq!(tokenizer.special_ids(), expected);
    fs::remove_file(dir.path().join("config.json")).unwrap();
    assert_eq!(HfTokenizer::load(dir.path()).unwrap().bos(), Some(a));
}

#[test]
fn the_hash_is_the_files() {
    let file = demo_model().join("tokenizer.json");
    assert_eq!(demo().sha256(), saekit_core::files::sha256_file(&file).unwrap());
}

#[test]
fn truncation_and_padding_are_turned_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    fs::copy(demo_model().join("tokenizer.json"), &path).unwrap();
    crate::support::edit_json(&path, |t| {
        t["truncation"] = serde_json::json!({
            "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0
        });
    });
    let text = "In the beginning God created";
    let found = HfTokenizer::load(dir.path()).unwrap().encode(text).unwrap();
    assert_eq!(found, demo().encode(text).unwrap());
}

#[test]
fn a_missing_tokenizer_is_named_with_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let message = HfTokenizer::load(dir.path()).err().unwrap().to_string();
    assert!(message.contains("tokenizer.json does not exist; "), "{message}");
    assert!(message.contains("save_pretrained"), "{message}");
}

#[test]
fn a_broken_tokenizer_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(demo_model().join("tokenizer.json")).unwrap();
    fs::write(dir.path().join("tokenizer.json"), &whole[..whole.len() / 2]).unwrap();
    let message = HfTokenizer::load(dir.path()).err().unwrap().to_string();
    assert!(message.contains("tokenizer.json is not a valid tokenizer: "), "{message}");
    assert!(message.ends_with("; download it again"), "{message}");
}

#[test]
fn a_tokenizer_larger_than_the_models_vocabulary_is_refused() {
    let tokenizer = demo();
    check_tokenizer(load(&demo_model()).info(), &tokenizer).unwrap();
    let message = check_tokenizer(tiny().info(), &tokenizer).unwrap_err().to_string();
    assert_eq!(
        message,
        "the tokenizer has 4096 token ids, but model `tiny` only 61; use the tokenizer published \
         with the model"
    );
}
